//! The formats that messages come in: one table, whatever the transport.
//!
//! A format is a row of [`FORMATS`]: its name, its cost, and the function of `proto` that translates a
//! message of it to OTLP. Which requests carry which format is said by the receivers' tables of routes.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use wholetrace_proto::{
    jaeger::{JaegerError, api_v2, thrift},
    json::JsonError,
    otlp_json,
    thrift::Protocol,
    translated::{self, Room},
    wire::put_bytes,
    zipkin::{self, Encoding, Envelope, ZipkinError},
};

use crate::reject::{RejectReason, Rejection, SpanRejects};

/// Names and values that come with a message: headers of HTTP, metadata of gRPC, headers of a record;
/// none where the transport has none.
pub(crate) type Metadata = HeaderMap;

/// A format that messages come in.
pub struct Format {
    name: &'static str,
    /// How many times its size a message takes of the bytes in flight, at most.
    pub(crate) need: u64,
    /// Translating and splitting a longer message takes milliseconds: not on a thread that serves
    /// sockets.
    pub(crate) inline_bytes: usize,
    /// Names, in lower case, of the metadata that the translator looks at.
    metadata: &'static [&'static str],
    /// Translates a message.
    pub(crate) translate: Translate,
}

/// Translates a message, with the metadata that the format names, to OTLP. The room is asked for what
/// it takes where the message has to be written anew.
///
/// Fails for a message of which nothing can be understood, or for which there is no room.
type Translate = fn(Bytes, &Metadata, &mut dyn Room) -> Result<Translated, Rejection>;

/// All formats.
pub static FORMATS: [&Format; 10] = [
    &OTLP_PROTO,
    &OTLP_JSON,
    &ZIPKIN_JSON,
    &ZIPKIN_PROTO,
    &ZIPKIN_THRIFT,
    &JAEGER_PROTO,
    &JAEGER_BATCH_PROTO,
    &JAEGER_BATCH_THRIFT,
    &JAEGER_AGENT_BINARY,
    &JAEGER_AGENT_COMPACT,
];

/// `ExportTraceServiceRequest` in protobuf. Taken as it comes.
pub(crate) static OTLP_PROTO: Format = Format {
    name: "otlp_proto",
    // The body beside what it is inflated from, then its places and its frames beside the body.
    need: 3,
    inline_bytes: 4 << 20,
    metadata: &[],
    translate: |message, _, _| Ok(Translated { otlp: message, ..Translated::default() }),
};

/// `ExportTraceServiceRequest` in JSON.
pub(crate) static OTLP_JSON: Format = Format {
    name: "otlp_json",
    need: 3,
    inline_bytes: 256 << 10,
    metadata: &[],
    translate: |message, _, room| {
        otlp_json::to_protobuf(&message, room)
            .map(Translated::from)
            .map_err(|error| not_json(&error))
    },
};

/// A list of Zipkin spans in JSON, v1 or v2.
pub(crate) static ZIPKIN_JSON: Format = ZIPKIN;

/// A list of Zipkin v2 spans in protobuf.
pub(crate) static ZIPKIN_PROTO: Format = Format {
    name: "zipkin_proto",
    translate: |message, metadata, room| zipkin(Encoding::Protobuf, &message, metadata, room),
    ..ZIPKIN
};

/// A list of Zipkin v1 spans in Thrift's binary protocol.
pub(crate) static ZIPKIN_THRIFT: Format = Format {
    name: "zipkin_thrift",
    translate: |message, metadata, room| zipkin(Encoding::Thrift, &message, metadata, room),
    ..ZIPKIN
};

const ZIPKIN: Format = Format {
    name: "zipkin_json",
    // What becomes three times as large as OTLP is there twice while it is put together, beside the
    // body.
    need: 7,
    inline_bytes: 256 << 10,
    metadata: &[B3_FLAGS],
    translate: |message, metadata, room| zipkin(Encoding::Json, &message, metadata, room),
};

/// The header of B3 that says of a request what happens to its traces.
const B3_FLAGS: &str = "x-b3-flags";

/// Translates a Zipkin request that is said to be in `encoding`.
fn zipkin(
    encoding: Encoding,
    message: &[u8],
    metadata: &Metadata,
    room: &mut dyn Room,
) -> Result<Translated, Rejection> {
    let debug = metadata.get(B3_FLAGS).is_some_and(|flags| flags == "1");
    zipkin::to_protobuf(message, Envelope { encoding, debug }, room)
        .map(Translated::from)
        .map_err(|error| not_zipkin(&error))
}

/// One span of Jaeger's model in protobuf, with its process, as Jaeger's collector writes them to topics.
pub(crate) static JAEGER_PROTO: Format = Format {
    name: "jaeger_proto",
    // Beside the message, there is the request that it is put into.
    need: 8,
    translate: |message, _, room| {
        let (mut batch, mut request) = (Vec::new(), Vec::new());
        put_bytes(&mut batch, 1, &message);
        put_bytes(&mut request, 1, &batch);
        from_jaeger(api_v2::to_protobuf(&request, room))
    },
    ..JAEGER
};

