//! The policies that judge a trace by themselves, one file each. A new one needs a file here, an
//! arm in `Leaf`, its body in the configuration and a row in the table of types.

pub mod always_sample;
pub mod latency;
pub mod probabilistic;
pub mod status_code;
pub mod string_attribute;

use crate::policy::{
    evaluation::{Evaluation, Trace},
    leaf::{
        always_sample::AlwaysSample, latency::Latency, probabilistic::Probabilistic,
        status_code::StatusCode, string_attribute::StringAttribute,
    },
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
    pub(super) fn evaluate(self, trace: &Trace<'_>) -> Evaluation {
        match self {
            Self::AlwaysSample(leaf) => leaf.evaluate(),
            Self::Latency(leaf) => leaf.evaluate(trace),
            Self::Probabilistic(leaf) => leaf.evaluate(trace),
            Self::StatusCode(leaf) => leaf.evaluate(trace),
            Self::StringAttribute(leaf) => leaf.evaluate(trace),
        }
    }
}
