//! Policies: a fold over the spans of a trace, and a decision.
//!
//! A [`TailSamplingConfig`] is compiled into a [`PolicySet`]. Spans are folded into a [`Summary`]
//! of their trace ([`PolicySet::observe`]), and the summary is turned into a [`SamplingDecision`]
//! ([`PolicySet::decide`]). How a new type of policy is added is told in [`leaf`].

mod attributes;
pub mod bits;
pub mod compile;
pub mod config;
mod evaluation;
mod fnv;
mod kind;
pub mod leaf;
mod lenient;
mod observations;
pub mod offline;
pub mod policies;
mod report;
pub mod sampling_decision;
pub mod scan;
pub mod set;
pub mod summary;

pub use bits::Bits;
pub use config::{DecisionCacheConfig, KeepSignal, TailSamplingConfig};
pub use policies::{AndConfig, DropConfig, PolicyConfig};
pub use report::Unknown;
pub use sampling_decision::{PolicyBits, PolicyIndex, SamplingDecision};
pub use scan::Observed;
pub use set::PolicySet;
pub use summary::Summary;

#[cfg(test)]
mod tests;
