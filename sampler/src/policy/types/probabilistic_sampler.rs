//! `probabilistic_sampler`: the share of all traces that the Collector's processor of that name keeps,
//! so that agents and samplers agree on the same ones. Ours, by its settings.
//!
//! The processor judges each span by the threshold that this one comes with; a policy judges the trace,
//! whose spans may come with several. What it compares the randomness of the trace with must not depend
//! on that randomness, or counts are wrong; so it must not depend on which spans are there:
//!
//! * `equalizing` takes its own threshold. Each span of a kept trace leaves with that or its own,
//!   whichever is greater: what the processor does, and it never splits a trace either.
//! * `proportional` multiplies with the probability of the span that came most probably, which is there
//!   whenever anything of the trace is. Spans that came with a greater threshold keep that one. The
//!   processor would discard some of them, and split the trace.
//! * `hash_seed` draws by the id alone. Where the spans state the very randomness that the processor
//!   makes of the id and this seed, the thresholds they came with are comparable, and stay.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_proto::{id::RANDOMNESS_BITS, tracestate::Threshold};

use crate::policy::{
    evaluation::Evaluation,
    fnv,
    lower::{Lower, Lowering},
    plan::{Fact, ValueTest},
    report::{Report, Unknown},
    rule::{Leaf, Rule, Trace},
    say::{Said, share},
};

/// The attribute by which a sender asks for a trace, or against it.
const PRIORITY: &str = "sampling.priority";
/// Buckets of the hash.
const BUCKETS: u32 = 1 << 14;
/// Bits of a randomness below those that are the number of a bucket.
const BUCKET_SHIFT: u32 = RANDOMNESS_BITS - 14;

/// The settings of a `probabilistic_sampler` policy: those of the Collector's processor for traces.
/// Where spans of a trace come with several thresholds it is judged as a whole.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct ProbabilisticSamplerConfig {
    /// The share of the traces to keep, in percent: 0 keeps none, 100 and more keep all.
    pub sampling_percentage: f32,
    /// What the hash of mode `hash_seed` begins with.
    pub hash_seed: u32,
    /// How traces are drawn.
    pub mode: SamplerMode,
    /// Whether a trace is not kept that has a span with a threshold above its own randomness.
    /// Otherwise it is, and its thresholds are erased.
    pub fail_closed: bool,
    /// Hexadecimal digits of a threshold behind leading `f`s, 1 to 14.
    pub sampling_precision: u32,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

/// How traces are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SamplerMode {
    /// By a hash of the trace id, in 16,384 buckets. A tracestate tells its probability only where
    /// spans come with the `rv` of a Collector that has the same seed.
    #[default]
    #[serde(alias = "")]
    HashSeed,
    /// The share is one of what arrives: the probability is multiplied that the span with the least
    /// threshold came with.
    Proportional,
    /// The share is one of what there was at first: what was sampled more strictly before is kept
    /// whole.
    Equalizing,
}

impl Default for ProbabilisticSamplerConfig {
    /// The Collector's defaults.
    fn default() -> Self {
        Self {
            sampling_percentage: 0.0,
            hash_seed: 0,
            mode: SamplerMode::HashSeed,
            fail_closed: true,
            sampling_precision: Threshold::PRECISION,
            unknown: Unknown::default(),
        }
    }
}

/// What is drawn, beside what senders ask for.
#[derive(Debug)]
struct ProbabilisticSampler {
    draw: Draw,
    /// That a sender asks for the trace.
    wanted: Fact,
    /// That a sender asks against it.
    unwanted: Fact,
    fail_closed: bool,
}

#[derive(Clone, Copy, Debug)]
enum Draw {
    /// Traces whose hash, begun with that of the seed, is in a bucket below.
    Hash { seed: u32, below: u32 },
    /// A part of what arrives.
    Part { probability: f64, precision: u32 },
    /// A part of what there was.
    All(Threshold),
}

impl Lower for ProbabilisticSamplerConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        const KEY: &str = "sampling_percentage";
        report.refuse(
            &self.unknown,
            &["fail_closed", "hash_seed", "mode", KEY, "sampling_precision"],
        );
        report.within("sampling_precision", self.sampling_precision, 1, 14);
        let percentage = self.sampling_percentage;
        if !percentage.is_finite() || percentage < 0.0 {
            report.under(KEY).bad_value(percentage, "is no share", "take 0 to 100");
            return None;
        }
        let (precision, probability) =
            (self.sampling_precision.clamp(1, 14), f64::from(percentage) / 100.0);
        let draw = match self.mode {
            SamplerMode::HashSeed => {
                Draw::Hash { seed: self.hash_seed, below: buckets(percentage) }
            }
            SamplerMode::Proportional => Draw::Part { probability, precision },
            SamplerMode::Equalizing => Draw::All(Threshold::with_precision(probability, precision)),
        };
        into.planner.randomness();
        into.planner.incoming_threshold();
        let wanted = into.planner.value(PRIORITY, ValueTest::Positive);
        let unwanted = into.planner.value(PRIORITY, ValueTest::Zero);
        let (wanted, unwanted) = (into.fact(wanted, report)?, into.fact(unwanted, report)?);
        let fail_closed = self.fail_closed;
        Some(Rule::leaf(ProbabilisticSampler { draw, wanted, unwanted, fail_closed }))
    }

    fn say(&self) -> Option<Said> {
        let what = match self.mode {
            SamplerMode::HashSeed => "all",
            SamplerMode::Proportional => "what arrives",
            SamplerMode::Equalizing => "what there was before other samplers",
        };
        let traces = format!(
            "by chance: {} (all with `{PRIORITY}` above 0, none with 0)",
            share(self.sampling_percentage.into(), what)
        );
        Some(Said::new(traces, "the trace id, the tracestate and `sampling.priority`"))
    }
}

