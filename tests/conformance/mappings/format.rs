//! The formats: how a case is written in each, and what ours makes of it.

use prost::Message as _;
use serde_json::{Value, json};
use wholetrace_proto::{
    jaeger,
    otlp::ExportTraceServiceRequest,
    thrift::{Kind, Message, MessageKind, Protocol, Writer},
    translated::{Limits, Translated},
    zipkin,
};

use super::{
    lines::lines,
    model::{Schema, Type, bytes, protobuf, thrift, with_defaults},
    schemas::{JAEGER_BATCH, JAEGER_THRIFT_BATCH, ZIPKIN, ZIPKIN_V1},
};

/// What a Collector's receivers take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    ZipkinJson,
    ZipkinProtobuf,
    ZipkinV1Json,
    ZipkinV1Thrift,
    JaegerProtobuf,
    /// Over HTTP.
    JaegerThrift,
    /// The same cases in datagrams.
    JaegerCompact,
    /// The same cases in datagrams.
    JaegerBinary,
}

/// What stands for the fields that most spans in JSON have.
const IDS: &str = r#""traceId":"5af7183fb1d4cf5f","id":"352bff9a74ca9ad2""#;
const TIMES: &str = r#""timestamp":1500000000000000,"duration":207000"#;

impl Format {
    pub(super) const ALL: [Self; 8] = [
        Self::ZipkinJson,
        Self::ZipkinProtobuf,
        Self::ZipkinV1Json,
        Self::ZipkinV1Thrift,
        Self::JaegerProtobuf,
        Self::JaegerThrift,
        Self::JaegerCompact,
        Self::JaegerBinary,
    ];

    /// The file of its cases, and the one of what was recorded of them.
    pub(super) const fn files(self) -> [&'static str; 2] {
        match self {
            Self::ZipkinJson => ["zipkin_json.yaml", "recorded/zipkin_json.yaml"],
            Self::ZipkinProtobuf => ["zipkin_protobuf.yaml", "recorded/zipkin_protobuf.yaml"],
            Self::ZipkinV1Json => ["zipkin_v1_json.yaml", "recorded/zipkin_v1_json.yaml"],
            Self::ZipkinV1Thrift => ["zipkin_v1_thrift.yaml", "recorded/zipkin_v1_thrift.yaml"],
            Self::JaegerProtobuf => ["jaeger_protobuf.yaml", "recorded/jaeger_protobuf.yaml"],
            Self::JaegerThrift | Self::JaegerCompact | Self::JaegerBinary => {
                ["jaeger_thrift.yaml", "recorded/jaeger_thrift.yaml"]
            }
        }
    }

