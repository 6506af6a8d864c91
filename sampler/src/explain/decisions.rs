//! What the decision log says of a trace.

use wholetrace_proto::{
    id::TraceKey,
    record::{Claim, Decision, DecisionBatch},
};
use wholetrace_spanlog::{
    Frame, LogTime, Partition, Position, ReadError, Reader, RecordKind, Start,
};

use crate::{
    core::{checkpoint::Claimed, decision::claims::Claims},
    explain::scan::{Bounds, Scan},
};

/// Decisions about one trace that are told, the first ones: a trace whose spans come for days has a
/// new one each time that the last one is forgotten.
const MOST: usize = 100;

/// A decision as the decision log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedDecision {
    /// The decision. Its numbers of policies are those of its record: the names are below.
    pub decision: Decision,
    /// The policy that decided; `None` where no policy wanted the trace.
    pub policy: Option<String>,
    /// The policy within a composite one that kept it, where that is told.
    pub sub_policy: Option<String>,
    /// The other policies that said yes.
    pub also: Vec<String>,
    /// The policies that said yes and are tried only.
    pub shadow: Vec<String>,
    /// Where its record stands in the decision log.
    pub position: Position,
    /// When its record came into the decision log.
    pub recorded: LogTime,
    /// The owner that wrote it, if it says.
    pub claim: Option<Claim>,
    /// The hash of the set of policies that made it, if it says.
    pub policies_hash: Option<u64>,
    /// Whether spans obey it.
    pub effect: Effect,
}

/// Whether spans obey a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// They do.
    Holds,
    /// It repeats an earlier one, or contradicts it: the first one counts.
    Repeated,
    /// Another owner had claimed the partition before it was written.
    NotOwner,
}

/// Reads records of one partition of the decision log, in order.
pub(super) struct Records {
    claims: Claims,
}

impl Records {
    /// Whose decisions count from where on is `known`, from a commit.
    pub(super) fn new(known: &[Claimed]) -> Self {
        Self { claims: Claims::new(0, known) }
    }

    /// Gives `each` the decisions in a record that `wants` picks, and tells whether they count.
    /// Records of other kinds and those that cannot be read have none.
    pub(super) fn read(
        &mut self,
        frame: &Frame,
        wants: impl Fn(&Decision, &Names<'_>) -> bool,
        mut each: impl FnMut(RecordedDecision),
    ) {
        if frame.kind != RecordKind::Decisions {
            return;
        }
        let Ok(batch) = DecisionBatch::read(&frame.payload) else { return };
        let counts = self.claims.accept(batch.claim(), frame.position);
        let names = Names(batch.policies().collect());
        let effect = if counts { Effect::Holds } else { Effect::NotOwner };
        for decision in batch.decisions().filter(|decision| wants(decision, &names)) {
            each(RecordedDecision {
                policy: names.get(decision.policy),
                sub_policy: decision.sub_policy.and_then(|sub| names.get(sub.name)),
                also: decision.also.iter().filter_map(|policy| names.get(policy)).collect(),
                shadow: decision.shadow.iter().filter_map(|policy| names.get(policy)).collect(),
                position: frame.position,
                recorded: frame.time,
                claim: batch.claim(),
                policies_hash: batch.policies_hash(),
                effect,
                decision,
            });
        }
    }
}

/// The names of the policies that a record speaks of.
pub(super) struct Names<'a>(Vec<&'a str>);

impl Names<'_> {
    /// The name of a policy; `None` for what is no policy.
    fn get(&self, policy: u16) -> Option<String> {
        self.0.get(usize::from(policy)).filter(|name| !name.is_empty()).map(|&name| name.to_owned())
    }

    /// Whether `name` is that of the policy that decided, or of the one within it.
    pub(super) fn decided(&self, decision: &Decision, name: &str) -> bool {
        let sub_policy = decision.sub_policy.map(|sub| sub.name);
        let named = |policy: u16| self.0.get(usize::from(policy)) == Some(&name);
        named(decision.policy) || sub_policy.is_some_and(named)
    }
}

