//! All policies of a configuration, compiled together.

use std::time::Duration;

use wholetrace_proto::{id::TraceKey, tracestate::Threshold};

use crate::policy::{
    bits::Bits,
    config::DecisionCacheConfig,
    evaluation::{Evaluation, Trace},
    leaf::Leaf,
    observations::{KEEP_SIGNAL, fixed},
    sampling_decision::{PolicyBits, PolicyIndex, SamplingDecision},
    scan::{Observed, Scan},
    summary::Summary,
};

/// A compiled policy.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// Keeps what the leaf says yes to.
    Leaf(Leaf),
    /// Keeps what all say yes to.
    And(Box<[Leaf]>),
    /// Discards what all say yes to, whatever the other policies say.
    Drop(Box<[Leaf]>),
}

impl Rule {
    fn evaluate(&self, trace: &Trace<'_>) -> Evaluation {
        match self {
            Self::Leaf(leaf) => leaf.evaluate(trace),
            Self::And(leaves) | Self::Drop(leaves) => leaves
                .iter()
                .fold(Evaluation::ALWAYS, |evaluation, leaf| evaluation.and(leaf.evaluate(trace))),
        }
    }
}

/// The policies of a configuration, compiled: what they ask of spans is found in one scan, and
/// what that tells of a trace fits a [`Summary`].
///
/// Folding and deciding allocate nothing, and depend on nothing but what they are given: the same
/// spans in any order make the same summary, and that the same decision, on every machine.
#[derive(Clone, Debug)]
pub struct PolicySet {
    pub(super) scan: Scan,
    pub(super) rules: Vec<Rule>,
    /// The names of the rules, and behind them the one of the keep signals.
    pub(super) names: Vec<String>,
    pub(super) decision_wait: Duration,
    pub(super) decision_wait_after_root: Option<Duration>,
    pub(super) decision_cache: DecisionCacheConfig,
}

impl PolicySet {
    /// What the head of a resource (the bytes of its `Head`: the fields of `ResourceSpans` but for
    /// the spans) tells of all its spans. To be asked once for each resource of a frame.
    #[must_use]
    pub fn resource_bits(&self, head: &[u8]) -> Bits {
        self.scan.resource(head)
    }

    /// Folds a span, the body of a `Span` message, into the summary of its trace; `resource` is
    /// what [`resource_bits`](Self::resource_bits) told of its resource.
    #[inline]
    pub fn observe(&self, span: &[u8], resource: Bits, summary: &mut Summary) -> Observed {
        self.scan.span(span, resource, summary)
    }

    /// Decides about the trace `key`, of whose spans this set made `summary`. A summary that another
    /// set made says other things.
    #[must_use]
    pub fn decide(&self, key: TraceKey, summary: &Summary) -> SamplingDecision {
        let trace = Trace { summary, key };
        let randomness = trace.randomness();
        // Whether traces with the same contents may get another decision, which no threshold tells.
        let mut by_unknown_chance = false;
        let mut dropping = self.numbered().filter(|(_, rule)| matches!(rule, Rule::Drop(_)));
        for (index, rule) in &mut dropping {
            let evaluation = rule.evaluate(&trace);
            if evaluation.says_yes(randomness) {
                return SamplingDecision {
                    kept: false,
                    threshold: Threshold::NEVER.get(),
                    probability_known: true,
                    policy: Some(index),
                    matched: std::iter::once(index).collect(),
                    shadow: PolicyBits::NONE,
                };
            }
            by_unknown_chance |= evaluation.is_by_chance();
        }

        let mut lowest = Threshold::NEVER;
        let mut drawn = false;
        let mut first = None;
        let mut matched = PolicyBits::NONE;
        if summary.seen.intersects(fixed(KEEP_SIGNAL)) {
            lowest = Threshold::ALWAYS;
            first = PolicyIndex::try_from(self.rules.len()).ok();
            matched.extend(first);
        }
        let keeping = self.numbered().filter(|(_, rule)| !matches!(rule, Rule::Drop(_)));
        for (index, rule) in keeping {
            let evaluation = rule.evaluate(&trace);
            if evaluation.drawn.is_some() {
                drawn = true;
            } else {
                lowest = lowest.min(evaluation.threshold);
            }
            if evaluation.says_yes(randomness) {
                matched.insert(index);
                first = first.or(Some(index));
            }
        }
        // A draw adds nothing to the probability of a trace that is kept in any case.
        by_unknown_chance |= drawn && lowest != Threshold::ALWAYS;
        let kept = first.is_some();
        let threshold = if kept && by_unknown_chance { Threshold::ALWAYS } else { lowest };
        SamplingDecision {
            kept,
            threshold: threshold.get(),
            probability_known: !by_unknown_chance,
            policy: first,
            matched,
            shadow: PolicyBits::NONE,
        }
    }

    fn numbered(&self) -> impl Iterator<Item = (PolicyIndex, &Rule)> {
        (0..).zip(&self.rules)
    }

    /// The name of a policy that a decision speaks of: as configured, or `keep_signals`.
    #[must_use]
    pub fn policy_name(&self, index: PolicyIndex) -> Option<&str> {
        self.names.get(usize::from(index)).map(String::as_str)
    }

    /// The names of all policies that decisions may speak of, by index.
    #[must_use]
    pub fn policy_names(&self) -> &[String] {
        &self.names
    }

    /// Stream time from the first span of a trace to its decision.
    #[must_use]
    pub const fn decision_wait(&self) -> Duration {
        self.decision_wait
    }

    /// How long decisions are remembered.
    #[must_use]
    pub const fn decision_cache(&self) -> &DecisionCacheConfig {
        &self.decision_cache
    }

    /// Stream time from a root span to the decision, when a root span is to bring it forward.
    #[must_use]
    pub const fn decision_wait_after_root(&self) -> Option<Duration> {
        self.decision_wait_after_root
    }
}
