//! Takes in what comes back: decisions from the log, outcomes of exports, durable dead letters.

use wholetrace_exporter::contract::{Outcome, Settled};
use wholetrace_spanlog::{Frame, Position, RecordKind};

use crate::core::{
    decision::{
        log::{Recorded, decode},
        table::Inserted,
    },
    open_traces::OpenTrace,
    partition::{
        effect::{DeadLetterId, Effect},
        state::PartitionState,
    },
    window::WindowFrame,
};

impl PartitionState {
    /// Puts the decisions of a record of the decision log into effect. The first decision about a trace
    /// wins, if the owner that wrote it owned the partition at that position (I3).
    pub(super) fn decisions_take_effect(&mut self, record: &Frame) {
        self.decided_to = record.position.next();
        if record.kind != RecordKind::Decisions {
            return;
        }
        let Ok(Recorded { claim, rates, decisions }) =
            decode(&record.payload, self.decided.policies_mut())
        else {
            self.stats.decision_records_bad += 1;
            return;
        };
        if !self.claims.accept(claim, record.position) {
            self.stats.decisions_ignored += decisions.count() as u64;
            return;
        }
        if claim.is_some() {
            self.last_claimed = record.position;
        }
        // Only owners change thresholds.
        for change in rates.into_iter().filter(|_| claim.is_some()) {
            self.rates.read_back(change, record.position);
        }
        for decision in decisions {
            self.rates.has_decided(decision.decided_at);
            let now = self.watermark.now();
            if self.decided.insert(&decision, record.position, now) == Inserted::Duplicate {
                self.stats.decisions_ignored += 1;
            }
            let decided = &self.decided;
            let has_decision =
                |trace: &OpenTrace| decided.find(trace.key(), trace.first_seen()).is_some();
            let Some(slot) = self.open.find(decision.key, has_decision) else { continue };
            let first_frame = self.open.get(slot).first_frame();
            let version = self.open.policy_version(slot);
            self.open.close(slot);
            self.policy_versions.closed(version);
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
                let id = DeadLetterId { exporter: Some(exporter), position };
                let name = self.settings.exporters.get(usize::from(exporter.0));
                let name = name.cloned().unwrap_or_default();
                self.dead_letter(id, &name, &reason, &bytes, effects);
            }
        }
    }

    pub(super) fn dead_letter(
        &self,
        id: DeadLetterId,
        exporter: &str,
        reason: &str,
        payload: &[u8],
        effects: &mut Vec<Effect>,
    ) {
        let (partition, time) = (self.settings.partition, self.watermark.now());
        effects.push(id.write(partition, time, exporter, reason, payload));
    }

    /// Takes in that a record of the span log cannot be read. The release passes it when its dead letter
    /// is durable. It does not move the log's time.
    pub(super) fn unreadable(
        &mut self,
        position: Position,
        detail: &str,
        effects: &mut Vec<Effect>,
    ) {
        self.releases.stop_refetching();
        if position >= self.head {
            // It may have been the tick.
            self.tick_pending = false;
            self.confirm_held(None, effects);
        }
        if position < self.head {
            // Count it once for all exporters, and only if its release is still to come.
            if !self.window.has_payload_at(position) {
                return;
            }
            self.window.void_at(position);
        } else if self.overflow.is_some() {
            // It is counted when the reader has come back.
            return;
        } else {
            self.head = position.next();
            self.stats.records += 1;
            self.decide_due(self.watermark, effects);
            let (clock, void) = (self.watermark, true);
            self.window.push(WindowFrame { position, clock, awaited: 1, void, cached: None });
        }
        self.stats.frames_unreadable += 1;
        let id = DeadLetterId { exporter: None, position };
        self.dead_letter(id, "", detail, &[], effects);
    }

    pub(super) fn dead_lettered(&mut self, id: DeadLetterId) {
        match id.exporter {
            Some(exporter) => self.releases.settle(exporter, id.position),
            None => self.window.arrived_at(id.position),
        }
    }
}

#[cfg(test)]
mod tests {
    use wholetrace_proto::record::{Claim, Decision, encode_decisions};
    use wholetrace_spanlog::{LogTime, Partition};

    use super::*;
    use crate::{
        core::partition::{
            input::{Input, ReadFrame},
            settings::{Bounds, Settings},
        },
        testing::{decision, policies},
    };

    fn state(max_decisions: usize) -> PartitionState {
        let settings = Settings {
            partition: Partition(0),
            owner: 9,
            epoch: 2,
            exporters: vec!["one".into()],
            decision_wait: 1000,
            decision_wait_after_root: 0,
            decision_retention: 3_600_000,
            bounds: Bounds {
                max_decisions,
                max_open_traces: 100,
                max_recent_spans: 100,
                max_unfinished_bytes: 1 << 20,
                refetch_bytes: 1 << 20,
            },
            read_ahead: 1000,
            max_piece_bytes: 1 << 20,
            stopwatch: None,
            recording: crate::policy::Recording::default(),
            hash_seed: 1,
        };
        PartitionState::new(settings, policies("1s", 10), None)
    }

    /// A decision for each key, made at that time, in records of a hundred.
    fn recorded(keys: std::ops::Range<u64>) -> Vec<Frame> {
        let of = |key: u64| Decision {
            first_seen_ms: 1_000_000 + key,
            decided_at_ms: 1_001_000 + key,
            ..decision(key, true)
        };
        let all: Vec<Decision> = keys.map(of).collect();
        let record = |(position, few): (u64, &[Decision])| Frame {
            position: Position(position),
            time: LogTime(2_000_000),
            kind: RecordKind::Decisions,
            epoch: 0,
            payload: encode_decisions(&["one"], Some(Claim { term: 1, owner: 1 }), few).into(),
        };
        (0..).zip(all.chunks(100)).map(record).collect()
    }

    /// Frames by another mapping, and by nobody's; a tick is routed by none.
    #[test]
    fn what_the_fleet_did_not_route_is_counted() {
        let (mut state, mut effects) = (state(400), Vec::new());
        let frames = [(RecordKind::Spans, 2), (RecordKind::Spans, 1), (RecordKind::Spans, 0)];
        let frames = frames.into_iter().chain([(RecordKind::Tick, 0)]);
        let read = (0..).zip(frames).map(|(position, (kind, epoch))| {
            let (position, time) = (Position(position), LogTime(1_000));
            let frame = Frame { position, time, kind, epoch, payload: bytes::Bytes::new() };
            ReadFrame { frame, lease: None }
        });
        state.step(Input::Frames(read.collect()), &mut effects);
        assert_eq!(state.take_stats().frames_foreign, 2);
    }

    /// I6: a new owner does not remember more than an old one, however much is recorded.
    #[test]
    fn loading_is_bounded() {
        let (mut state, mut effects) = (state(400), Vec::new());
        state.step(Input::LogBegins(LogTime(1_101_000)), &mut effects);
        for record in recorded(0..100_000) {
            state.step(Input::Decisions(vec![record]), &mut effects);
            let held = state.levels().decisions;
            assert!(held <= 500, "{held}");
        }
        assert!(state.levels().decisions >= 300);
    }
}