    /// What it is called among the differences.
    pub(super) fn name(self) -> &'static str {
        self.files()[0].trim_end_matches(".yaml")
    }

    /// The bytes of a case: `{hex: …}` and JSON as they stand, other formats by the names of fields,
    /// where spans have ids and times if nothing else is said.
    pub(super) fn bytes(self, name: &str, sent: &Value) -> Vec<u8> {
        if let Some(raw) = sent.get("hex") {
            return bytes(raw, Type::Bytes);
        }
        match self {
            Self::ZipkinJson | Self::ZipkinV1Json => {
                let text = sent.as_str().unwrap_or_else(|| panic!("{name}: a text"));
                text.replace("IDS", IDS).replace("TIMES", TIMES).into_bytes()
            }
            Self::ZipkinProtobuf => {
                let usual = json!({
                    "trace_id": "00000000000000005af7183fb1d4cf5f", "id": "352bff9a74ca9ad2",
                    "timestamp": 1_500_000_000_000_000_i64, "duration": 207_000,
                });
                let list = json!({ "spans": spans(name, sent, &usual) });
                let mut out = Vec::new();
                protobuf(&mut out, &list, &[("spans", 1, Type::Message(ZIPKIN))]);
                out
            }
            Self::ZipkinV1Thrift => {
                let usual = json!({
                    "trace_id": "5af7183fb1d4cf5f", "id": "352bff9a74ca9ad2",
                    "timestamp": 1_500_000_000_000_000_i64, "duration": 207_000,
                });
                let spans = spans(name, sent, &usual);
                let mut out = Writer::new(Protocol::Binary);
                out.put_list(Kind::Struct, spans.len() as u32);
                for span in &spans {
                    out.structure(|out| thrift(out, span, ZIPKIN_V1));
                }
                out.into_bytes()
            }
            Self::JaegerProtobuf => {
                let usual = json!({
                    "trace_id": "00000000000000005af7183fb1d4cf5f", "span_id": "352bff9a74ca9ad2",
                    "operation_name": "get", "start_time": { "seconds": 1_500_000_000 },
                    "duration": { "nanos": 207_000_000 },
                });
                let batch = batch(name, sent, &usual);
                let mut out = Vec::new();
                protobuf(&mut out, &json!({ "batch": batch }), JAEGER_REQUEST);
                out
            }
            Self::JaegerThrift => {
                let batch = jaeger_thrift(name, sent);
                let mut out = Writer::new(Protocol::Binary);
                out.structure(|out| thrift(out, &batch, JAEGER_THRIFT_BATCH));
                out.into_bytes()
            }
            Self::JaegerBinary => emitted(name, sent, Protocol::Binary),
            Self::JaegerCompact => emitted(name, sent, Protocol::Compact),
        }
    }

    /// What ours makes of a request.
    pub(super) fn ours(self, bytes: &[u8]) -> Vec<String> {
        match self.translated(bytes) {
            Ok(one) if one.spans == 0 && one.rejected.total() > 0 => vec!["refused".to_owned()],
            Ok(one) => {
                let request = ExportTraceServiceRequest::decode(&*one.bytes).expect("OTLP");
                lines(&[request], |_| false)
            }
            Err(_) => vec!["refused".to_owned()],
        }
    }

    fn translated(self, bytes: &[u8]) -> Result<Translated, String> {
        let mut room = Limits::default();
        let Some(encoding) = self.zipkin() else {
            let made = match self {
                Self::JaegerProtobuf => jaeger::api_v2::to_protobuf(bytes, &mut room),
                Self::JaegerThrift => jaeger::thrift::to_protobuf(bytes, &mut room),
                _ => jaeger::thrift::message_to_protobuf(bytes, self.protocol(), &mut room),
            };
            return made.map_err(|error| error.to_string());
        };
        let envelope = zipkin::Envelope { encoding, debug: false };
        let made = zipkin::to_protobuf(bytes, envelope, &mut room);
        made.map_err(|error| error.to_string())
    }

    /// How a request is written, where it is Zipkin's.
    pub(super) const fn zipkin(self) -> Option<zipkin::Encoding> {
        match self {
            Self::ZipkinJson | Self::ZipkinV1Json => Some(zipkin::Encoding::Json),
            Self::ZipkinProtobuf => Some(zipkin::Encoding::Protobuf),
            Self::ZipkinV1Thrift => Some(zipkin::Encoding::Thrift),
            _ => None,
        }
    }

    /// Whether its requests are not answered.
    pub(super) fn is_datagram(self) -> bool {
        matches!(self, Self::JaegerCompact | Self::JaegerBinary)
    }

    /// Of what became of a request, what shows: nobody is told that a datagram is refused.
    pub(super) fn shown(self, lines: Vec<String>) -> Vec<String> {
        if self.is_datagram() && lines == ["refused"] { vec!["nothing".to_owned()] } else { lines }
    }

    fn protocol(self) -> Protocol {
        if self == Self::JaegerCompact { Protocol::Compact } else { Protocol::Binary }
    }
}

const JAEGER_REQUEST: Schema = &[("batch", 1, Type::Message(JAEGER_BATCH))];

/// A list of spans, each with what is `usual` and it has not.
fn spans(name: &str, sent: &Value, usual: &Value) -> Vec<Value> {
    let list = sent.as_array().unwrap_or_else(|| panic!("{name}: a list of spans"));
    list.iter().map(|span| with_defaults(span, usual)).collect()
}

/// A batch of Jaeger's, which may be given as its spans alone.
fn batch(name: &str, sent: &Value, usual: &Value) -> Value {
    let given = match sent {
        Value::Object(_) => sent.clone(),
        spans => json!({ "spans": spans }),
    };
    let mut batch = with_defaults(&given, &json!({ "process": { "service_name": "shop" } }));
    batch["spans"] = spans(name, &given["spans"], usual).into();
    batch
}

/// A batch of Jaeger's in Thrift.
fn jaeger_thrift(name: &str, sent: &Value) -> Value {
    let usual = json!({
        "trace_id_low": "5af7183fb1d4cf5f", "trace_id_high": 0, "span_id": "352bff9a74ca9ad2",
        "parent_span_id": 0, "operation_name": "get", "flags": 0,
        "start_time": 1_500_000_000_000_000_i64, "duration": 207_000,
    });
    batch(name, sent, &usual)
}

/// A call of `emitBatch` with it.
fn emitted(name: &str, sent: &Value, protocol: Protocol) -> Vec<u8> {
    let batch = jaeger_thrift(name, sent);
    let mut out = Writer::new(protocol);
    out.message(&Message { name: b"emitBatch", kind: MessageKind::Oneway, sequence: 1 });
    out.structure(|out| out.nested(1, |out| thrift(out, &batch, JAEGER_THRIFT_BATCH)));
    out.into_bytes()
}
