//! What an exporter is, what it takes and what it answers.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use wholetrace_proto::each_span::TranslateError;

/// Names a piece of kept spans. The outcome carries it back to the partition; exporters do not look
/// at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// The partition that the spans come from.
    pub partition: u32,
    /// The position of their frame.
    pub position: u64,
    /// Which piece of the frame it is, from 0.
    pub piece: u32,
}

/// A piece of kept spans: the spans that sampling keeps of one frame, or some of them where they are
/// many.
#[derive(Clone, Debug)]
pub struct KeptSpans {
    /// A valid `TracesData` message (and so a valid `ExportTraceServiceRequest`).
    pub bytes: Bytes,
    /// How many spans are in it.
    pub spans: u32,
    /// Comes back with the outcome.
    pub ticket: Ticket,
}

/// What became of a piece of kept spans. A queue reports one outcome for each piece that it takes. It
/// reports none once it is stopped, or once the receiver of the outcomes is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The backend has it.
    Delivered,
    /// The backend will never take it: the piece goes to the dead letters.
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

/// An outcome, as the partition hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The exporter that had the piece.
    pub exporter: ExporterIndex,
    /// The piece.
    pub ticket: Ticket,
    /// What became of it.
    pub outcome: Outcome,
}

/// The spans of one request. The pieces, one after the other, are one valid
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

    /// The error for a batch that is not translated. One with a span that does not decode is halved
    /// until that span is alone.
    #[must_use]
    pub fn not_translated(&self, error: &TranslateError) -> ExportError {
        let message = match error {
            TranslateError::TooLarge { .. } => error.to_string(),
            TranslateError::Decode(error) => format!("spans do not decode: {error}"),
        };
        match error {
            TranslateError::TooLarge { .. } => ExportError::Oversized { message },
            TranslateError::Decode(_) if self.spans > 1 => ExportError::Rejected { message },
            TranslateError::Decode(_) => ExportError::Permanent { message },
        }
    }

    /// The error for a batch that cannot be encoded as a request, for the reason of `message`. A batch of
    /// one piece can never be; one of several pieces is halved, to find the piece at fault.
    #[must_use]
    pub fn not_a_request(&self, message: String) -> ExportError {
        if self.pieces.len() > 1 {
            ExportError::Rejected { message }
        } else {
            ExportError::Permanent { message }
        }
    }
}

/// The backend's answer to a batch that it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Spans of the batch that it rejected (OTLP partial success). OTLP forbids to send them again and
    /// does not say which they are: they are counted and logged.
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
    /// The backend refuses every request of this exporter: the endpoint or the credentials are wrong. The
    /// spans stay in the log until somebody corrects them.
    #[error("{message}")]
    Misconfigured {
        /// What the backend said.
        message: String,
    },
    /// The backend rejects this batch for its size or its contents. It may take parts of it.
    #[error("{message}")]
    Rejected {
        /// What the backend said.
        message: String,
    },
    /// The backend fails, and the fault may be its own or the batch's. The batch is sent again for a
    /// time, then its halves are.
    #[error("{message}")]
    Doubtful {
        /// What the backend said.
        message: String,
    },
    /// The backend is too slow for a batch of this size. It may take smaller ones.
    #[error("{message}")]
    Overloaded {
        /// What the backend said, or did not.
        message: String,
    },
    /// The batch is larger than a request may be, in the format of the exporter, and was not sent. Its
    /// halves are smaller. Not said of a single span.
    #[error("{message}")]
    Oversized {
        /// How large it is.
        message: String,
    },
    /// The batch cannot be encoded as a request, and no part of it can.
    #[error("{message}")]
    Permanent {
        /// What is wrong with it.
        message: String,
    },
}

impl ExportError {
    /// A failure that may pass, without a `Retry-After` from the backend.
    #[must_use]
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::Retryable { after: None, message: message.into() }
    }

    /// Whether the same batch may succeed later, whatever is in it.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Retryable { .. } | Self::Misconfigured { .. } | Self::Overloaded { .. }
        )
    }
}

/// Sends batches to one backend. The queue in front of it batches, retries and bounds.
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
