//! Records of the decision log and of the dead-letter log, as `proto/wholetrace/v1/record.proto`
//! documents them.
//!
//! Reading decisions borrows from the record, whatever the record claims; it allocates nothing but
//! for sets of policies with numbers of 64 and more, of 512 bytes at most. What is said of budgets
//! comes once in a second, and takes as much memory as its record.

mod budgets;
mod claim;
mod dead_letter;
mod decision;
mod error;
mod numbers;
mod policy_bits;

pub use budgets::{
    BUDGETS_MAX, BudgetDemand, BudgetRates, KEYS_MAX, PartitionDemand, RateChange, encode_demand,
    encode_rates,
};
pub use claim::{Claim, VERSION};
pub use dead_letter::{DeadLetter, encode_replayed, read_replayed};
pub use decision::{Decision, DecisionBatch, SubPolicy, encode_decisions, encode_decisions_of};
pub use error::{POLICIES_MAX, RecordError};
pub use policy_bits::PolicyBits;

#[cfg(test)]
mod tests;
