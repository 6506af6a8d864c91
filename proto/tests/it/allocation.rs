//! What decoding takes of memory: a small multiple of what came, whatever that says of counts, of
//! lengths and of what stands in what. All of it on a thread with little stack: nothing recurses with
//! what is nested.

use allocation_counter::measure;
use wholetrace_proto::{
    check::check_span,
    jaeger::{api_v2, thrift},
    otlp_json,
    spans::{SpanRef, Visitor, visit},
    thrift::{Kind, Message, MessageKind, Protocol, Writer},
    translated::Limits,
    wire::{put_bytes, put_delimited_head},
    zipkin::{self, Encoding, Envelope},
};

use crate::{
    fuzz::Random,
    jaeger_shapes, nested, sample,
    translators::{binary_shapes, shapes},
};

/// A way to decode requests, and how many bytes it may hold at once for each that came.
struct Decoder {
    name: &'static str,
    decode: fn(&[u8]),
    factor: u64,
}

/// What may be held beside that: buffers have a least size, and so many parts of a span may be empty.
const BASE: u64 = 512 << 10;

/// Enough for code that is not optimised, and much too little for a call for each level that inputs
/// have.
const STACK_BYTES: usize = 1 << 20;

fn zipkin(data: &[u8], encoding: Encoding) {
    let envelope = Envelope { encoding, debug: false };
    drop(zipkin::to_protobuf(data, envelope, &mut Limits::default()));
}

struct Checked;

impl<'a> Visitor<'a> for Checked {
    fn span(&mut self, span: SpanRef<'a>) {
        drop(check_span(span.body));
    }
}

const OTLP: Decoder =
    Decoder { name: "OTLP", decode: |data| _ = visit(data, &mut Checked), factor: 0 };
const OTLP_JSON: Decoder = Decoder {
    name: "OTLP/JSON",
    decode: |data| drop(otlp_json::to_protobuf(data, &mut Limits::default())),
    factor: 3,
};
const ZIPKIN_JSON: Decoder =
    Decoder { name: "Zipkin JSON", decode: |data| zipkin(data, Encoding::Json), factor: 16 };
const ZIPKIN_PROTOBUF: Decoder = Decoder {
    name: "Zipkin protobuf",
    decode: |data| zipkin(data, Encoding::Protobuf),
    factor: 16,
};
const ZIPKIN_THRIFT: Decoder =
    Decoder { name: "Zipkin Thrift", decode: |data| zipkin(data, Encoding::Thrift), factor: 16 };
const JAEGER: Decoder = Decoder {
    name: "Jaeger protobuf",
    decode: |data| drop(api_v2::to_protobuf(data, &mut Limits::default())),
    factor: 16,
};
const JAEGER_POSTED: Decoder = Decoder {
    name: "Jaeger Thrift",
    decode: |data| drop(thrift::to_protobuf(data, &mut Limits::default())),
    factor: 16,
};
const JAEGER_BINARY: Decoder = Decoder {
    name: "Jaeger binary",
    decode: |data| {
        drop(thrift::message_to_protobuf(data, Protocol::Binary, &mut Limits::default()));
    },
    factor: 16,
};
const JAEGER_COMPACT: Decoder = Decoder {
    name: "Jaeger compact",
    decode: |data| {
        drop(thrift::message_to_protobuf(data, Protocol::Compact, &mut Limits::default()));
    },
    factor: 16,
};

const ALL: [Decoder; 9] = [
    OTLP,
    OTLP_JSON,
    ZIPKIN_JSON,
    ZIPKIN_PROTOBUF,
    ZIPKIN_THRIFT,
    JAEGER,
    JAEGER_POSTED,
    JAEGER_BINARY,
    JAEGER_COMPACT,
];

