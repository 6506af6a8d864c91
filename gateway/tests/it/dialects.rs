//! A sender of each protocol: a batch of spans, good and bad ones, on the way that a real one takes.

use std::net::UdpSocket;

use wholetrace_proto::{
    jaeger::api_v2::POST_SPANS_PATH,
    otlp::EXPORT_PATH,
    thrift::{Kind, Message, MessageKind, Protocol, Writer},
    wire::{put_bytes, put_uint},
    zipkin::REPORT_PATH,
};

use crate::{
    grpc::{call, channel},
    harness::{JSON, PROTOBUF, Running, post},
};

/// A protocol, on the transport that it is spoken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OtlpGrpc,
    OtlpProtobuf,
    OtlpJson,
    ZipkinJson,
    ZipkinProtobuf,
    ZipkinV1Json,
    ZipkinThrift,
    ZipkinGrpc,
    JaegerGrpc,
    JaegerPosted,
    JaegerCompact,
    JaegerBinary,
}

/// A span that is not taken: what is wrong with it, its bytes, and the reason that it counts for.
pub(crate) type Bad = (&'static str, Vec<u8>, &'static str);

/// Larger than [`LIMITS`] allow.
const LARGE: usize = 70_000;
/// Limits that [`Dialect::bad`] counts with.
pub(crate) const LIMITS: &str = r#"{"span_bytes": "64KiB", "frame_bytes": "16KiB"}"#;

const THRIFT: &[(&str, &str)] = &[("content-type", "application/x-thrift")];
const ID: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 2];

impl Dialect {
    pub(crate) const ALL: [Self; 12] = [
        Self::OtlpGrpc,
        Self::OtlpProtobuf,
        Self::OtlpJson,
        Self::ZipkinJson,
        Self::ZipkinProtobuf,
        Self::ZipkinV1Json,
        Self::ZipkinThrift,
        Self::ZipkinGrpc,
        Self::JaegerGrpc,
        Self::JaegerPosted,
        Self::JaegerCompact,
        Self::JaegerBinary,
    ];

    /// The protocol of its Thrift.
    fn thrift(self) -> Protocol {
        if self == Self::JaegerCompact { Protocol::Compact } else { Protocol::Binary }
    }

