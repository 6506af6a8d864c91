//! What a translator of another format into OTLP gives back, and what it refused.

/// The span attribute (a string) that says a sender forced this trace to be kept, and by which
/// signal. OTLP has no field for it, so translators write this attribute and policies read it.
pub const KEEP_ATTRIBUTE: &str = "wholetrace.keep";

/// The value of [`KEEP_ATTRIBUTE`] for a Zipkin span with `debug` set.
pub const KEEP_ZIPKIN_DEBUG: &str = "zipkin.debug";

/// Room for what a translator makes. It is asked before the room is taken, so that nobody has to know
/// beforehand how much a request takes.
pub trait Room {
    /// Whether there is room for `bytes` in all, beside the text. Later calls ask for more.
    fn grow_to(&mut self, bytes: usize) -> bool;
}

/// Room for so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that a translation may take. A request that needs more is refused as a whole.
    pub bytes: usize,
}

impl Default for Limits {
    /// 256 MiB.
    fn default() -> Self {
        Self { bytes: 256 << 20 }
    }
}

impl Room for Limits {
    fn grow_to(&mut self, bytes: usize) -> bool {
        bytes <= self.bytes
    }
}

/// A request in OTLP protobuf, as far as its spans could be understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// A valid `ExportTraceServiceRequest` (and `TracesData`). Ids have the right length where
    /// they are present; whether they are present and not zero is for the reader of the spans to
    /// check, as for requests that came as protobuf.
    pub bytes: Vec<u8>,
    /// How many spans `bytes` holds.
    pub spans: u64,
    /// The spans that are not in `bytes`, and why.
    pub rejected: Rejected,
}

/// The spans a translator refused, counted by fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    counts: [u64; SpanFault::ALL.len()],
    first: Option<String>,
}

impl Rejected {
    /// How many spans were rejected.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Each fault that occurred, with the number of spans that had it.
    pub fn by_fault(&self) -> impl Iterator<Item = (SpanFault, u64)> + '_ {
        SpanFault::ALL.into_iter().zip(self.counts).filter(|(_, count)| *count > 0)
    }

    /// What was wrong with the first of them, in words for the sender. `None` when there are none.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// Counts `spans` more with `fault`; `detail` says what was wrong.
    pub(crate) fn add(&mut self, fault: SpanFault, spans: u64, detail: String) {
        if spans == 0 {
            return;
        }
        if let Some((_, count)) =
            SpanFault::ALL.iter().zip(&mut self.counts).find(|(known, _)| **known == fault)
        {
            *count += spans;
        }
        self.first.get_or_insert(detail);
    }
}

/// Why a span was rejected alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanFault {
    /// A trace or span id of the wrong length, with other characters than hexadecimal digits, or
    /// (Zipkin) missing or all zeros.
    Id,
    /// A number that is none, has a fraction, or is out of its range.
    Number,
    /// A value of the wrong JSON type.
    Type,
    /// The name of an enumeration's value that does not exist.
    Enum,
    /// Bytes that are not base64.
    Bytes,
    /// Values nested too deep.
    Nesting,
    /// More parts than a span may have.
    Size,
    /// A Zipkin v1 span among v2 spans.
    ZipkinV1,
}

impl SpanFault {
    const ALL: [Self; 8] = [
        Self::Id,
        Self::Number,
        Self::Type,
        Self::Enum,
        Self::Bytes,
        Self::Nesting,
        Self::Size,
        Self::ZipkinV1,
    ];
}
