//! Zipkin v2 protobuf: each field is what it is in JSON, and a bad span is rejected alone.

use wholetrace_proto::{
    reject::SpanReject,
    translated::{Limits, Translated},
    wire::{put_bytes, put_fixed64, put_uint},
    zipkin::{Encoding, Envelope, ZipkinError, to_protobuf},
};

use crate::{
    rejects::{Kind, by_kind, first, kind},
    zipkin::{traces_of, translate},
};

const PROTOBUF: Envelope = Envelope { encoding: Encoding::Protobuf, debug: false };

fn read(list: &[u8]) -> Translated {
    to_protobuf(list, PROTOBUF, &mut Limits::default()).expect("a request")
}

/// A message with the fields that `write` writes.
fn message(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// A list of these spans.
pub(crate) fn list(spans: &[Vec<u8>]) -> Vec<u8> {
    message(|out| spans.iter().for_each(|span| put_bytes(out, 1, span)))
}

/// A span with the ids of the JSON in `IDS`, and what `write` adds.
pub(crate) fn span(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    message(|out| {
        put_bytes(out, 1, &0x5af7_183f_b1d4_cf5f_u64.to_be_bytes());
        put_bytes(out, 3, &0x352b_ff9a_74ca_9ad2_u64.to_be_bytes());
        write(out);
    })
}

/// A span with every field.
pub(crate) fn every_field() -> Vec<u8> {
    let endpoint = |service: &str, port| {
        message(|out| {
            put_bytes(out, 1, service.as_bytes());
            put_bytes(out, 2, &[10, 0, 0, 1]);
            put_bytes(out, 3, &0x2001_0db8_0000_0000_0000_0000_0000_0001_u128.to_be_bytes());
            put_uint(out, 4, port);
        })
    };
    span(|out| {
        put_bytes(out, 2, &0x6b22_1d5b_c9e6_496c_u64.to_be_bytes());
        put_uint(out, 4, 2);
        put_bytes(out, 5, "Get /é".as_bytes());
        put_fixed64(out, 6, 1_472_470_996_199_000);
        put_uint(out, 7, 207_000);
        put_bytes(out, 8, &endpoint("frontend", 80));
        put_bytes(out, 9, &endpoint("backend", 65_535));
        for (time, value) in [(1_472_470_996_238_000, "ws"), (1, "n|{\"k\":[1]}|2")] {
            let annotation = message(|out| {
                put_fixed64(out, 1, time);
                put_bytes(out, 2, value.as_bytes());
            });
            put_bytes(out, 10, &annotation);
        }
        for (key, value) in [("http.path", "/a"), ("k8s.pod.name", "p"), ("error", "x")] {
            put_bytes(out, 11, &tag(key, value));
        }
        put_uint(out, 12, 1);
        put_uint(out, 13, 1);
    })
}

fn tag(key: &str, value: &str) -> Vec<u8> {
    message(|out| {
        put_bytes(out, 1, key.as_bytes());
        put_bytes(out, 2, value.as_bytes());
    })
}

#[test]
fn every_field_is_what_it_is_in_json() {
    let json = r#"[{"traceId":"5af7183fb1d4cf5f","id":"352bff9a74ca9ad2",
        "parentId":"6b221d5bc9e6496c","kind":"SERVER","name":"Get /é",
        "timestamp":1472470996199000,"duration":207000,
        "localEndpoint":{"serviceName":"frontend","ipv4":"10.0.0.1","ipv6":"2001:db8::1",
            "port":80},
        "remoteEndpoint":{"serviceName":"backend","ipv4":"10.0.0.1","ipv6":"2001:db8::1",
            "port":65535},
        "annotations":[{"timestamp":1472470996238000,"value":"ws"},
            {"timestamp":1,"value":"n|{\"k\":[1]}|2"}],
        "tags":{"http.path":"/a","k8s.pod.name":"p","error":"x"},"debug":true,"shared":true}]"#;
    let translated = read(&list(&[every_field()]));
    assert_eq!((translated.spans, translated.rejected.total()), (1, 0));
    traces_of(&translated);
    assert_eq!(translated, translate(json));
}

