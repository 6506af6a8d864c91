//! What a translator of another format into OTLP gives back.

use crate::reject::Rejected;

pub use crate::room::{Limits, NoRoom, Room};

/// The span attribute (a string) that says a sender forced this trace to be kept, and by which
/// signal. OTLP has no field for it, so translators write this attribute and policies read it.
pub const KEEP_ATTRIBUTE: &str = "wholetrace.keep";

/// The value of [`KEEP_ATTRIBUTE`] for a Zipkin span with `debug` set.
pub const KEEP_ZIPKIN_DEBUG: &str = "zipkin.debug";

/// The value of [`KEEP_ATTRIBUTE`] for a Jaeger span with the debug flag.
pub const KEEP_JAEGER_DEBUG: &str = "jaeger.debug";

/// A request in OTLP protobuf, as far as its spans could be understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// A valid `ExportTraceServiceRequest` (and `TracesData`). Ids have the right length where
    /// they are present; whether they are present and not zero is for the reader of the spans to
    /// check, as for requests that came as protobuf.
    pub bytes: Vec<u8>,
    /// How many spans `bytes` holds.
    pub spans: u64,
    /// Whether [`check_span`](crate::check::check_span) is known to take each span in `bytes`, and to
    /// find its text valid: so it is where spans were read field by field and had ids.
    pub checked: bool,
    /// The spans that are not in `bytes`, and why.
    pub rejected: Rejected,
}