/// `PostSpansRequest` of Jaeger's `api_v2` in protobuf.
pub(crate) static JAEGER_BATCH_PROTO: Format = JAEGER;

/// Jaeger's `Batch` in Thrift's binary protocol.
pub(crate) static JAEGER_BATCH_THRIFT: Format = Format {
    name: "jaeger_batch_thrift",
    translate: |message, _, room| from_jaeger(thrift::to_protobuf(&message, room)),
    ..JAEGER
};

/// A message to Jaeger's agent in Thrift's binary protocol.
pub(crate) static JAEGER_AGENT_BINARY: Format = Format {
    name: "jaeger_agent_binary",
    translate: |message, _, room| {
        from_jaeger(thrift::message_to_protobuf(&message, Protocol::Binary, room))
    },
    ..JAEGER
};

/// A message to Jaeger's agent in Thrift's compact protocol.
pub(crate) static JAEGER_AGENT_COMPACT: Format = Format {
    name: "jaeger_agent_compact",
    // Numbers are small there, and not in OTLP.
    need: 15,
    translate: |message, _, room| {
        from_jaeger(thrift::message_to_protobuf(&message, Protocol::Compact, room))
    },
    ..JAEGER
};

const JAEGER: Format = Format {
    name: "jaeger_batch_proto",
    // As for Zipkin.
    need: 7,
    inline_bytes: 1 << 20,
    metadata: &[],
    translate: |message, _, room| from_jaeger(api_v2::to_protobuf(&message, room)),
};

/// What a translator of Jaeger's formats gave.
fn from_jaeger(
    translated: Result<translated::Translated, JaegerError>,
) -> Result<Translated, Rejection> {
    translated.map(Translated::from).map_err(|error| not_jaeger(&error))
}

impl Format {
    /// Its name: the Collector's word for it as an encoding of messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Of `headers`, those that the translator looks at.
    pub(crate) fn metadata_of(&self, headers: &HeaderMap) -> Metadata {
        let names = self.metadata.iter().map(|name| HeaderName::from_static(name));
        names.filter_map(|name| headers.get(&name).cloned().map(|value| (name, value))).collect()
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A message translated to OTLP.
#[derive(Debug, Default)]
pub(crate) struct Translated {
    /// An OTLP export request in protobuf.
    pub(crate) otlp: Bytes,
    /// Whether all its spans are known to be good.
    pub(crate) checked: bool,
    /// Spans that could not be translated.
    pub(crate) rejects: SpanRejects,
    /// What was wrong with the first of them.
    pub(crate) first: Option<String>,
}

impl From<translated::Translated> for Translated {
    fn from(from: translated::Translated) -> Self {
        let mut rejects = SpanRejects::default();
        for (reject, spans) in from.rejected.by_reason() {
            rejects.add(reject.into(), u32::try_from(spans).unwrap_or(u32::MAX));
        }
        let first = from.rejected.first().map(ToString::to_string);
        Self { otlp: from.bytes.into(), checked: from.checked, rejects, first }
    }
}

fn not_json(error: &JsonError) -> Rejection {
    let reason = match error {
        JsonError::Room { .. } => RejectReason::InflatedTooLarge,
        _ => RejectReason::Malformed,
    };
    Rejection::new(reason, error.to_string())
}

fn not_zipkin(error: &ZipkinError) -> Rejection {
    let reason = match error {
        ZipkinError::Room(_) => RejectReason::InflatedTooLarge,
        _ => RejectReason::Malformed,
    };
    Rejection::new(reason, error.to_string())
}

fn not_jaeger(error: &JaegerError) -> Rejection {
    let reason = match error {
        JaegerError::Room(_) => RejectReason::InflatedTooLarge,
        JaegerError::Method(_) => RejectReason::Method,
        JaegerError::Protobuf(_) | JaegerError::Thrift(_) => RejectReason::Malformed,
    };
    Rejection::new(reason, error.to_string())
}

#[cfg(test)]
mod tests {
    use wholetrace_proto::translated::Limits;

    use super::*;

    #[test]
    fn each_format_has_a_name_of_its_own() {
        let mut names = FORMATS.map(Format::name);
        names.sort_unstable();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
    }

    /// A translator gets the metadata that its format names, and nothing else of what came.
    #[test]
    fn a_translator_sees_the_metadata_that_its_format_names() {
        let format = Format {
            metadata: &["x-b3-flags"],
            translate: |_, metadata, _| {
                let first = metadata.get("x-b3-flags").map(|flags| format!("{flags:?}"));
                assert_eq!(metadata.len(), usize::from(first.is_some()));
                Ok(Translated { first, ..Translated::default() })
            },
            ..OTLP_PROTO
        };
        let mut headers = HeaderMap::new();
        let seen = |headers: &HeaderMap| {
            let metadata = format.metadata_of(headers);
            (format.translate)(Bytes::new(), &metadata, &mut Limits::default()).unwrap().first
        };
        headers.insert("authorization", "Bearer x".parse().unwrap());
        assert_eq!(seen(&headers), None);
        headers.insert("x-b3-flags", "1".parse().unwrap());
        assert_eq!(seen(&headers).as_deref(), Some("\"1\""));
    }
}