/// What `write` adds to a span is what `fields` add in JSON.
#[test]
fn quirks_are_repaired_as_in_json() {
    type Write = fn(&mut Vec<u8>);
    let rows: [(Write, &str); 22] = [
        (|_| (), ""),
        (|out| put_bytes(out, 1, &[7; 16]), r#","traceId":"07070707070707070707070707070707""#),
        (|out| put_bytes(out, 1, &[[0; 8], [7; 8]].concat()), r#","traceId":"0707070707070707""#),
        (|out| put_bytes(out, 2, &[0; 8]), ""),
        (|out| put_bytes(out, 2, &0x352b_ff9a_74ca_9ad2_u64.to_be_bytes()), ""),
        (|out| put_bytes(out, 2, &[]), ""),
        (|out| put_uint(out, 4, 1), r#","kind":"CLIENT""#),
        (|out| put_uint(out, 4, 3), r#","kind":"PRODUCER""#),
        (|out| put_uint(out, 4, 4), r#","kind":"CONSUMER""#),
        (|out| put_uint(out, 4, 99), ""),
        (|out| put_uint(out, 4, u64::MAX), ""),
        (|out| put_fixed64(out, 6, u64::MAX), ""),
        (|out| put_fixed64(out, 6, 1_580_000_000_000_000_000), r#","timestamp":9e15"#),
        (|out| put_uint(out, 7, u64::MAX), ""),
        (|out| put_bytes(out, 5, b"\xff!"), r#","name":"?!""#),
        (|out| put_bytes(out, 8, &[]), ""),
        (|out| put_bytes(out, 8, &message(|out| put_uint(out, 4, 65_536))), ""),
        (|out| put_bytes(out, 8, &message(|out| put_uint(out, 4, u64::MAX))), ""),
        (|out| put_bytes(out, 9, &message(|out| put_bytes(out, 2, &[1, 2, 3]))), ""),
        (
            |out| put_bytes(out, 9, &message(|out| put_bytes(out, 3, &[1, 2, 3, 4]))),
            r#","remoteEndpoint":{"ipv4":"1.2.3.4"}"#,
        ),
        (
            // In parts, of which the later adds to the earlier.
            |out| {
                put_bytes(out, 9, &message(|out| put_bytes(out, 1, b"db")));
                put_bytes(out, 9, &message(|out| put_uint(out, 4, 5_432)));
            },
            r#","remoteEndpoint":{"serviceName":"db","port":5432}"#,
        ),
        (
            |out| ["1", "2"].iter().for_each(|value| put_bytes(out, 11, &tag("a", value))),
            r#","tags":{"a":"2"}"#,
        ),
    ];
    for (at, (write, fields)) in rows.into_iter().enumerate() {
        let ids = r#""traceId":"5af7183fb1d4cf5f","id":"352bff9a74ca9ad2""#;
        let late = fields.replace("9e15", "9223372036854775807");
        let json = translate(format!("[{{{ids}{late}}}]"));
        assert_eq!(read(&list(&[span(write)])), json, "row {at}: {fields}");
    }
}

#[test]
fn what_cannot_be_understood_rejects_its_span_alone() {
    let malformed: Kind =
        |_| SpanReject::Malformed(wholetrace_proto::wire::WireError::Truncated { at: 0 });
    let ids = |trace_id: &[u8], id: &[u8]| {
        message(|out| {
            put_bytes(out, 1, trace_id);
            put_bytes(out, 3, id);
        })
    };
    let rows: [(Vec<u8>, Kind, &str); 14] = [
        (vec![], SpanReject::Id, "`traceId`"),
        (ids(&[], &[1; 8]), SpanReject::Id, "`traceId`"),
        (ids(&[1; 16], &[]), SpanReject::Id, "`id`"),
        (ids(&[0; 16], &[1; 8]), SpanReject::Id, "not zero"),
        (ids(&[0; 8], &[1; 8]), SpanReject::Id, "not zero"),
        (ids(&[1; 16], &[0; 8]), SpanReject::Id, "not zero"),
        (ids(&[1; 15], &[1; 8]), SpanReject::Id, "an id of 15 bytes`, must be `8` or `16` bytes"),
        (ids(&[1; 17], &[1; 8]), SpanReject::Id, "17"),
        (ids(&[1; 16], &[1; 7]), SpanReject::Id, "must be `8` bytes"),
        (span(|out| put_bytes(out, 2, &[1; 16])), SpanReject::Id, "`parentId`"),
        (span(|out| put_uint(out, 5, 1)), malformed, "field `5` of `Span`"),
        (span(|out| out.extend([0x2a, 0x05, 1])), malformed, "claims `5` bytes"),
        (span(|out| put_bytes(out, 8, &[0x0a, 9])), malformed, "claims `9` bytes"),
        (span(|out| put_bytes(out, 10, &[0xff; 11])), malformed, "more than 64 bits"),
    ];
    for (bad, reject, words) in rows {
        let good = span(|out| put_uint(out, 4, 1));
        let translated = read(&list(&[good.clone(), bad.clone(), good]));
        assert_eq!(translated.spans, 2, "{bad:02x?}");
        traces_of(&translated);
        assert_eq!(by_kind(&translated.rejected), [(kind(reject), 1)], "{bad:02x?}");
        let message = first(&translated.rejected);
        assert!(message.contains(words), "{bad:02x?}: {message}");
    }
}

#[test]
fn requests_are_lists_and_what_is_not_known_is_passed_over() {
    assert_eq!(read(&[]), Translated::default());
    let known = list(&[every_field()]);
    let unknown = message(|out| {
        put_uint(out, 2, 5);
        put_bytes(out, 1, &[every_field(), message(|out| put_bytes(out, 99, b"new"))].concat());
        put_bytes(out, 3, b"new");
    });
    assert_eq!(read(&unknown), read(&known));
    for bad in [&[0x0a, 5, 1][..], &[0x0b], &[0x08, 1], &[0xff]] {
        let error = to_protobuf(bad, PROTOBUF, &mut Limits::default()).expect_err("no list");
        assert!(matches!(error, ZipkinError::Protobuf(_)), "{bad:02x?}: {error}");
    }
}

#[test]
fn a_span_has_so_many_parts_and_no_more() {
    for number in [10, 11] {
        let many = |count: usize| {
            let fill = |out: &mut Vec<u8>| {
                (0..count).for_each(|_| put_bytes(out, number, b"\x12\x05value"));
            };
            list(&[span(fill), span(|_| ())])
        };
        assert_eq!(read(&many(1 << 16)).spans, 2);
        let translated = read(&many((1 << 16) + 1));
        let too_many = |_| SpanReject::TooMany { field: "", most: 0, at: 0 };
        assert_eq!(by_kind(&translated.rejected), [(kind(too_many), 1)]);
        assert_eq!(translated.spans, 1);
    }
}
