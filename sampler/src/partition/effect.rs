//! What a partition wants done.

use bytes::Bytes;
use wholetrace_spanlog::Position;

use crate::exporter::contract::{ExporterIndex, Kept};

/// What a partition wants done.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Append these decisions to the decision log, trying until it succeeds. They take effect
    /// when they are read back.
    AppendDecisions(Bytes),
    /// Append a tick to the span log, trying until it succeeds.
    AppendTick,
    /// Hand a piece of kept spans to an exporter, and report what became of it.
    Export {
        /// Which one.
        exporter: ExporterIndex,
        /// The spans. The ticket tells the frame they are of.
        kept: Kept,
    },
    /// Read the span log again from a position on.
    Fetch {
        /// The position.
        from: Position,
        /// Bytes of payload to read, or one record.
        max_bytes: usize,
    },
    /// Append a dead letter, trying until it succeeds, and say so.
    DeadLetter {
        /// What it is about.
        letter: Letter,
        /// The record.
        record: Bytes,
    },
}

/// Names a dead letter until it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Letter {
    /// Whose backend refused the spans; `None` when their frame cannot be decoded.
    pub exporter: Option<ExporterIndex>,
    /// The frame they are of.
    pub position: Position,
}
