//! Decisions on their way to the decision log and back.

use std::collections::HashMap;

use bytes::Bytes;
use wholetrace_proto::{
    id::TraceKey,
    record::{self, Claim, Decision, DecisionBatch, RateChange, RecordError, SubPolicy},
    tracestate::Threshold,
};
use wholetrace_spanlog::LogTime;

use crate::{
    core::decision::{
        policy_names::{PolicyNames, PolicyNumber},
        table::{PackedDecision, TraceDecision},
    },
    policy::{Budgets, PolicyIndex, PolicySet, Tally},
};

/// Name in the decision log of what decides about a trace that no policy wanted.
const NO_POLICY: &str = "";

/// Whether all that a trace first seen at `first_seen` has ended longer before than decisions are
/// remembered, which is `retention` milliseconds: if there was more of it, nobody knows any more
/// what was decided. Its latest span ended at `end_ns`.
fn is_late_fragment(end_ns: Option<u64>, first_seen: LogTime, retention: u64) -> bool {
    let forgotten = |end_ns: u64| (end_ns / 1_000_000).saturating_add(retention) < first_seen.0;
    end_ns.is_some_and(forgotten)
}

/// Decides about a trace by the record that `policies` have of it, within their budgets, counts that
/// in `tally`, and writes it down. Decisions are remembered for `retention` milliseconds.
pub(crate) fn decide(
    policies: &PolicySet,
    key: TraceKey,
    record: &[u64],
    (first_seen, decided_at): (LogTime, LogTime),
    (retention, budgets): (u64, &dyn Budgets),
    tally: &mut Tally,
) -> Decision {
    let mut decision = policies.decide_within(key, record, budgets);
    policies.count(&decision, tally);
    if let Some(policy) = decision.policy {
        decision.matched.remove(policy);
    }
    let none = PolicyIndex::try_from(policies.policy_names().len()).unwrap_or(PolicyIndex::MAX);
    let sub_policy = decision.sub_policy.map(|sub| SubPolicy {
        name: none.saturating_add(1).saturating_add(sub.name),
        of_decider: decision.policy == Some(sub.of),
    });
    Decision {
        key,
        first_seen_ms: first_seen.0,
        decided_at_ms: decided_at.0,
        kept: decision.kept,
        threshold: Threshold::new(decision.threshold).unwrap_or(Threshold::NEVER),
        probability_known: decision.probability_known,
        stated_randomness: decision.stated_randomness,
        policy: decision.policy.unwrap_or(none),
        sub_policy,
        also: decision.matched,
        shadow: decision.shadow,
        late_fragment: is_late_fragment(policies.latest_end_ns(record), first_seen, retention),
        // Of what is not kept nothing leaves.
        id_high: if decision.kept { policies.id_high(record) } else { 0 },
    }
}

/// The record of `decisions` that `policies` made, under `claim`.
pub(crate) fn encode(policies: &PolicySet, claim: Option<Claim>, decisions: &[Decision]) -> Bytes {
    let mut names: Vec<&str> = policies.policy_names().iter().map(String::as_str).collect();
    names.push(NO_POLICY);
    names.extend(policies.sub_policy_names().iter().map(String::as_str));
    record::encode_decisions_of(Some(policies.hash().0), &names, claim, decisions).into()
}

/// The record that makes `claim`.
pub(crate) fn encode_claim(claim: Claim) -> Bytes {
    record::encode_decisions::<&str>(&[], Some(claim), &[]).into()
}

/// What a record of the decision log says.
pub(crate) struct Recorded<D> {
    /// Whose it is.
    pub(crate) claim: Option<Claim>,
    /// Changes of the thresholds of budgets, in order.
    pub(crate) rates: Vec<RateChange>,
    /// Decisions, in order.
    pub(crate) decisions: D,
}

/// What a record of the decision log says, of decisions made by policies that `names` get numbers
/// for.
///
/// # Errors
/// When it is not a batch of decisions.
pub(crate) fn decode<'r>(
    record: &'r [u8],
    names: &mut PolicyNames,
) -> Result<Recorded<impl Iterator<Item = TraceDecision> + use<'r>>, RecordError> {
    let batch = DecisionBatch::read(record)?;
    let number = numbers(&batch, names);
    let decisions = batch.decisions().map(move |decision| TraceDecision {
        key: decision.key,
        first_seen: LogTime(decision.first_seen_ms),
        decided_at: LogTime(decision.decided_at_ms),
        decision: PackedDecision::new(
            decision.kept,
            decision.probability_known.then_some(decision.threshold),
        )
        .by_stated_randomness(decision.stated_randomness)
        .of_late_fragment(decision.late_fragment)
        .by(number(&decision)),
        id_high: decision.id_high,
    });
    Ok(Recorded { claim: batch.claim(), rates: batch.rates().collect(), decisions })
}

/// Gives the numbers that `names` have for what decided. All decisions are looked at for it first where
/// one tells a policy within another.
fn numbers(
    batch: &DecisionBatch<'_>,
    names: &mut PolicyNames,
) -> impl Fn(&Decision) -> PolicyNumber + use<> {
    let texts: Vec<&str> = batch.policies().collect();
    let numbers: Vec<PolicyNumber> = texts.iter().map(|name| names.number(name)).collect();
    let number = move |policy: u16| numbers.get(usize::from(policy)).copied().unwrap_or_default();
    let mut with_sub_policies = HashMap::new();
    if batch.tells_sub_policies() {
        for decision in batch.decisions() {
            let Some(sub) = decision.sub_policy else { continue };
            with_sub_policies.entry((decision.policy, sub)).or_insert_with(|| {
                let name = texts.get(usize::from(sub.name)).copied().unwrap_or_default();
                names.with_sub_policy(number(decision.policy), name, sub.of_decider)
            });
        }
    }
    move |decision: &Decision| {
        let with = decision.sub_policy.map(|sub| (decision.policy, sub));
        let with = with.and_then(|both| with_sub_policies.get(&both).copied());
        with.unwrap_or_else(|| number(decision.policy))
    }
}

#[cfg(test)]
mod tests {
    use wholetrace_proto::record::PolicyBits;

    use super::*;
    use crate::testing::policies;

    /// A record names the policies that it speaks of, and what no policy wanted is named so.
    #[test]
    fn only_names_that_occur_are_written() {
        let policies = policies("1s", 10);
        let of = |policy: u16, also: &[u16]| Decision {
            key: TraceKey(1),
            first_seen_ms: 1,
            decided_at_ms: 2,
            kept: policy < 2,
            threshold: Threshold::ALWAYS,
            probability_known: true,
            stated_randomness: false,
            policy,
            sub_policy: None,
            also: also.iter().copied().collect(),
            shadow: PolicyBits::NONE,
            late_fragment: false,
            id_high: 0,
        };
        let names = |decisions: &[Decision]| {
            let record = encode(&policies, None, decisions);
            let batch = DecisionBatch::read(&record).unwrap();
            assert_eq!(batch.policies_hash(), Some(policies.hash().0));
            batch.policies().map(str::to_owned).collect::<Vec<_>>()
        };
        let none = u16::try_from(policies.policy_names().len()).unwrap();
        assert_eq!(names(&[of(1, &[])]), ["some"]);
        assert_eq!(names(&[of(none, &[]), of(0, &[])]), ["errors", NO_POLICY]);
        assert_eq!(names(&[of(0, &[1])]), ["errors", "some"]);
    }
}
