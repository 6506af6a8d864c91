//! All policies of a configuration, compiled together.

use std::time::Duration;

use wholetrace_proto::{id::TraceKey, tracestate::Threshold};

use crate::policy::{
    budget::{Budget, Budgets, Unlimited},
    config::DecisionCacheConfig,
    plan::{Fact, Heads, NearTimes, Observed, Plan, Record},
    policy_hash::PolicyHash,
    recording::Recording,
    rule::{Rule, Trace},
    sampling_decision::{PolicyBits, PolicyIndex, SamplingDecision, SubPolicy},
};

/// What a policy does with the traces that its rule says yes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Keeps them.
    Keep,
    /// Discards them, whatever the other policies say.
    Drop,
    /// Nothing: what it would do is told.
    Shadow(Tried),
}

/// What a policy would do that is tried only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// Keep traces.
    Keep,
    /// Discard them.
    Drop,
}

/// A compiled policy.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) rule: Rule,
    pub(super) effect: Effect,
}

/// The numbers of the policies, by what they do.
#[derive(Clone, Debug)]
pub(super) struct ByEffect {
    drops: Box<[PolicyIndex]>,
    keeps: Box<[PolicyIndex]>,
    shadows: Box<[PolicyIndex]>,
}

impl ByEffect {
    pub(super) fn of(policies: &[Policy]) -> Self {
        let with = |is: fn(Effect) -> bool| {
            let numbered = (0..).zip(policies);
            numbered.filter(|(_, policy)| is(policy.effect)).map(|(index, _)| index).collect()
        };
        Self {
            drops: with(|effect| effect == Effect::Drop),
            keeps: with(|effect| effect == Effect::Keep),
            shadows: with(|effect| matches!(effect, Effect::Shadow(_))),
        }
    }
}

/// The policies of a configuration, compiled: what they ask of spans is found in one scan, and
/// what that tells of a trace fits a record of a few words, which only this set can read.
///
/// Folding and deciding allocate nothing, and depend on nothing but what they are given: the same
/// spans in any order make the same record, and that the same decision, on every machine.
#[derive(Clone, Debug)]
pub struct PolicySet {
    pub(super) plan: Plan,
    pub(super) policies: Vec<Policy>,
    pub(super) by_effect: ByEffect,
    pub(super) budgets: Vec<Budget>,
    /// That something asks for the trace to be kept.
    pub(super) signal: Option<Fact>,
    /// That something asks for the trace to be discarded.
    pub(super) drop_signal: Option<Fact>,
    /// Traces with more bytes of spans are discarded.
    pub(super) most_bytes: Option<u64>,
    /// The names of the policies, and behind them the one of the keep signals and, if there are any,
    /// those of the drop signals and of the bound for bytes.
    pub(super) names: Vec<String>,
    /// The names of policies within composite ones, where they are to be told.
    pub(super) sub_policy_names: Vec<String>,
    pub(super) hash: PolicyHash,
    pub(super) recording: Recording,
    pub(super) decision_wait: Duration,
    pub(super) decision_wait_after_root: Option<Duration>,
    pub(super) decision_cache: DecisionCacheConfig,
}

impl PolicySet {
    /// The record of a trace of which no span has been seen. All records of a set have its length.
    #[must_use]
    pub const fn blank_record(&self) -> &[u64] {
        self.plan.layout.blank()
    }

    /// Takes the head of a resource (the bytes of its `Head`: the fields of `ResourceSpans` but for
    /// the spans), into `heads` that this set alone uses. To be told once for each resource of a
    /// frame, before its spans.
    pub fn resource(&self, head: &[u8], heads: &mut Heads) {
        self.plan.scan.asked.resource(head, &self.plan.layout, heads);
    }

    /// Whether [`scope`](Self::scope) is to be told the heads of scopes.
    #[must_use]
    pub fn wants_scopes(&self) -> bool {
        self.plan.scan.asked.wants_scopes()
    }

    /// Takes the head of a scope (the bytes of its `Head`: the fields of `ScopeSpans` but for the
    /// spans). To be told once for each scope, behind its resource and before its spans, if this set
    /// [wants it](Self::wants_scopes).
    pub fn scope(&self, head: &[u8], heads: &mut Heads) {
        self.plan.scan.asked.scope(head, &self.plan.layout, heads);
    }

    /// Folds a span, the body of a `Span` message, into the record of its trace; `heads` have what
    /// was told of its resource and its scope. Nobody knows when it came.
    #[inline]
    pub fn observe(&self, span: &[u8], heads: &mut Heads, record: &mut [u64]) -> Observed {
        self.observe_near(span, NearTimes::ANY, heads, record)
    }

    /// The same for a span of a frame to which some times are `near`: what the others do not count
    /// for.
    #[inline]
    pub fn observe_near(
        &self,
        span: &[u8],
        near: NearTimes,
        heads: &mut Heads,
        record: &mut [u64],
    ) -> Observed {
        self.plan.scan.span(span, near, heads, &self.plan.layout, record)
    }

    /// The latest end of a span of the trace of `record`, in nanoseconds since the Unix epoch; `None`
    /// while no sender has told one.
    #[must_use]
    pub fn latest_end_ns(&self, record: &[u64]) -> Option<u64> {
        self.record(record).latest_end_ns()
    }

    /// The high half of the longest id that spans of the trace of `record` have; 0 if all have ids of
    /// 64 bits.
    #[must_use]
    pub fn id_high(&self, record: &[u64]) -> u64 {
        self.record(record).id_high()
    }

