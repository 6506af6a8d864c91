//! Makes decisions, and batches them into records of the decision log.

use std::sync::Arc;

use wholetrace_proto::record::{Claim, Decision};
use wholetrace_spanlog::LogTime;

use crate::core::{
    decision::log::{decide, encode},
    open_traces::OpenTraces,
    partition::{
        effect::{Effect, Made},
        stats::Stats,
    },
    policy_versions::PolicyVersions,
};

/// Decisions in one record of the decision log, at most.
const BATCH: usize = 4096;

/// Decisions that wait for their record, all of one policy set.
#[derive(Debug, Default)]
pub(super) struct PendingDecisions {
    made: Vec<Decision>,
    policy_version: u8,
}

impl PendingDecisions {
    /// Decides the traces whose deadline has come by `now`, in the order of deadlines. Decisions
    /// are remembered for `retention` milliseconds.
    pub(super) fn decide_due(
        &mut self,
        (now, retention): (LogTime, u64),
        open: &mut OpenTraces,
        (policy_versions, claim): (&PolicyVersions, Option<Claim>),
        stats: &mut Stats,
        effects: &mut Vec<Effect>,
    ) {
        while let Some(slot) = open.next_due(now) {
            let trace = open.get(slot);
            let policy_version = open.policy_version(slot);
            let Some(policies) = policy_versions.get(policy_version) else { continue };
            let times = (trace.first_seen(), trace.deadline());
            let decision = decide(policies, trace.key(), open.record(slot), times, retention);
            let late = u64::from(decision.late_fragment);
            if decision.kept {
                stats.traces_kept += 1;
                stats.late_fragments_kept += late;
            } else {
                stats.traces_not_sampled += 1;
                stats.late_fragments_not_sampled += late;
            }
            if self.made.len() == BATCH || self.policy_version != policy_version {
                self.flush(policy_versions, claim, effects);
                self.policy_version = policy_version;
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
            let mut counts = vec![0; policies.policy_names().len() + 1];
            for decision in self.made.drain(..) {
                if let Some(count) = counts.get_mut(usize::from(decision.policy)) {
                    *count += 1;
                }
            }
            effects.push(Effect::Decided(Made { policies: Arc::clone(policies), counts }));
        }
    }
}
