//! What the log holds.

use bytes::Bytes;

use crate::position::{LogTime, Position};

/// What a record is. In Kafka it travels as a record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// A frame: a valid OTLP `TracesData` message with many spans of one partition.
    Spans,
    /// The passing of time: no payload. Its append time moves the watermark of a silent partition.
    Tick,
    /// A batch of decisions (`wholetrace_proto::record`), in the decision log only.
    Decisions,
    /// A frame or batch that could not be delivered, with its reason (`wholetrace_proto::record`),
    /// in the dead-letter log only.
    DeadLetter,
}

/// A record on its way into the log.
#[derive(Clone, Debug)]
pub struct Record {
    /// What the payload is.
    pub kind: RecordKind,
    /// Epoch of the ring that chose the partition; 0 where routing played no part.
    pub epoch: u32,
    /// The value, uncompressed; an implementation that compresses does it by itself.
    pub payload: Bytes,
}

impl Record {
    /// A frame of spans routed under ring `epoch`.
    #[must_use]
    pub const fn spans(epoch: u32, payload: Bytes) -> Self {
        Self { kind: RecordKind::Spans, epoch, payload }
    }

    /// A tick.
    #[must_use]
    pub const fn tick() -> Self {
        Self { kind: RecordKind::Tick, epoch: 0, payload: Bytes::new() }
    }

    /// A batch of decisions.
    #[must_use]
    pub const fn decisions(payload: Bytes) -> Self {
        Self { kind: RecordKind::Decisions, epoch: 0, payload }
    }

    /// A dead letter.
    #[must_use]
    pub const fn dead_letter(payload: Bytes) -> Self {
        Self { kind: RecordKind::DeadLetter, epoch: 0, payload }
    }
}

/// A record as the log gives it back.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its offset in the partition.
    pub position: Position,
    /// When the log took it.
    pub time: LogTime,
    /// What the payload is.
    pub kind: RecordKind,
    /// Epoch of the ring that chose the partition.
    pub epoch: u32,
    /// The value, uncompressed.
    pub payload: Bytes,
}
