//! Zipkin v1 thrift: each field is what it is in JSON, and a bad span is rejected alone.

use wholetrace_proto::{
    reject::SpanReject,
    thrift::{Cursor, Kind, Protocol, Writer},
    translated::{Limits, Translated},
    zipkin::{Encoding, Envelope, ZipkinError, thrift_list_to_protobuf, to_protobuf},
};

use crate::{
    rejects::{self, by_kind, first, kind},
    zipkin::{IDS, traces_of, translate},
};

const THRIFT: Envelope = Envelope { encoding: Encoding::Thrift, debug: false };

/// Writes a part of a message.
type Write = fn(&mut Writer);

fn read(message: &[u8]) -> Translated {
    to_protobuf(message, THRIFT, &mut Limits::default()).expect("a request")
}

/// A list of spans that `writes` write.
pub(crate) fn list(writes: &[fn(&mut Writer)]) -> Vec<u8> {
    let mut writer = Writer::new(Protocol::Binary);
    writer.put_list(Kind::Struct, u32::try_from(writes.len()).expect("few"));
    writes.iter().for_each(|write| writer.structure(write));
    writer.into_bytes()
}

fn ids(span: &mut Writer) {
    span.i64(1, 0x5af7_183f_b1d4_cf5f);
    span.i64(4, 0x352b_ff9a_74ca_9ad2);
}

fn endpoint(writer: &mut Writer, id: i16, service: &str) {
    writer.nested(id, |endpoint| {
        endpoint.i32(1, 0x0a00_0001);
        endpoint.i16(2, -25_536);
        endpoint.text(3, service);
        endpoint.bytes(4, &1_u128.to_be_bytes());
    });
}

fn binary(writer: &mut Writer, key: &str, value: &[u8], kind: i32, service: &str) {
    writer.structure(|one| {
        one.text(1, key);
        one.bytes(2, value);
        one.i32(3, kind);
        endpoint(one, 4, service);
    });
}

/// A span with every field.
pub(crate) fn every_field(span: &mut Writer) {
    ids(span);
    span.i64(12, -1);
    span.text(3, "get");
    span.i64(5, 7);
    span.list(6, Kind::Struct, 2, |list| {
        for (time, value) in [(1_500_000_000_000_000, "cs"), (1_500_000_000_000_100, "x")] {
            list.structure(|one| {
                one.i64(1, time);
                one.text(2, value);
                endpoint(one, 3, "a");
            });
        }
    });
    span.list(8, Kind::Struct, 9, |list| {
        binary(list, "text", b"t", 6, "a");
        binary(list, "yes", &[1], 0, "a");
        binary(list, "bytes", &[0xff, 0], 1, "a");
        binary(list, "i16", &(-2_i16).to_be_bytes(), 2, "a");
        binary(list, "i32", &(-3_i32).to_be_bytes(), 3, "a");
        binary(list, "i64", &(-4_i64).to_be_bytes(), 4, "a");
        binary(list, "double", &0.5_f64.to_be_bytes(), 5, "a");
        binary(list, "new", b"n", 99, "a");
        binary(list, "sa", &[1], 0, "b");
    });
    span.boolean(9, true);
    span.i64(10, 1_500_000_000_000_000);
    span.i64(11, 5);
}

#[test]
fn every_field_of_thrift_is_what_it_is_in_json() {
    let side = |service: &str| {
        format!(r#"{{"serviceName":"{service}","ipv4":"10.0.0.1","ipv6":"::1","port":40000}}"#)
    };
    let (a, b) = (side("a"), side("b"));
    let tags = [
        r#""text","value":"t""#,
        r#""yes","value":true"#,
        r#""bytes","value":"/wA=""#,
        r#""i16","value":-2"#,
        r#""i32","value":-3"#,
        r#""i64","value":-4"#,
        r#""double","value":0.5"#,
        r#""new","value":"n""#,
    ];
    let tags: Vec<_> =
        tags.iter().map(|tag| format!(r#"{{"key":{tag},"endpoint":{a}}}"#)).collect();
    let json = format!(
        r#"[{{"traceId":"ffffffffffffffff5af7183fb1d4cf5f","id":"352bff9a74ca9ad2",
            "parentId":"7","name":"get","timestamp":1500000000000000,"duration":5,"debug":true,
            "annotations":[{{"timestamp":1500000000000000,"value":"cs","endpoint":{a}}},
                {{"timestamp":1500000000000100,"value":"x","endpoint":{a}}}],
            "binaryAnnotations":[{},{{"key":"sa","value":true,"endpoint":{b}}}]}}]"#,
        tags.join(",")
    );
    let translated = read(&list(&[every_field]));
    assert_eq!((translated.spans, translated.rejected.total()), (1, 0));
    assert_eq!(traces_of(&translated), traces_of(&translate(json)));
}

