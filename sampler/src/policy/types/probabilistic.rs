//! `probabilistic`: a share of all traces is kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_proto::tracestate::Threshold;

use crate::policy::{
    compatibility::Compatibility,
    evaluation::Evaluation,
    fnv,
    lower::{Lower, Lowering},
    report::{Report, Unknown},
    rule::{Leaf, Rule, Trace},
    say::{Said, share},
};

/// What the Collector salts its hash with when its user names no salt.
const DEFAULT_SALT: &str = "default-hash-seed";

/// The settings of a `probabilistic` policy.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct ProbabilisticConfig {
    /// The share of the traces to keep, in percent: 0 keeps none, 100 and more keep all.
    pub sampling_percentage: f64,
    /// Without it traces are drawn by the randomness in their ids, consistently with all other
    /// samplers that follow OpenTelemetry, and kept spans tell in their tracestate what they count
    /// for, unless the whole block is set to `compatibility: collector`. With it (an empty one
    /// stands for `default-hash-seed`) they are drawn by the hash of the Collector, bit for bit:
    /// the same traces as a Collector with that salt keeps, of which no tracestate can tell the
    /// probability.
    pub hash_salt: Option<String>,
    /// Hexadecimal digits of the threshold behind leading `f`s, 1 to 14, and so in the tracestate: how
    /// exact the share is. Not needed beside a hash.
    pub sampling_precision: u32,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl Default for ProbabilisticConfig {
    fn default() -> Self {
        Self {
            sampling_percentage: 0.0,
            hash_salt: None,
            sampling_precision: Threshold::PRECISION,
            unknown: Unknown::default(),
        }
    }
}

/// By the Collector's hash of the trace id.
#[derive(Debug)]
struct Hashed {
    /// The hash of the salt.
    salt: u64,
    /// Traces with a greater hash are not kept.
    greatest: u64,
}

impl Lower for ProbabilisticConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        const KEY: &str = "sampling_percentage";
        const PRECISION: &str = "sampling_precision";
        report.refuse(&self.unknown, &["hash_salt", KEY, PRECISION]);
        report.within(PRECISION, self.sampling_precision, 1, 14);
        let percentage = self.sampling_percentage;
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
        let salt = match (self.hash_salt.as_deref(), into.compatibility) {
            (None, Compatibility::Consistent) => {
                into.planner.randomness();
                let precision = self.sampling_precision.clamp(1, 14);
                return Some(Rule::Share(Threshold::with_precision(ratio, precision)));
            }
            (None | Some(""), _) => DEFAULT_SALT,
            (Some(salt), _) => salt,
        };
        if self.sampling_precision != Threshold::PRECISION {
            report.warn(PRECISION, "not needed", "by a hash the share is as exact as it can be");
        }
        let greatest = fnv::greatest_kept(ratio);
        if greatest == u64::MAX {
            // Everything is kept, whatever the hash.
            return Some(Rule::Always);
        }
        Some(Rule::leaf(Hashed { salt: fnv::hash(salt.as_bytes()), greatest }))
    }

    fn say(&self) -> Option<Said> {
        let looks_at = match &self.hash_salt {
            Some(_) => "a hash of the trace id and the salt",
            None => "the trace id, or the randomness that a tracestate tells",
        };
        let share = share(self.sampling_percentage, "all");
        Some(Said::new(format!("by chance: {share}"), looks_at))
    }
}

impl Leaf for Hashed {
    fn evaluate(&self, trace: &Trace<'_>) -> Evaluation {
        let hash = fnv::hash_on(self.salt, trace.record.trace_id(trace.key));
        Evaluation::drawn(hash <= self.greatest)
    }
}
