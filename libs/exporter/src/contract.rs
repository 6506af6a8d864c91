//! What an exporter is, what it takes and what it answers.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// Names one piece of kept spans, so that its outcome finds the way back. The exporters only carry
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// The partition that the spans come from.
    pub partition: u32,
    /// The position of their frame.
    pub position: u64,
    /// Which piece of the frame it is, from 0.
    pub piece: u32,
}

/// Kept spans on their way to an exporter: what one frame has left after sampling, as a rule.
#[derive(Clone, Debug)]
pub struct KeptSpans {
    /// A valid `TracesData` message (and so a valid `ExportTraceServiceRequest`).
    pub bytes: Bytes,
    /// How many spans are in it.
    pub spans: u32,
    /// Comes back with the outcome.
    pub ticket: Ticket,
}

/// What became of a piece of kept spans. Each piece that a queue takes gets exactly one, unless
/// the queue is stopped or the receiver of the outcomes is dropped before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The backend has it.
    Delivered,
    /// The backend will never take it: a matter for the dead letters.
    Refused {
        /// What the backend said, as a rule.
        reason: Arc<str>,
        /// The bytes of the piece.
        bytes: Bytes,
        /// How many spans are in it.
        spans: u32,
    },
}

/// Number of an exporter within the process, from 0, in the order of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExporterIndex(pub u16);

/// An outcome on its way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Who delivered, or was refused.
    pub exporter: ExporterIndex,
    /// What was delivered or refused.
    pub ticket: Ticket,
    /// Which of the two.
    pub outcome: Outcome,
}

/// What goes to the backend in one request: the pieces one after the other are one valid
/// `ExportTraceServiceRequest`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Batch {
    pieces: Arc<[Bytes]>,
    len: usize,
    spans: u64,
}

impl Batch {
    /// A batch of `pieces`, each of them a valid `TracesData` message, with `spans` spans in all.
    #[must_use]
    pub fn new(pieces: Vec<Bytes>, spans: u64) -> Self {
        let len = pieces.iter().map(Bytes::len).sum();
        Self { pieces: pieces.into(), len, spans }
    }

    /// The pieces, each a valid `TracesData` message.
    #[must_use]
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// Bytes of all pieces.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many spans are in it.
    #[must_use]
    pub const fn spans(&self) -> u64 {
        self.spans
    }

    /// That this process cannot make a request of the batch, for the reason of `message`: certain
    /// by itself for one piece; of several, only some may be at fault.
    #[must_use]
    pub fn not_a_request(&self, message: String) -> ExportError {
        if self.pieces.len() > 1 {
            ExportError::Rejected { message }
        } else {
            ExportError::Permanent { message }
        }
    }
}

/// What the backend said to a batch that it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Spans that it refused all the same (OTLP partial success). They must not be sent again,
    /// and nobody knows which ones they are: they are counted and logged.
    pub rejected: u64,
    /// Its message; empty when all is well.
    pub message: String,
}

/// Why a batch was not taken.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ExportError {
    /// The same batch may be taken later.
    #[error("{message}")]
    Retryable {
        /// How long the backend asks to be left alone, if it said so.
        after: Option<Duration>,
        /// What went wrong.
        message: String,
    },
    /// The backend refuses every request of this exporter, whatever is in it: its address or its
    /// credentials are wrong. The spans stay in the log until that is mended.
    #[error("{message}")]
    Misconfigured {
        /// What the backend said.
        message: String,
    },
    /// The backend does not take this batch, because of its size or of something in it; parts of
    /// it may be taken.
    #[error("{message}")]
    Rejected {
        /// What the backend said.
        message: String,
    },
    /// The backend failed in a way that may lie with it or with the batch: it is sent again for a
    /// time, then parts of it are.
    #[error("{message}")]
    Doubtful {
        /// What the backend said.
        message: String,
    },
    /// The batch is too much for the backend now: parts of it may be taken sooner.
    #[error("{message}")]
    Heavy {
        /// What the backend said, or did not.
        message: String,
    },
    /// No backend could take this batch, nor any part of it: it is no request at all.
    #[error("{message}")]
    Permanent {
        /// What is wrong with it.
        message: String,
    },
}

impl ExportError {
    /// A failure without advice from the backend that may pass.
    #[must_use]
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::Retryable { after: None, message: message.into() }
    }

    /// Whether the same batch may succeed later, whatever is in it.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable { .. } | Self::Misconfigured { .. } | Self::Heavy { .. })
    }
}

/// Delivers batches to one backend. Batching, retries and bounds are the business of the queue in
/// front of it.
pub trait Exporter: Send + Sync + 'static {
    /// Its name in the configuration, such as `otlp/jaeger`.
    fn name(&self) -> &str;

    /// Where it delivers to, for the log: host and port, or a path. Empty where there is no such.
    fn endpoint(&self) -> String {
        String::new()
    }

    /// Delivers `batch`: resolves once the backend has answered for it.
    ///
    /// Called from several tasks at once. Dropping the future gives the request up; the backend
    /// may have taken it all the same.
    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, ExportError>>;

    /// Called once when no more batches will come: writes out what is held back.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
