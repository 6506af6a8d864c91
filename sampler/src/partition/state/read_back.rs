//! What a partition hears: decisions, deliveries, dead letters.

use wholetrace_spanlog::{Frame, Position, RecordKind};

use crate::{
    decision::{log::decode, table::Inserted},
    exporter::contract::{Outcome, Settled},
    open_traces::OpenTrace,
    partition::{
        effect::{Effect, Letter},
        state::PartitionState,
    },
};

impl PartitionState {
    /// The decisions of a record that was read back from the decision log take effect: the first
    /// for a trace wins, if it comes from who owned the partition at that place of the log (I3).
    pub(super) fn decisions_take_effect(&mut self, record: &Frame) {
        if record.kind != RecordKind::Decisions {
            return;
        }
        let Ok((claim, decisions)) = decode(&record.payload) else {
            self.stats.decision_records_bad += 1;
            return;
        };
        if !self.claims.heed(claim) {
            self.stats.decisions_ignored += decisions.count() as u64;
            return;
        }
        if claim.is_some() {
            self.last_claimed = record.position;
        }
        for decision in decisions {
            if self.decided.insert(&decision, record.position) == Inserted::Duplicate {
                self.stats.decisions_ignored += 1;
            }
            let decided = &self.decided;
            let ruled = |trace: &OpenTrace| decided.find(trace.key, trace.first_seen).is_some();
            let Some(slot) = self.open.find(decision.key, ruled) else { continue };
            let trace = self.open.get(slot);
            let (first_frame, epoch) = (trace.first_frame, trace.epoch);
            self.open.close(slot);
            self.epochs.closed(epoch);
            self.window.arrived(first_frame);
        }
    }

    pub(super) fn settle(&mut self, settled: Settled, effects: &mut Vec<Effect>) {
        let Settled { exporter, ticket, outcome } = settled;
        let position = Position(ticket.position);
        match outcome {
            Outcome::Delivered => self.releases.settle(exporter, position),
            Outcome::Refused { reason, bytes, .. } => {
                self.stats.pieces_refused += 1;
                let letter = Letter { exporter: Some(exporter), position };
                let name = self.settings.exporters.get(usize::from(exporter.0));
                let name = name.cloned().unwrap_or_default();
                self.dead_letter(letter, &name, &reason, &bytes, effects);
            }
        }
    }

    pub(super) fn dead_letter(
        &self,
        letter: Letter,
        exporter: &str,
        reason: &str,
        payload: &[u8],
        effects: &mut Vec<Effect>,
    ) {
        let (partition, time) = (self.settings.partition, self.watermark.now());
        effects.push(letter.write(partition, time, exporter, reason, payload));
    }

    pub(super) fn dead_lettered(&mut self, letter: Letter) {
        match letter.exporter {
            Some(exporter) => self.releases.settle(exporter, letter.position),
            None => self.window.arrived_at(letter.position),
        }
    }
}
