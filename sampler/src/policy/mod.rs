//! Policies: a fold over the spans of a trace, and a verdict.
//!
//! A configuration is compiled into a [`PolicySet`]. Spans are folded into a [`Summary`] of their
//! trace ([`PolicySet::observe`]), and the summary is turned into a [`Verdict`]
//! ([`PolicySet::decide`]).

mod attributes;
pub mod bits;
mod fnv;
pub mod leaf;
mod observations;
mod outcome;
mod randomness;
pub mod scan;
pub mod set;
mod share;
pub mod summary;
pub mod verdict;

pub use bits::Bits;
pub use scan::Observed;
pub use set::{KEEP_SIGNALS, PolicySet};
pub use summary::Summary;
pub use verdict::{PolicyIndex, RANDOMNESS_RANGE, Threshold, Verdict};
