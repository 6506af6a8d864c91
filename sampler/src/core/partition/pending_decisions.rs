//! Makes decisions, and batches them into records of the decision log.

use std::sync::Arc;

use wholetrace_proto::record::{Claim, Decision};
use wholetrace_spanlog::LogTime;

use crate::{
    core::{
        decision::log::{decide, encode},
        measured_traces::MeasuredTraces,
        open_traces::OpenTraces,
        partition::{
            effect::{Effect, Made},
            settings::Stopwatch,
            stats::Stats,
        },
        policy_versions::PolicyVersions,
        rates::Rates,
    },
    policy::{Budgets, Tally},
};

/// Decisions in one record of the decision log, at most.
const BATCH: usize = 4096;

/// One decision in so many is made once more, to take the time of each policy: that costs a few per
/// cent of deciding.
const TIMED_ONE_IN: u64 = 64;

/// Decisions that wait for their record, all of one policy set.
#[derive(Debug, Default)]
pub(super) struct PendingDecisions {
    made: Vec<Decision>,
    policy_version: u8,
    /// What the policies that made them did.
    tally: Option<Tally>,
    /// Counts up to [`TIMED_ONE_IN`].
    untimed: u64,
}

impl PendingDecisions {
    /// Decides the traces whose deadline has come by `now`, in the order of deadlines, within the
    /// budgets. Decisions are remembered for `retention` milliseconds. By `clock`, of nanoseconds, some
    /// are timed.
    pub(super) fn decide_due(
        &mut self,
        (now, retention, clock): (LogTime, u64, Option<Stopwatch>),
        (open, rates): (&mut OpenTraces, &mut Rates),
        (policy_versions, claim): (&PolicyVersions, Option<Claim>),
        (stats, measured): (&mut Stats, &mut MeasuredTraces),
        effects: &mut Vec<Effect>,
    ) {
        while let Some(slot) = open.next_due(now) {
            let trace = open.get(slot);
            let policy_version = open.policy_version(slot);
            let Some(policies) = policy_versions.get(policy_version) else { continue };
            let times = (trace.first_seen(), trace.deadline());
            if self.made.len() == BATCH || self.policy_version != policy_version {
                self.flush(policy_versions, claim, effects);
                self.policy_version = policy_version;
            }
            let tally = self.tally.get_or_insert_with(|| policies.tally());
            let (key, record) = (trace.key(), open.record(slot));
            self.untimed += 1;
            if let Some(clock) = clock
                && self.untimed >= TIMED_ONE_IN
            {
                self.untimed = 0;
                policies.time(key, record, (clock, TIMED_ONE_IN), tally);
            }
            let budgets = rates.at(policies.budgets(), trace.deadline());
            let within = (retention, &budgets as &dyn Budgets);
            let decision = decide(policies, key, record, times, within, tally);
            measured.decided(key, trace.first_seen(), decision.kept);
            let late = u64::from(decision.late_fragment);
            if decision.kept {
                stats.traces_kept += 1;
                stats.late_fragments_kept += late;
            } else {
                stats.traces_not_sampled += 1;
                stats.late_fragments_not_sampled += late;
            }
            self.made.push(decision);
        }
    }

    /// Puts the decisions that wait into a record under `claim`, to be appended.
    pub(super) fn flush(
        &mut self,
        policy_versions: &PolicyVersions,
        claim: Option<Claim>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(policies) = policy_versions.get(self.policy_version)
            && !self.made.is_empty()
        {
            effects.push(Effect::AppendDecisions(encode(policies, claim, &self.made)));
            self.made.clear();
            let counts = self.tally.take().map(|tally| policies.counts(tally)).unwrap_or_default();
            effects.push(Effect::Decided(Made { policies: Arc::clone(policies), counts }));
        }
    }
}