    /// A span of the trace `trace` with the name `name`, which need not be UTF-8.
    pub(crate) fn span(self, trace: u64, name: &[u8]) -> Vec<u8> {
        let json = |ids: String, rest: &str| {
            [format!("{{{ids},\"name\":\"").as_bytes(), name, b"\"", rest.as_bytes(), b"}"].concat()
        };
        let long = u128::from(trace).to_be_bytes();
        match self {
            Self::OtlpGrpc | Self::OtlpProtobuf => fields(&[(1, &long), (2, &ID), (5, name)]),
            Self::OtlpJson => {
                json(format!(r#""traceId":"{trace:032x}","spanId":"{:016x}""#, 2), "")
            }
            Self::ZipkinJson => json(format!(r#""traceId":"{trace:x}","id":"2""#), ""),
            Self::ZipkinV1Json => {
                let annotations = r#","annotations":[{"timestamp":1,"value":"sr"}]"#;
                json(format!(r#""traceId":"{trace:x}","id":"2""#), annotations)
            }
            Self::ZipkinProtobuf | Self::ZipkinGrpc => {
                fields(&[(1, &trace.to_be_bytes()), (3, &ID), (5, name)])
            }
            Self::JaegerGrpc => fields(&[(1, &long), (2, &ID), (3, name)]),
            Self::ZipkinThrift => self.structure(|span| {
                span.i64(1, trace.cast_signed());
                span.bytes(3, name);
                span.i64(4, 2);
            }),
            Self::JaegerPosted | Self::JaegerCompact | Self::JaegerBinary => {
                self.structure(|span| {
                    span.i64(1, trace.cast_signed());
                    span.i64(3, 2);
                    span.bytes(5, name);
                })
            }
        }
    }

    fn structure(self, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::new(self.thrift());
        writer.structure(write);
        writer.into_bytes()
    }

    /// Spans with one thing wrong each, none of which is in the way of its neighbours.
    pub(crate) fn bad(self) -> Vec<Bad> {
        let mut all = match self {
            Self::OtlpJson | Self::ZipkinJson | Self::ZipkinV1Json => self.bad_json(),
            Self::OtlpGrpc
            | Self::OtlpProtobuf
            | Self::ZipkinProtobuf
            | Self::ZipkinGrpc
            | Self::JaegerGrpc => self.bad_protobuf(),
            _ => self.bad_thrift(),
        };
        // A datagram has no room for it.
        if !matches!(self, Self::JaegerCompact | Self::JaegerBinary) {
            all.push(("large", self.span(1, &[b'x'; LARGE]), "span_too_large"));
        }
        all
    }

    fn bad_json(self) -> Vec<Bad> {
        let deep = deep_json();
        let rows: &[(&str, &str, &str)] = match self {
            Self::OtlpJson => &[
                ("null", "null", "span_malformed"),
                ("no trace id", r#"{"spanId":"0000000000000002"}"#, "span_id"),
                ("base64", r#"{"traceId":"AQEBAQEBAQEBAQEBAQEBAQ=="}"#, "span_id"),
                ("a number for a name", r#"{"name":5}"#, "span_malformed"),
                ("a kind that is none", r#"{"kind":"SPAN_KIND_ODD"}"#, "span_malformed"),
                ("deep", &deep, "span_nesting"),
            ],
            Self::ZipkinJson => &[
                ("null", "null", "span_malformed"),
                ("no id", r#"{"traceId":"1"}"#, "span_id"),
                ("zeros", r#"{"traceId":"00","id":"2"}"#, "span_id"),
                ("no digits", r#"{"traceId":"1","id":"x"}"#, "span_id"),
                ("no time", r#"{"traceId":"1","id":"2","timestamp":"x"}"#, "span_malformed"),
                ("tags in a list", r#"{"traceId":"1","id":"2","tags":[5]}"#, "span_malformed"),
            ],
            _ => &[
                ("a number", "7", "span_malformed"),
                ("no id", r#"{"traceId":"1","annotations":[]}"#, "span_id"),
                (
                    "a number for an annotation",
                    r#"{"traceId":"1","id":"2","annotations":[5]}"#,
                    "span_malformed",
                ),
                (
                    "a map of annotations",
                    r#"{"traceId":"1","id":"2","binaryAnnotations":{}}"#,
                    "span_malformed",
                ),
            ],
        };
        rows.iter().map(|(what, text, reason)| (*what, text.as_bytes().to_vec(), *reason)).collect()
    }

    fn bad_protobuf(self) -> Vec<Bad> {
        // The fields of the ids, of the name and of attributes or tags.
        let (id, name, tags) = match self {
            Self::ZipkinProtobuf | Self::ZipkinGrpc => (3, 5, 11),
            Self::JaegerGrpc => (2, 3, 8),
            _ => (2, 5, 9),
        };
        let with = |number, body: &[u8]| [self.span(1, b"bad"), fields(&[(number, body)])].concat();
        let mut number_for_a_name = self.span(1, b"bad");
        put_uint(&mut number_for_a_name, name, 1);
        let mut all = vec![
            ("no ids", fields(&[(name, b"bad")]), "span_id"),
            ("15 bytes", fields(&[(1, &[1; 15]), (id, &ID)]), "span_id"),
            ("a trace of zeros", fields(&[(1, &[0; 16]), (id, &ID)]), "span_id"),
            ("zeros", fields(&[(1, &[1; 16]), (id, &[0; 8])]), "span_id"),
            ("a tag cut off", with(tags, &[0x0a, 9]), "span_malformed"),
            ("a number for a name", number_for_a_name, "span_malformed"),
            ("no wire type", [self.span(1, b"bad"), vec![0x2f]].concat(), "span_malformed"),
        ];
        match self {
            Self::JaegerGrpc => all.push(("no process", with(10, &[0x0f]), "span_malformed")),
            Self::ZipkinProtobuf | Self::ZipkinGrpc => {}
            _ => all.push(("deep", with(9, &attribute(60)), "span_nesting")),
        }
        all
    }

    fn bad_thrift(self) -> Vec<Bad> {
        let mut all = vec![
            ("no ids", self.structure(|_| ()), "span_id"),
            ("zeros", self.span(0, b"bad"), "span_id"),
            ("text for an id", self.structure(|span| span.text(1, "1")), "span_id"),
        ];
        let (id, tags) = if self == Self::ZipkinThrift { (4, 8) } else { (3, 10) };
        if matches!(self, Self::ZipkinThrift | Self::JaegerPosted) {
            all.push(("many", self.structure(|span| many(span, id, tags)), "span_too_large"));
        }
        all
    }

    /// A request with `spans`.
    pub(crate) fn batch(self, spans: &[Vec<u8>]) -> Vec<u8> {
        let listed = |number| {
            let mut out = Vec::new();
            spans.iter().for_each(|span| put_bytes(&mut out, number, span));
            out
        };
        let count = spans.len() as u32;
        match self {
            Self::OtlpGrpc | Self::OtlpProtobuf => fields(&[(1, &fields(&[(2, &listed(2))]))]),
            Self::OtlpJson => {
                let start = br#"{"resourceSpans":[{"scopeSpans":[{"spans":["#;
                [&start[..], &spans.join(&b","[..]), b"]}]}]}"].concat()
            }
            Self::ZipkinJson | Self::ZipkinV1Json => [b"[", &*spans.join(&b","[..]), b"]"].concat(),
            Self::ZipkinProtobuf | Self::ZipkinGrpc => listed(1),
            Self::JaegerGrpc => fields(&[(1, &listed(1))]),
            Self::ZipkinThrift => {
                let mut writer = Writer::new(Protocol::Binary);
                writer.put_list(Kind::Struct, count);
                [writer.into_bytes(), spans.concat()].concat()
            }
            Self::JaegerPosted => {
                let mut batch = self.structure(|batch| jaeger_batch(batch, count));
                batch.splice(batch.len() - 1..batch.len() - 1, spans.concat());
                batch
            }
            Self::JaegerCompact | Self::JaegerBinary => {
                let mut writer = Writer::new(self.thrift());
                let (name, kind) = (&b"emitBatch"[..], MessageKind::Oneway);
                writer.message(&Message { name, kind, sequence: 1 });
                writer.structure(|arguments| {
                    arguments.nested(1, |batch| jaeger_batch(batch, count));
                });
                // Before the ends of the batch and of the arguments.
                let mut message = writer.into_bytes();
                message.splice(message.len() - 2..message.len() - 2, spans.concat());
                message
            }
        }
    }

    /// Sends a request. Gives whether it was answered as taken; a datagram always is.
    pub(crate) async fn send(self, gateway: &Running, body: Vec<u8>) -> bool {
        let (address, path, headers) = match self {
            Self::OtlpGrpc => return called(gateway.grpc(), EXPORT_PATH, body).await,
            Self::ZipkinGrpc => return called(gateway.zipkin(), REPORT_PATH, body).await,
            Self::JaegerGrpc => return called(gateway.jaeger("grpc"), POST_SPANS_PATH, body).await,
            Self::JaegerCompact | Self::JaegerBinary => {
                let compact = self == Self::JaegerCompact;
                let listener = if compact { "thrift_compact" } else { "thrift_binary" };
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.send_to(&body, gateway.jaeger(listener)).unwrap();
                return true;
            }
            Self::OtlpProtobuf => (gateway.http(), "/v1/traces", PROTOBUF),
            Self::OtlpJson => (gateway.http(), "/v1/traces", JSON),
            Self::ZipkinJson => (gateway.zipkin(), "/api/v2/spans", JSON),
            Self::ZipkinProtobuf => (gateway.zipkin(), "/api/v2/spans", PROTOBUF),
            Self::ZipkinV1Json => (gateway.zipkin(), "/api/v1/spans", JSON),
            Self::ZipkinThrift => (gateway.zipkin(), "/api/v1/spans", THRIFT),
            Self::JaegerPosted => (gateway.jaeger("thrift_http"), "/api/traces", THRIFT),
        };
        matches!(post(address, path, headers, &body).await.status, 200 | 202)
    }
}

async fn called(address: std::net::SocketAddr, path: &'static str, body: Vec<u8>) -> bool {
    call(&channel(address).await, path, body, None).await.is_ok()
}

/// A message with these fields.
pub(crate) fn fields(fields: &[(u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|(number, body)| put_bytes(&mut out, *number, body));
    out
}

/// An attribute of OTLP whose value is nested so deep.
fn attribute(depth: usize) -> Vec<u8> {
    let value = (0..depth).fold(Vec::new(), |value, _| fields(&[(5, &fields(&[(1, &value)]))]));
    fields(&[(1, b"deep"), (2, &value)])
}

fn deep_json() -> String {
    let (open, close) = (r#"{"arrayValue":{"values":["#.repeat(60), "]}}".repeat(60));
    let ids = r#""traceId":"01010101010101010101010101010101","spanId":"0202020202020202""#;
    format!(r#"{{{ids},"attributes":[{{"key":"k","value":{open}{{}}{close}}}]}}"#)
}

/// Ids, and more tags than a span may have, in the fields `id` and `tags`.
fn many(span: &mut Writer, id: i16, tags: i16) {
    span.i64(1, 1);
    span.i64(id, 2);
    let count = (1 << 16) + 1;
    span.list(tags, Kind::Struct, count, |list| {
        for _ in 0..count {
            list.structure(|one| {
                one.text(1, "k");
                one.text(2, "v");
            });
        }
    });
}

/// A batch of `count` spans, without them.
fn jaeger_batch(batch: &mut Writer, count: u32) {
    batch.nested(1, |process| process.text(1, "shop"));
    batch.list(2, Kind::Struct, count, |_| ());
}
