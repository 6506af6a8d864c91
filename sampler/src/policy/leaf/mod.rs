//! The policies that judge a trace by themselves, one file each. A new one needs a file here, an
//! arm in `Leaf`, its body in the configuration and a row in the table of types.

pub mod always_sample;
pub mod latency;
pub mod probabilistic;
pub mod status_code;
pub mod string_attribute;

use crate::policy::{
    leaf::{
        always_sample::AlwaysSample, latency::Latency, probabilistic::Probabilistic,
        status_code::StatusCode, string_attribute::StringAttribute,
    },
    outcome::{Outcome, Trace},
};

/// A compiled policy that judges by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leaf {
    AlwaysSample(AlwaysSample),
    Latency(Latency),
    Probabilistic(Probabilistic),
    StatusCode(StatusCode),
    StringAttribute(StringAttribute),
}

impl Leaf {
    pub(super) fn outcome(self, trace: &Trace<'_>) -> Outcome {
        match self {
            Self::AlwaysSample(leaf) => leaf.outcome(),
            Self::Latency(leaf) => leaf.outcome(trace),
            Self::Probabilistic(leaf) => leaf.outcome(trace),
            Self::StatusCode(leaf) => leaf.outcome(trace),
            Self::StringAttribute(leaf) => leaf.outcome(trace),
        }
    }
}
