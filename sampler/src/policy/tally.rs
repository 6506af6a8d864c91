//! What the policies of a set have done, counted.

use wholetrace_proto::id::TraceKey;

use crate::policy::{
    budget::Unlimited,
    rule::Trace,
    sampling_decision::{PolicyIndex, SamplingDecision},
    set::{Effect, PolicySet, Tried},
};

/// What one policy has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyCounts {
    /// Traces that it decided: to keep or to discard them, as the first that said so.
    pub decided: u64,
    /// Traces that it was asked about.
    pub evaluated: u64,
    /// Traces that it said yes to.
    pub matched: u64,
    /// Of those, traces that are kept and that no other obeyed policy said yes to.
    pub alone: u64,
    /// Traces that its evaluation failed for.
    pub failed: u64,
    /// Traces that are not kept, and would be if this policy was obeyed.
    pub would_keep: u64,
    /// Traces that are kept, and would not be if this policy was obeyed.
    pub would_drop: u64,
    /// Nanoseconds that evaluating it took, about.
    pub nanos: u64,
}

/// Counts what the policies of a set do. Made by [`PolicySet::tally`].
#[derive(Clone, Debug)]
pub struct Tally {
    traces: u64,
    /// By the number of the policy; the last is for traces that no policy wanted.
    counts: Vec<PolicyCounts>,
}

impl Tally {
    fn at(&mut self, index: PolicyIndex, add: impl FnMut(&mut PolicyCounts)) {
        self.counts.get_mut(usize::from(index)).into_iter().for_each(add);
    }
}

impl PolicySet {
    /// Counts of nothing.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally { traces: 0, counts: vec![PolicyCounts::default(); self.policy_names().len() + 1] }
    }

    /// Counts a decision of this set.
    pub fn count(&self, decision: &SamplingDecision, tally: &mut Tally) {
        tally.traces += 1;
        let none = PolicyIndex::try_from(self.policy_names().len()).unwrap_or(PolicyIndex::MAX);
        tally.at(decision.policy.unwrap_or(none), |counts| counts.decided += 1);
        let alone = u64::from(decision.kept && decision.matched.len() == 1);
        for index in decision.matched.iter() {
            tally.at(index, |counts| {
                counts.matched += 1;
                counts.alone += alone;
            });
        }
        let unwanted = !decision.kept && decision.policy.is_none();
        for index in decision.shadow.iter() {
            let would = self.policies.get(usize::from(index)).map(|policy| policy.effect);
            tally.at(index, |counts| {
                counts.matched += 1;
                match would {
                    Some(Effect::Shadow(Tried::Keep)) => counts.would_keep += u64::from(unwanted),
                    Some(Effect::Shadow(Tried::Drop)) => {
                        counts.would_drop += u64::from(decision.kept);
                    }
                    _ => {}
                }
            });
        }
        for index in decision.failed.iter() {
            tally.at(index, |counts| counts.failed += 1);
        }
    }

    /// Evaluates the policies for the trace `key` with this `record`, only to take their times, by a
    /// clock of nanoseconds. One trace in `of` is timed.
    pub fn time(
        &self,
        key: TraceKey,
        record: &[u64],
        (clock, of): (fn() -> u64, u64),
        tally: &mut Tally,
    ) {
        let trace = Trace { record: self.record(record), key, budgets: &Unlimited };
        let randomness = trace.randomness();
        let mut before = clock();
        for (index, policy) in (0..).zip(&self.policies) {
            std::hint::black_box(policy.rule.evaluate(&trace).says_yes(randomness));
            let now = clock();
            let took = now.saturating_sub(before).saturating_mul(of);
            tally.at(index, |counts| counts.nanos = counts.nanos.saturating_add(took));
            before = now;
        }
    }

    /// What was counted, by the number of the policy; the last is for traces that no policy wanted.
    #[must_use]
    pub fn counts(&self, tally: Tally) -> Vec<PolicyCounts> {
        let Tally { traces, mut counts } = tally;
        // A trace that is too large is discarded before all policies are asked, and one that a policy
        // discards before those behind it are. Shadows are asked about every trace.
        let too_large = counts.get(self.policies.len() + 1).filter(|_| self.most_bytes.is_some());
        let mut left = traces.saturating_sub(too_large.map_or(0, |counts| counts.decided));
        for effect in [Effect::Drop, Effect::Keep] {
            for (policy, counts) in self.policies.iter().zip(&mut counts) {
                if policy.effect == effect {
                    counts.evaluated = left;
                }
                if policy.effect == effect && effect == Effect::Drop {
                    left = left.saturating_sub(counts.decided);
                }
            }
        }
        for (policy, counts) in self.policies.iter().zip(&mut counts) {
            if matches!(policy.effect, Effect::Shadow(_)) {
                counts.evaluated = traces;
            }
        }
        counts
    }
}
