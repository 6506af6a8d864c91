//! Why a span is refused alone, while the rest of its request is served: one list for all formats.

use crate::{otlp::NESTING_MAX, thrift::ThriftError, wire::WireError};

/// Why a span is refused. It says nothing about other spans.
///
/// What checks the bytes of spans ([`check`](crate::check)) and what translates other formats into
/// OTLP give the same reasons. Each tells the sender what is wrong; a text in a reason does so in
/// full: the field, its value, where it stands, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanReject {
    /// It is not a protobuf message of the form of a span; positions count from its start.
    #[error("the span is malformed: {0}")]
    Malformed(#[from] WireError),
    /// It is no Thrift struct of the form of a span, or stands behind one that is none; positions
    /// count from the start of the request.
    #[error("the span is malformed: {0}")]
    MalformedThrift(#[from] ThriftError),
    /// An id has a wrong number of bytes.
    #[error("field `{number}` of `{message}` is an id of `{found}` bytes, must have `{wanted}`")]
    IdLength {
        /// The message with the id: `Span` or `Link`.
        message: &'static str,
        /// The number of the field.
        number: u32,
        /// The bytes it has; 0 also when it is missing.
        found: usize,
        /// The bytes it must have.
        wanted: usize,
    },
    /// The trace id or the span id is all zeros.
    #[error("field `{number}` of `Span` is an id of zeros, must have a bit set")]
    ZeroId {
        /// The number of the field.
        number: u32,
    },
    /// The trace id or the span id is given twice, so that readers would disagree on it.
    #[error("field `{number}` of `Span` is given twice, must be given once")]
    RepeatedId {
        /// The number of the field.
        number: u32,
    },
    /// Messages, as attribute values are, or groups are nested too deep.
    #[error("the message at byte `{at}` is nested in others deeper than level `{NESTING_MAX}`")]
    Nesting {
        /// Where the message starts.
        at: usize,
    },
    /// The tag or the length of the span has padding, which no encoder writes.
    #[error("its tag or length has more bytes than it needs")]
    Padding,
    /// It is larger than a frame may be.
    #[error("it takes `{bytes}` bytes with its resource and scope, at most `{most}` are taken")]
    TooLarge {
        /// What it takes with its resource and scope.
        bytes: usize,
        /// What it may.
        most: usize,
    },
    /// It has more tags or annotations than a span may, or than it takes bytes for.
    #[error("`{field}` has more than `{most}` at byte `{at}`")]
    TooMany {
        /// The field that has them.
        field: &'static str,
        /// The most it may have.
        most: usize,
        /// Where the first too many one ends.
        at: usize,
    },
    /// An id in text: of the wrong length, with other characters than hexadecimal digits, or
    /// (Zipkin) missing or all zeros.
    #[error("{0}")]
    Id(String),
    /// A number in text that is none, has a fraction, or is out of its range.
    #[error("{0}")]
    Number(String),
    /// A value of the wrong JSON type.
    #[error("{0}")]
    Type(String),
    /// The name of an enumeration's value that does not exist.
    #[error("{0}")]
    Enum(String),
    /// Bytes in text that are not base64.
    #[error("{0}")]
    Bytes(String),
}

/// How much of a wrong value is shown.
pub(crate) const SHOWN_CHARACTERS: usize = 64;

impl SpanReject {
    /// The reason that `value` of `field`, which stands at byte `at`, must be what is `wanted`: of the
    /// kind that `reject` makes.
    #[cold]
    pub(crate) fn of_value(
        reject: fn(String) -> Self,
        at: usize,
        field: &str,
        value: &str,
        wanted: &str,
    ) -> Self {
        // Control characters would garble a log.
        let plain = value.chars().map(|one| if one.is_control() { ' ' } else { one });
        let shown: String = plain.take(SHOWN_CHARACTERS).collect();
        let dots = if shown.len() < value.len() { "…" } else { "" };
        reject(format!("`{field}` at byte `{at}` is `{shown}{dots}`, must be {wanted}"))
    }
}

/// The spans of a request that were refused, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// The first of each kind, in the order in which they came, and how many there are of the kind.
    /// There are no more than the enumeration has kinds.
    kinds: Vec<(SpanReject, u64)>,
}

impl Rejected {
    /// How many spans were refused.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.kinds.iter().map(|(_, spans)| spans).sum()
    }

    /// Each kind of reason that occurred: the first one of it, and the number of spans.
    pub fn by_reason(&self) -> impl Iterator<Item = (&SpanReject, u64)> {
        self.kinds.iter().map(|(reject, spans)| (reject, *spans))
    }

    /// What was wrong with the first span. `None` when none was refused.
    #[must_use]
    pub fn first(&self) -> Option<&SpanReject> {
        self.kinds.first().map(|(reject, _)| reject)
    }

    /// Counts `spans` more that were refused for `reject`.
    pub(crate) fn add(&mut self, reject: SpanReject, spans: u64) {
        if spans == 0 {
            return;
        }
        let kind = std::mem::discriminant(&reject);
        match self.kinds.iter_mut().find(|(known, _)| std::mem::discriminant(known) == kind) {
            Some((_, count)) => *count += spans,
            None => self.kinds.push((reject, spans)),
        }
    }
}
