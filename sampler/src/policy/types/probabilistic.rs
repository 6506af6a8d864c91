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

#[cfg(test)]
mod tests {
    use wholetrace_proto::otlp::Span;

    use crate::policy::tests::support::*;

    /// A randomness that consistent sampling keeps at any share above 0.
    const LUCKY: u128 = (1 << 56) - 1;

    #[test]
    fn keeps_by_the_low_bits_of_the_id() {
        let cases: &[(&str, u128, bool)] = &[
            ("50", 0x80_0000_0000_0000, true),
            ("49", 0x80_0000_0000_0000, false),
            ("10", 0xe6_6600_0000_0000, true),
            ("10", 0xe6_65ff_ffff_ffff, false),
            // Neither the high half nor the eighth byte from the end has a say.
            ("50", u128::MAX << 56, false),
            ("100", 0, true),
            ("120", 0, true),
            ("0", LUCKY, false),
            ("-5", LUCKY, false),
        ];
        for (percentage, id, kept) in cases {
            let settings = format!("{{ sampling_percentage: {percentage} }}");
            let trace = Trace::new(*id).span(Span::default());
            let decision = trace.decision(&policy("probabilistic", &settings));
            assert_eq!(decision.kept, *kept, "{percentage} % {id:x}");
            assert!(decision.probability_known);
        }
    }

    #[test]
    fn an_explicit_randomness_goes_before_the_id() {
        let policies = policy("probabilistic", "{ sampling_percentage: 50 }");
        let stated = |id, state: &str| {
            let stated = Span { trace_state: state.to_owned(), ..Span::default() };
            Trace::new(id).span(Span::default()).span(stated)
        };
        assert!(stated(1, "a=b,ot=th:8;rv:80000000000000").is_kept(&policies));
        assert!(!stated(LUCKY, "ot=rv:7fffffffffffff").is_kept(&policies));
        assert!(stated(LUCKY, "ot=rv:7ffff").is_kept(&policies), "a malformed one does not count");
    }

    #[test]
    fn with_a_salt_the_collectors_hash_draws() {
        let id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
        let trace = Trace::new(id).span(Span::default());
        for salt in ["default-hash-seed", "''"] {
            let at = |percentage: &str| {
                let settings =
                    format!("{{ sampling_percentage: {percentage}, hash_salt: {salt} }}");
                trace.decision(&policy("probabilistic", &settings))
            };
            assert!(!at("64.55").kept);
            assert!(at("64.56").kept);
            assert!(!at("64.56").probability_known, "no threshold can tell of it");
            assert!(at("100").probability_known);
        }
        let kept = |salt: &str| -> Vec<bool> {
            let settings = format!("{{ sampling_percentage: 50, hash_salt: {salt} }}");
            let policies = policy("probabilistic", &settings);
            (1..64_u128)
                .map(|n| {
                    Trace::new((n << 96) | (n * 0x9e37_79b9_7f4a_7c15))
                        .span(Span::default())
                        .is_kept(&policies)
                })
                .collect()
        };
        assert_ne!(kept("one"), kept("another"), "each salt draws for itself");
    }
}
