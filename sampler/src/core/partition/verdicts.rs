//! Decisions that are made and not on their way to the decision log yet.

use std::sync::Arc;

use wholetrace_proto::record::{Claim, Decision};
use wholetrace_spanlog::LogTime;

use crate::core::{
    decision::log::{decide, encode},
    epochs::Epochs,
    open_traces::OpenTraces,
    partition::{
        effect::{Effect, Made},
        stats::Stats,
    },
};

/// Decisions of one record of the decision log.
const BATCH: usize = 4096;

/// Decisions that are made and not in an effect yet, all of one policy set.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    made: Vec<Decision>,
    epoch: u8,
}

impl Verdicts {
    /// Decides the traces whose deadline has come by `now`, in the order of deadlines. Decisions
    /// are remembered for `retention` milliseconds.
    pub(super) fn decide_due(
        &mut self,
        (now, retention): (LogTime, u64),
        open: &mut OpenTraces,
        (epochs, claim): (&Epochs, Option<Claim>),
        stats: &mut Stats,
        effects: &mut Vec<Effect>,
    ) {
        while let Some(slot) = open.next_due(now) {
            let trace = open.get(slot);
            let (epoch, first_seen, deadline) = (trace.epoch, trace.first_seen, trace.deadline());
            let Some(policies) = epochs.get(epoch) else { continue };
            let times = (first_seen, deadline);
            let decision = decide(policies, trace.key, &trace.summary, times, retention);
            let late = u64::from(decision.late_fragment);
            if decision.kept {
                stats.traces_kept += 1;
                stats.late_fragments_kept += late;
            } else {
                stats.traces_not_sampled += 1;
                stats.late_fragments_not_sampled += late;
            }
            if self.made.len() == BATCH || self.epoch != epoch {
                self.flush(epochs, claim, effects);
                self.epoch = epoch;
            }
            self.made.push(decision);
        }
    }

    /// Sends all that are made on their way, under `claim`.
    pub(super) fn flush(
        &mut self,
        epochs: &Epochs,
        claim: Option<Claim>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(policies) = epochs.get(self.epoch)
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
