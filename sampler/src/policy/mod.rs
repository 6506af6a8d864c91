//! Policies: what spans tell of a trace, and what follows from it.
//!
//! ```text
//!  configuration            compiled                      used
//!  TailSamplingConfig ──▶ PolicySet
//!    PolicyConfig …  lower  ├─ Rule …   (a tree)   ◀── decide(key, record) ──▶ SamplingDecision
//!    (types/*.rs)  ───────▶ └─ Plan     (a scan)   ◀── resource(head), observe(span, record)
//! ```
//!
//! One trace, with the policies "errors" and "a tenth": its first span has no status, so its
//! record, blank so far, learns only when it ended; the second one failed: the fact *a span has the
//! status ERROR* is added. When the trace is due, "errors" says yes, so its threshold is 0 and it is
//! kept, whatever its randomness.
//!
//! A type of policy is a file in [`types`] and a row in the table of [`policies`]. What policies may
//! ask of spans, and how that is found out, is in `plan`.

pub mod budget;
pub mod compatibility;
pub mod compile;
pub mod config;
mod evaluation;
pub mod explain;
mod fnv;
mod lenient;
mod lower;
pub mod offline;
mod plan;
pub mod policies;
pub mod policy_hash;
pub mod recording;
mod report;
mod rule;
pub mod sampling_decision;
mod say;
pub mod set;
pub mod tally;
pub mod types;

pub use budget::{Budget, Budgets};
pub use compatibility::Compatibility;
pub use config::{DecisionCacheConfig, DropSignal, KeepSignal, RecordPolicy, TailSamplingConfig};
pub(crate) use plan::is_root;
pub use plan::{Heads, Lasting, NearTimes, Observed};
pub use policies::{POLICY_TYPES, PolicyConfig};
pub use policy_hash::PolicyHash;
pub use recording::Recording;
pub use report::Unknown;
pub use sampling_decision::{PolicyBits, PolicyIndex, SamplingDecision, SubPolicy};
pub use set::PolicySet;
pub use tally::{PolicyCounts, Tally};

#[cfg(test)]
mod tests;
