//! Policies from their configuration to decisions.

mod charges;
mod configuration;
mod counts;
mod decisions;
mod explained;
mod head;
mod naive;
mod odd_attributes;
mod properties;
mod shadows;
mod sub_policies;
pub(super) mod support;
mod tally;
mod thresholds;