#[test]
fn what_thrift_says_wrong_is_passed_over() {
    let rows: [(Write, &str); 8] = [
        (|_| (), ""),
        (|span| span.i64(5, 0), ""),
        (|span| span.i64(10, -5), ""),
        (|span| span.text(10, "no time"), ""),
        (|span| span.list(6, Kind::I64, 2, |list| (1..3).for_each(|one| list.put_i64(one))), ""),
        (
            |span| {
                span.list(6, Kind::Struct, 2, |list| (1..3).for_each(|_| list.structure(|_| ())))
            },
            "",
        ),
        (|span| span.list(8, Kind::Struct, 1, |list| list.structure(|one| one.text(1, "k"))), ""),
        (
            // A number of another size than its type has.
            |span| {
                span.list(8, Kind::Struct, 1, |list| {
                    list.structure(|one| {
                        one.text(1, "k");
                        one.text(2, "odd");
                        one.i32(3, 4);
                    });
                })
            },
            r#","tags":{"k":"odd"}"#,
        ),
    ];
    for (at, (write, fields)) in rows.into_iter().enumerate() {
        let mut writer = Writer::new(Protocol::Binary);
        writer.put_list(Kind::Struct, 1);
        writer.structure(|span| {
            ids(span);
            write(span);
        });
        let json = translate(format!("[{{{IDS}{fields}}}]"));
        assert_eq!(read(&writer.into_bytes()), json, "row {at}");
    }
}

#[test]
fn bad_spans_of_thrift_are_rejected_alone() {
    let good: fn(&mut Writer) = |span| ids(span);
    let rows: [(Write, rejects::Kind, &str); 5] = [
        (|_| (), SpanReject::Id, "`traceId`"),
        (|span| span.i64(1, 1), SpanReject::Id, "`id`"),
        (|span| span.i64(4, 1), SpanReject::Id, "`traceId`"),
        (
            |span| {
                span.i64(1, 0);
                span.i64(4, 1);
            },
            SpanReject::Id,
            "not zero",
        ),
        (
            |span| {
                ids(span);
                let count = (1 << 16) + 1;
                span.list(8, Kind::Struct, count, |list| {
                    (0..count).for_each(|_| list.structure(|one| one.text(2, "")));
                });
            },
            |_| SpanReject::TooMany { field: "", most: 0, at: 0 },
            "`binaryAnnotations`",
        ),
    ];
    for (at, (bad, reject, words)) in rows.into_iter().enumerate() {
        let translated = read(&list(&[good, bad, good]));
        assert_eq!(translated.spans, 2, "row {at}");
        traces_of(&translated);
        assert_eq!(by_kind(&translated.rejected), [(kind(reject), 1)], "row {at}");
        let message = first(&translated.rejected);
        assert!(message.contains(words), "row {at}: {message}");
    }
}

#[test]
fn requests_of_thrift_are_a_list_one_span_or_nothing() {
    assert_eq!(read(&[]), Translated::default());
    assert_eq!(read(&list(&[])), Translated::default());
    let whole = list(&[every_field, every_field]);
    assert_eq!(read(&whole).spans, 2);
    let one = list(&[every_field]).split_off(5);
    assert_eq!(read(&one), read(&list(&[every_field])));
    for end in 1..whole.len() {
        let error = to_protobuf(&whole[..end], THRIFT, &mut Limits::default());
        assert!(matches!(error, Err(ZipkinError::Thrift(_))), "{end} bytes: {error:?}");
    }
}

/// As agents of old send it in a message.
#[test]
fn a_list_in_the_compact_protocol_says_the_same() {
    let mut writer = Writer::new(Protocol::Compact);
    writer.structure(|arguments| {
        arguments.list(1, Kind::Struct, 2, |list| {
            (0..2).for_each(|_| list.structure(every_field));
        });
    });
    let bytes = writer.into_bytes();
    let mut cursor = Cursor::new(&bytes, Protocol::Compact);
    let mut fields = cursor.fields();
    cursor.next_field(&mut fields).expect("a field");
    let compact = thrift_list_to_protobuf(&mut cursor, &mut Limits::default()).expect("a list");
    assert_eq!(cursor.next_field(&mut fields), Ok(None));
    assert_eq!(compact, read(&list(&[every_field, every_field])));
}
