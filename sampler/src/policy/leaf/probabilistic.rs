//! `probabilistic`: a share of all traces is kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_proto::tracestate::Threshold;

use crate::policy::{
    evaluation::{Evaluation, Trace},
    fnv,
    report::{Report, Unknown},
};

/// What the Collector salts its hash with when its user names no salt.
const DEFAULT_SALT: &str = "default-hash-seed";

/// The body of a `probabilistic` policy.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct ProbabilisticConfig {
    /// The share of the traces to keep, in percent: 0 keeps none, 100 and more keep all.
    pub sampling_percentage: f64,
    /// Without it traces are drawn by the randomness in their ids, consistently with all other
    /// samplers that follow OpenTelemetry, and kept spans tell in their tracestate what they count
    /// for. With it (an empty one stands for `default-hash-seed`) they are drawn by the hash of
    /// the Collector, bit for bit: the same traces as a Collector with that salt keeps, of which
    /// no tracestate can tell the probability.
    pub hash_salt: Option<String>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

/// The compiled policy.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) enum Probabilistic {
    /// By the randomness of the trace.
    Consistent(Threshold),
    /// By the Collector's hash of the trace id.
    Hashed {
        /// The hash of the salt.
        salt: u64,
        /// Traces with a greater hash are not kept.
        greatest: u64,
    },
}

impl Probabilistic {
    pub(in crate::policy) fn compile(
        config: &ProbabilisticConfig,
        report: &mut Report<'_>,
    ) -> Option<Self> {
        const KEY: &str = "sampling_percentage";
        report.refuse(&config.unknown, &["hash_salt", KEY]);
        let percentage = config.sampling_percentage;
        if percentage.is_nan() {
            report.under(KEY).bad_value(percentage, "is no number", "take 0 to 100");
            return None;
        }
        if percentage <= 0.0 {
            report.warn(KEY, format!("`{percentage}` keeps no trace"), "take more than 0");
        }
        if percentage > 100.0 {
            report.warn(
                KEY,
                format!("`{percentage}` keeps every trace, as `100` does"),
                "take at most 100",
            );
        }
        let ratio = percentage / 100.0;
        Some(match config.hash_salt.as_deref() {
            None => Self::Consistent(Threshold::of_probability(ratio)),
            Some(salt) => {
                let salt = if salt.is_empty() { DEFAULT_SALT } else { salt };
                Self::Hashed {
                    salt: fnv::hash(salt.as_bytes()),
                    greatest: fnv::greatest_kept(ratio),
                }
            }
        })
    }

    pub(in crate::policy) fn evaluate(self, trace: &Trace<'_>) -> Evaluation {
        match self {
            Self::Consistent(threshold) => Evaluation::of(threshold),
            // Everything is kept, whatever the hash.
            Self::Hashed { greatest: u64::MAX, .. } => Evaluation::ALWAYS,
            Self::Hashed { salt, greatest } => {
                let hash = fnv::hash_on(salt, trace.summary.trace_id(trace.key));
                Evaluation::drawn(hash <= greatest)
            }
        }
    }
}