/// How many buckets are kept, cut in the precision of the setting as the Collector does.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "within 0 to 16,384"
)]
fn buckets(percentage: f32) -> u32 {
    (percentage.clamp(0.0, 100.0) * (BUCKETS as f32 / 100.0)) as u32
}

impl Leaf for ProbabilisticSampler {
    fn evaluate(&self, trace: &Trace<'_>) -> Evaluation {
        if trace.record.has(self.wanted) {
            return Evaluation::ALWAYS;
        }
        if trace.record.has(self.unwanted) {
            return Evaluation::NEVER;
        }
        if trace.record.has_untrue_threshold() {
            return Evaluation::drawn(!self.fail_closed);
        }
        match self.draw {
            Draw::Hash { seed, below } => by_hash(seed, below, trace),
            Draw::Part { probability, precision } => {
                let passed = trace.passed();
                let left = passed.probability() * probability;
                Evaluation::of(Threshold::with_precision(left, precision).max(passed))
            }
            Draw::All(threshold) => Evaluation::of(threshold),
        }
    }
}

fn by_hash(seed: u32, below: u32, trace: &Trace<'_>) -> Evaluation {
    let id = trace.record.trace_id(trace.key);
    let hash = fnv::hash32(seed.to_le_bytes().into_iter().chain(id));
    let threshold = u64::from(BUCKETS - below) << BUCKET_SHIFT;
    match Threshold::new(threshold) {
        Some(threshold) if trace.record.randomness() == Some(randomness_of(hash)) => {
            Evaluation::of(threshold)
        }
        _ => Evaluation::drawn(hash % BUCKETS < below),
    }
}

/// The `rv` that the processor writes in mode `hash_seed`: compared with thresholds it gives the same
/// answer as the bucket, and the bits below are made of those that the bucket leaves of the hash.
fn randomness_of(hash: u32) -> u64 {
    let (bucket, rest) = (u64::from(hash % BUCKETS), u64::from(hash >> 18));
    ((u64::from(BUCKETS - 1) - bucket) << BUCKET_SHIFT) | ((rest ^ (rest << 10)) << 14) | bucket
}

#[cfg(test)]
mod tests {
    use wholetrace_proto::otlp::{Span, any_value::Value};

    use crate::policy::{set::PolicySet, tests::support::*};

    /// A trace id with a high randomness.
    const LUCKY: u128 = 1 << 100 | 0xff_ffff_0000_0000;
    const HALF: u64 = 1 << 55;

    fn sampler(settings: &str) -> PolicySet {
        policy("probabilistic_sampler", settings)
    }

    /// The head sampler's modes, and what a head sampler in front has done before.
    #[test]
    fn keeps_what_the_head_sampler_keeps() {
        let of = |id: u128| Trace::new(id).span(Span::default());
        // Bucket 0x008d is below 163 (1 %), 0x1a25 is not.
        let one = sampler("{ sampling_percentage: 1 }");
        assert!(of(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736).is_kept(&one));
        assert!(!of(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10).is_kept(&one));
        assert!(!of(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736).decision(&one).probability_known);

        let sampled = |randomness: u128, state: &str| came(1 << 100 | randomness, &[state]);
        // Half of what a head sampler has left of half: a quarter.
        let proportional = sampler("{ sampling_percentage: 50, mode: proportional }");
        assert_eq!(verdict(&proportional, &sampled(LUCKY, "ot=th:8")), (true, true, 3 << 54));
        assert_eq!(verdict(&proportional, &sampled(LUCKY, "")), (true, true, HALF));
        // Half of all: what a head sampler has left of a quarter is kept, and stays one.
        let equalizing = sampler("{ sampling_percentage: 50, mode: equalizing }");
        assert_eq!(verdict(&equalizing, &sampled(LUCKY, "ot=th:4")), (true, true, HALF));
        assert_eq!(leave(&equalizing, &sampled(LUCKY, "ot=th:c")), ["ot=th:c"]);
        assert!(!sampled(5, "").is_kept(&equalizing));
        // A threshold above the randomness cannot be true.
        let open = sampler("{ sampling_percentage: 50, mode: equalizing, fail_closed: false }");
        assert!(!sampled(5, "ot=th:8").is_kept(&equalizing));
        assert_eq!(verdict(&open, &sampled(5, "ot=th:8")), (true, false, 0));
        // Senders that insist.
        let asked = |value: i64| {
            dull().span(with(vec![attribute("sampling.priority", Value::IntValue(value))]))
        };
        assert!(
            asked(1).is_kept(&one) && !asked(0).is_kept(&sampler("{ sampling_percentage: 100 }"))
        );
        let precise =
            sampler("{ sampling_percentage: 1, mode: equalizing, sampling_precision: 14 }");
        assert_eq!(verdict(&precise, &of(LUCKY)).2, 0xfd_70a3_d70a_3d71);
        let (errors, _) = problems(
            "policies: [ { name: a, type: probabilistic_sampler, probabilistic_sampler: { \
         sampling_percentage: -1, sampling_precision: 15 } } ]",
        );
        assert_eq!(errors.len(), 2, "{errors:?}");
    }
}