    pub(super) const fn record<'r>(&'r self, words: &'r [u64]) -> Record<'r> {
        Record { layout: &self.plan.layout, words }
    }

    /// Decides about the trace `key`, of whose spans this set made `record`, as if nothing else asked
    /// for its budgets. A record that another set made says other things.
    #[must_use]
    pub fn decide(&self, key: TraceKey, record: &[u64]) -> SamplingDecision {
        self.decide_within(key, record, &Unlimited)
    }

    /// The same, within what the budgets allow.
    #[must_use]
    pub fn decide_within(
        &self,
        key: TraceKey,
        record: &[u64],
        budgets: &dyn Budgets,
    ) -> SamplingDecision {
        let trace = Trace { record: self.record(record), key, budgets };
        let randomness = trace.randomness();
        let decision = self.decide_by_obeyed(&trace, randomness);
        SamplingDecision { shadow: self.shadows_of(&trace, randomness), ..decision }
    }

    /// The shadow policies that say yes, whatever is decided.
    fn shadows_of(&self, trace: &Trace<'_>, randomness: u64) -> PolicyBits {
        let shadows = self.policies(&self.by_effect.shadows);
        let yes = shadows.filter(|(_, policy)| policy.rule.evaluate(trace).says_yes(randomness));
        yes.map(|(index, _)| index).collect()
    }

    /// What those policies decide that are not only tried.
    fn decide_by_obeyed(&self, trace: &Trace<'_>, randomness: u64) -> SamplingDecision {
        if self.most_bytes.is_some_and(|most| trace.record.bytes() > most) {
            let drop_signals = usize::from(self.drop_signal.is_some());
            return discarded(self.number_behind(1 + drop_signals));
        }
        // Whether traces with the same contents may get another decision, which no threshold tells.
        let mut by_unknown_chance = false;
        let mut failed = PolicyBits::NONE;
        for (index, policy) in self.policies(&self.by_effect.drops) {
            let evaluation = policy.rule.evaluate(trace);
            failed.extend(evaluation.failed.then_some(index));
            if evaluation.says_yes(randomness) {
                return discarded(Some(index));
            }
            by_unknown_chance |= evaluation.is_by_chance();
        }

        let mut lowest = Threshold::NEVER;
        let mut drawn = false;
        let (mut first, mut sub_policy) = (None, None);
        let mut matched = PolicyBits::NONE;
        let has = |signal: Option<Fact>| signal.is_some_and(|signal| trace.record.has(signal));
        if has(self.signal) {
            lowest = Threshold::ALWAYS;
            first = self.number_behind(0);
            matched.extend(first);
        } else if has(self.drop_signal) {
            return discarded(self.number_behind(1));
        }
        for (index, policy) in self.policies(&self.by_effect.keeps) {
            let (evaluation, name) = policy.rule.evaluate_telling(trace);
            failed.extend(evaluation.failed.then_some(index));
            if evaluation.drawn.is_some() {
                drawn = true;
            } else {
                lowest = lowest.min(evaluation.threshold);
            }
            if evaluation.says_yes(randomness) {
                matched.insert(index);
                first = first.or(Some(index));
                sub_policy = sub_policy.or_else(|| name.map(|name| SubPolicy { of: index, name }));
            }
        }
        // A draw adds nothing to the probability of a trace that is kept in any case.
        by_unknown_chance |= drawn && lowest != Threshold::ALWAYS;
        // The least of several random numbers is not as random as one.
        by_unknown_chance |= trace.record.states_several()
            && lowest != Threshold::ALWAYS
            && lowest != Threshold::NEVER;
        let kept = first.is_some();
        let threshold = if kept && by_unknown_chance { Threshold::ALWAYS } else { lowest };
        SamplingDecision {
            kept,
            threshold: threshold.get(),
            probability_known: !by_unknown_chance,
            stated_randomness: trace.record.randomness().is_some(),
            policy: first,
            sub_policy,
            matched,
            shadow: PolicyBits::NONE,
            failed,
        }
    }

    /// The number of the name that stands so far behind those of the policies.
    fn number_behind(&self, further: usize) -> Option<PolicyIndex> {
        PolicyIndex::try_from(self.policies.len() + further).ok()
    }

    /// The policies with these numbers.
    fn policies<'s>(
        &'s self,
        numbers: &'s [PolicyIndex],
    ) -> impl Iterator<Item = (PolicyIndex, &'s Policy)> {
        numbers.iter().filter_map(|index| Some((*index, self.policies.get(usize::from(*index))?)))
    }

    /// The budgets that its policies ask for, by their numbers.
    #[must_use]
    pub fn budgets(&self) -> &[Budget] {
        &self.budgets
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

    /// The names of policies within composite ones that decisions may speak of, by their numbers.
    #[must_use]
    pub fn sub_policy_names(&self) -> &[String] {
        &self.sub_policy_names
    }

    /// What tells it apart from sets that decide otherwise.
    #[must_use]
    pub const fn hash(&self) -> PolicyHash {
        self.hash
    }

    /// What kept spans are told of their decision.
    #[must_use]
    pub const fn recording(&self) -> &Recording {
        &self.recording
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

/// What is decided about a trace that the policy `index` discards.
fn discarded(policy: Option<PolicyIndex>) -> SamplingDecision {
    SamplingDecision {
        kept: false,
        threshold: Threshold::NEVER.get(),
        probability_known: true,
        stated_randomness: false,
        policy,
        sub_policy: None,
        matched: policy.into_iter().collect(),
        shadow: PolicyBits::NONE,
        failed: PolicyBits::NONE,
    }
}