/// What was found of a trace.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Its decisions, in the order of the log.
    pub(super) decisions: Vec<RecordedDecision>,
    /// When the oldest record that was read came into the log.
    pub(super) oldest: Option<LogTime>,
    /// Whether the bounds kept from reading all.
    pub(super) cut: bool,
}

impl Found {
    /// The decision that spans obey, of several the first one.
    pub(super) fn holds(&self) -> Option<&RecordedDecision> {
        self.decisions.iter().find(|one| one.effect == Effect::Holds)
    }

    /// Whether a decision before these could be the one that counts.
    pub(super) fn may_have_earlier(&self) -> bool {
        self.holds().is_none_or(|one| one.decision.late_fragment)
    }

    fn add(&mut self, decision: RecordedDecision) {
        if self.decisions.len() < MOST {
            self.decisions.push(decision);
        }
    }

    /// These, and behind them what was found `later` in the log.
    pub(super) fn followed_by(mut self, later: Self) -> Self {
        later.decisions.into_iter().for_each(|decision| self.add(decision));
        let (oldest, cut) = (self.oldest.or(later.oldest), self.cut || later.cut);
        Self { oldest, cut, ..self }
    }

    /// Of decisions that were made while the trace was open for both, the first one counts.
    pub(super) fn mark_repeated(&mut self) {
        let mut before: Vec<(u64, u64)> = Vec::new();
        for one in self.decisions.iter_mut().filter(|one| one.effect == Effect::Holds) {
            let begin = one.decision.first_seen_ms;
            let end = one.decision.decided_at_ms.max(begin.saturating_add(1));
            if before.iter().any(|(other, other_end)| begin < *other_end && *other < end) {
                one.effect = Effect::Repeated;
            } else {
                before.push((begin, end));
            }
        }
    }
}

/// The decisions about `key` in a part of the decision log, and where that part begins if that came
/// in time. From a commit it is `known` whose decisions count from where on.
pub(super) async fn find(
    (reader, partition): (&dyn Reader, Partition),
    key: TraceKey,
    (start, end): (Start, Option<Position>),
    known: &[Claimed],
    bounds: Bounds,
) -> Result<(Found, Option<Position>), ReadError> {
    let mut scan = Scan::begin(reader, partition, start, end, bounds).await?;
    let (mut found, mut records) = (Found::default(), Records::new(known));
    while let Some(frames) = scan.next().await? {
        for frame in &frames {
            found.oldest = found.oldest.or(Some(frame.time));
            let wants = |decision: &Decision, _: &Names<'_>| decision.key == key;
            records.read(frame, wants, |decision| found.add(decision));
        }
    }
    found.cut = scan.is_cut();
    Ok((found, scan.first()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::decision;

    fn recorded(first_seen_ms: u64, decided_at_ms: u64, effect: Effect) -> RecordedDecision {
        RecordedDecision {
            decision: Decision { first_seen_ms, decided_at_ms, ..decision(1, true) },
            policy: None,
            sub_policy: None,
            also: Vec::new(),
            shadow: Vec::new(),
            position: Position(0),
            recorded: LogTime(0),
            claim: None,
            policies_hash: None,
            effect,
        }
    }

    #[test]
    fn of_decisions_about_one_time_the_first_counts() {
        let decisions = vec![
            recorded(500, 1_500, Effect::NotOwner),
            recorded(1_000, 2_000, Effect::Holds),
            recorded(1_900, 2_900, Effect::Holds),
            recorded(2_000, 2_000, Effect::Holds),
            recorded(2_000, 3_000, Effect::Holds),
        ];
        let mut found = Found { decisions, ..Found::default() };
        found.mark_repeated();
        let effects: Vec<Effect> = found.decisions.iter().map(|one| one.effect).collect();
        let (not_owner, holds, repeated) = (Effect::NotOwner, Effect::Holds, Effect::Repeated);
        assert_eq!(effects, [not_owner, holds, repeated, holds, repeated]);
    }
}