/// Each decoder on `inputs`, on a thread with little stack.
fn assert_bounded(inputs: impl FnOnce() -> Vec<(&'static str, Vec<u8>)> + Send + 'static) {
    let bounded = move || {
        for (what, input) in inputs() {
            for Decoder { name, decode, factor } in &ALL {
                let held = measure(|| decode(&input)).bytes_max;
                let len = input.len() as u64;
                assert!(held <= BASE + factor * len, "{name}: {held} bytes for {len}: {what}");
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(bounded).unwrap();
    assert!(thread.join().is_ok());
}

/// A message with so many times `part` in the field `number`, behind the ids of a span.
fn span_of(ids: [u32; 2], number: u32, part: &[u8], count: usize) -> Vec<u8> {
    let mut span = Vec::new();
    put_bytes(&mut span, ids[0], &[1; 16]);
    put_bytes(&mut span, ids[1], &[2; 8]);
    (0..count).for_each(|_| put_bytes(&mut span, number, part));
    span
}

fn wrapped(number: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, number, body);
    out
}

const MANY: usize = 30_000;

/// What is short and stands for much.
fn small_parts() -> Vec<(&'static str, Vec<u8>)> {
    let json = |start: &str, part: &str, end: &str| {
        format!("{start}{}{part}{end}", format!("{part},").repeat(MANY)).into_bytes()
    };
    let span = r#"{"traceId":"1","id":"1""#;
    let otlp = r#"{"resourceSpans":[{"scopeSpans":[{"spans":["#;
    let ids = r#"{"traceId":"01010101010101010101010101010101","spanId":"0202020202020202""#;
    let mut all = vec![
        ("spans of Zipkin", json("[", &format!("{span}}}"), "]")),
        ("no spans of Zipkin", json("[", "1", "]")),
        ("tags", json(&format!(r#"[{span},"tags":{{"#), r#""":0"#, "}}]")),
        ("annotations", json(&format!(r#"[{span},"annotations":["#), "{}", "]}]")),
        ("sides", json(&format!(r#"[{span},"binaryAnnotations":["#), r#"{"key":"sa"}"#, "]}]")),
        ("spans of OTLP", json(otlp, "{}", "]}]}]}")),
        ("attributes", json(&format!(r#"{otlp}{ids},"attributes":["#), "{}", "]}]}]}]}")),
        ("links", json(&format!(r#"{otlp}{ids},"links":["#), "{}", "]}]}]}]}")),
        ("resources", json(r#"{"resourceSpans":["#, "{}", "]}")),
    ];
    for number in 4..13 {
        // Nothing, and the least of a tag or an annotation that is let through in any number.
        for part in [&b""[..], b"\x0a\x05value", b"\x12\x05value"] {
            let zipkin = span_of([1, 3], number, part, MANY);
            all.push(("fields of Zipkin", wrapped(1, &zipkin)));
            let jaeger = span_of([1, 2], number, part, MANY);
            all.push(("fields of Jaeger", wrapped(1, &wrapped(1, &jaeger))));
            let fields: Vec<u8> = (0..MANY).flat_map(|_| wrapped(2, part)).collect();
            let log = span_of([1, 2], number, &fields, 1);
            all.push(("fields of a part", wrapped(1, &wrapped(1, &log))));
        }
    }
    all.push(("spans of Zipkin", (0..MANY).flat_map(|_| wrapped(1, b"")).collect()));
    let spans: Vec<u8> = (0..MANY).flat_map(|_| wrapped(1, &span_of([1, 2], 1, b"", 0))).collect();
    all.push(("spans of Jaeger", wrapped(1, &spans)));
    for protocol in [Protocol::Binary, Protocol::Compact] {
        for id in [6, 8, 10, 11] {
            all.push((
                "parts of a span of Zipkin",
                thrift_list(protocol, 4, id, MANY as u32, MANY),
            ));
            all.push(("parts of a span", thrift_batch(protocol, false, id, MANY as u32, MANY)));
            all.push(("parts of a span", thrift_batch(protocol, true, id, MANY as u32, MANY)));
        }
    }
    all
}

/// What says that it is much, and is short.
fn lies() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::new();
    for protocol in [Protocol::Binary, Protocol::Compact] {
        for id in [6, 8, 10, 11] {
            for claimed in [1_000, 1 << 24, 1 << 31, u32::MAX] {
                all.push(("a count", thrift_list(protocol, 4, id, claimed, 3)));
                all.push(("a count", thrift_batch(protocol, false, id, claimed, 3)));
                all.push(("a count", thrift_batch(protocol, true, id, claimed, 3)));
            }
        }
        let mut writer = Writer::new(protocol);
        writer.put_list(Kind::Struct, u32::MAX);
        all.push(("a count of spans", writer.into_bytes()));
    }
    for shift in [10, 20, 31, 32, 40, 62] {
        for number in 1..13 {
            let mut body = Vec::new();
            put_delimited_head(&mut body, number, 1 << shift);
            all.push(("a length", body.clone()));
            all.push(("a length in a span", wrapped(1, &body)));
            all.push(("a length in a batch", wrapped(1, &wrapped(1, &body))));
        }
    }
    all
}

/// A list of one span of Zipkin with `count` empty structs in the field `list`, of which `claimed` are
/// said to be there.
fn thrift_list(protocol: Protocol, id: i16, list: i16, claimed: u32, count: usize) -> Vec<u8> {
    let mut writer = Writer::new(protocol);
    writer.put_list(Kind::Struct, 1);
    writer.structure(|span| thrift_span(span, id, list, claimed, count));
    writer.into_bytes()
}

fn thrift_span(span: &mut Writer, id: i16, list: i16, claimed: u32, count: usize) {
    span.i64(1, 1);
    span.i64(id, 2);
    span.list(list, Kind::Struct, claimed, |out| (0..count).for_each(|_| out.structure(|_| ())));
}

/// The same in a batch of Jaeger, or in a message with one.
fn thrift_batch(protocol: Protocol, sent: bool, list: i16, claimed: u32, count: usize) -> Vec<u8> {
    let mut writer = Writer::new(protocol);
    let batch = |batch: &mut Writer| {
        batch.list(2, Kind::Struct, 1, |out| {
            out.structure(|span| thrift_span(span, 3, list, claimed, count));
        });
    };
    if sent {
        let (name, kind) = (&b"emitBatch"[..], MessageKind::Oneway);
        writer.message(&Message { name, kind, sequence: 1 });
        writer.structure(|arguments| arguments.nested(1, batch));
    } else {
        writer.structure(batch);
    }
    writer.into_bytes()
}

#[test]
fn many_small_parts_take_little() {
    assert_bounded(small_parts);
}

#[test]
fn counts_and_lengths_that_lie_take_nothing() {
    assert_bounded(lies);
}

#[test]
fn inputs_of_every_shape_take_little() {
    assert_bounded(|| {
        let mut all = vec![("usual", sample::bytes(3))];
        all.push(("usual lines", otlp_json::from_protobuf(&sample::bytes(3)).unwrap()));
        for format in [&shapes::OTLP, &shapes::ZIPKIN] {
            all.extend(shapes::every(format).step_by(7).map(|input| ("nested", input)));
        }
        let mut random = Random(18);
        for _ in 0..1_000 {
            let data = random.bytes(200);
            all.push(("chosen OTLP", nested::traces(&data)));
            all.push(("chosen lines", shapes::chosen(&shapes::OTLP, &data)));
            all.push(("chosen JSON", shapes::chosen(&shapes::ZIPKIN, &data)));
            all.push(("chosen protobuf", binary_shapes::protobuf(&data)));
            all.push(("chosen Thrift", binary_shapes::thrift(&data)));
            all.push(("chosen Jaeger", jaeger_shapes::chosen(&data)));
            all.push(("chosen Jaeger Thrift", binary_shapes::jaeger_thrift(&data)));
        }
        all
    });
}
