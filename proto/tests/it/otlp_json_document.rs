//! OTLP/JSON as a document: what is one, and how what is none is refused.

use wholetrace_proto::{
    json::JsonError,
    otlp::TracesData,
    otlp_json::{WriteError, from_protobuf, to_protobuf},
    translated::{Limits, NoRoom},
    wire::put_bytes,
};

use crate::sample;

fn spans(text: &[u8]) -> Result<u64, JsonError> {
    to_protobuf(text, &mut Limits::default()).map(|translated| translated.spans)
}

#[test]
fn documents_that_are_taken() {
    let rows: [(&[u8], u64); 14] = [
        (b"{}", 0),
        (b" \t\r\n{ } \n", 0),
        (b"\xef\xbb\xbf{}", 0),
        (br#"{"resourceSpans":[]}"#, 0),
        (br#"{"resourceSpans":null}"#, 0),
        (br#"{"resourceSpans":[null,{}]}"#, 0),
        (br#"{"resourceSpans":[{"scopeSpans":null}]}"#, 0),
        (br#"{"resourceSpans":[{"scopeSpans":[null,{"spans":null}]}]}"#, 0),
        (br#"{ "resourceSpans" : [ { "scopeSpans" : [ { "spans" : [ { } , {} ] } ] } ] }"#, 2),
        (br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"\u0000"}]}]}]}"#, 1),
        (b"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"\xff\xfe\"}]}]}]}", 1),
        (b"{\"\xff\":\"\xff\"}", 0),
        (br#"{"resource\u0053pans":[{"scopeSpans":[{"spans":[{}]}]}]}"#, 1),
        (br#"{"unknown":[[],{},[{"a":{"b":[0.0,-0e0,1E+2]}}],"\ud800x\udc00"],"":""}"#, 0),
    ];
    for (text, wanted) in rows {
        assert_eq!(spans(text), Ok(wanted), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn documents_that_are_refused_say_where_and_why() {
    let rows: [(&[u8], &str); 39] = [
        (b"", "the body is empty; a request without spans is `{}`"),
        (b" \n", "the body is empty"),
        (b"\xef\xbb\xbf", "the body is empty"),
        (b"\x1f\x8b\x08\x00", "gzip, not JSON; declare it in `Content-Encoding`"),
        (b"\x28\xb5\x2f\xfd", "zstd, not JSON"),
        (b"\xff\xfe{\0}\0", "UTF-16, not JSON; send UTF-8"),
        (b"\x0a\x8a\x01\x0a", "protobuf, not JSON; declare it in `Content-Type`"),
        (b"{", "at byte `1`: the end of the body, expected"),
        (b"{} {}", "at byte `3`: found `{`, expected nothing after the document"),
        (b"{}\n{}", "at byte `3`"),
        (b"{},", "at byte `2`: found `,`"),
        (b"{}\0", "at byte `2`: found the byte `0x00`"),
        (b"[]", "`request` at byte `0` is not an object with `resourceSpans`"),
        (b"null", "is not an object"),
        (b"7", "is not an object"),
        (b"nul", "is not an object"),
        (b"<html>", "at byte `0`: found `<`, expected a value"),
        (b"{a:1}", "at byte `1`: found `a`, expected the name of a field"),
        (b"{'a':1}", "at byte `1`: found `'`"),
        (br#"{"a"}"#, "at byte `4`: found `}`, expected `:`"),
        (br#"{"a":}"#, "at byte `5`: found `}`, expected a value"),
        (br#"{"a":1,}"#, "at byte `7`: found `}`, expected another element"),
        (br#"{"a":1 "b":2}"#, "at byte `7`: found `\"`, expected `,` or `}`"),
        (br#"{"a":[1,]}"#, "expected another element"),
        (br#"{"a":[,1]}"#, "expected a value"),
        (br#"{"a":[1}"#, "at byte `7`: found `}`, expected `,` or `]`"),
        (br#"{"a":[{]}"#, "expected a string"),
        (br#"{"a":01}"#, "at byte `6`"),
        (br#"{"a":-}"#, "expected a digit"),
        (br#"{"a":1.}"#, "expected a digit"),
        (br#"{"a":1e}"#, "expected a digit"),
        (br#"{"a":.5}"#, "expected a value"),
        (br#"{"a":NaN}"#, "expected a value"),
        (br#"{"a":truth}"#, "expected `null`, `true` or `false`"),
        (b"{\"a\":\"\n\"}", "at byte `6`: found the byte `0x0a`"),
        (br#"{"a":"\x"}"#, "at byte `7`: found `x`, expected an escape"),
        (br#"{"a":"\u12g4"}"#, "expected a hexadecimal digit"),
        (br#"{"resourceSpans":{}}"#, "`resourceSpans` at byte `17` is not an array"),
        (br#"{"resourceSpans":[{"scopeSpans":[{"spans":5}]}]}"#, "`spans` at byte `42` is not"),
    ];
    for (text, wanted) in rows {
        let error = spans(text).map_err(|error| error.to_string()).expect_err(wanted);
        assert!(error.contains(wanted), "{}: {error}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_span_that_is_no_json_makes_the_document_none() {
    let start = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{},{"kind":"?","name":"#;
    assert_eq!(spans(format!("{start}\"\"}}]}}]}}]}}").as_bytes()), Ok(1));
    assert!(spans(format!("{start}!}}]}}]}}]}}").as_bytes()).is_err());
    assert!(spans(start.as_bytes()).is_err());
}

#[test]
fn deep_nesting_costs_no_stack_and_ends_somewhere() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"a":{open}{close}}}"#)
    };
    assert_eq!(spans(nested(1024).as_bytes()), Ok(0));
    assert_eq!(spans(nested(1025).as_bytes()), Err(JsonError::Nesting { at: 1029, limit: 1024 }));
    assert!(spans("[".repeat(1_000_000).as_bytes()).is_err());
    assert!(spans(r#"{"a":"#.repeat(1_000_000).as_bytes()).is_err());
}

/// A bad field in front makes the reader count what stands below it.
#[test]
fn known_names_in_each_other_cost_no_stack_behind_a_bad_field() {
    let names = ["scopeSpans", "scope_spans", "instrumentationLibrarySpans", "spans", "resource"];
    for (bad, name) in
        ["resource", "schemaUrl"].into_iter().flat_map(|bad| names.map(|one| (bad, one)))
    {
        for levels in [5_000, 100_000] {
            let start = format!(r#"{{"resourceSpans":[{{"{bad}":5,"scopeSpans":["#);
            let text = start.clone() + &format!(r#"{{"{name}":["#).repeat(levels);
            let at = |error| match error {
                Err(JsonError::Nesting { at, limit: 1024 }) => at > start.len(),
                _ => false,
            };
            assert!(at(spans(text.as_bytes())), "{bad}, {name}, {levels} levels");
            let closed = text + &"]}".repeat(levels) + "]}]}";
            assert!(at(spans(closed.as_bytes())), "{bad}, {name}, {levels} levels");
        }
    }
    // What is not a request's span is none, wherever it stands.
    let text = r#"{"resourceSpans":[{"resource":5,"spans":[{},{}],"scopeSpans":[{"spans":[{}],
        "scopeSpans":[{"spans":[{},{}]}]}]}]}"#;
    let rejected = to_protobuf(text.as_bytes(), &mut Limits::default()).unwrap().rejected;
    assert_eq!(rejected.total(), 1);
}

#[test]
fn room_is_asked_for() {
    let text = from_protobuf(&sample::bytes(20)).unwrap();
    let all = to_protobuf(&text, &mut Limits { bytes: text.len() }).unwrap();
    assert!(all.bytes.len() < text.len());
    let bytes = text.len();
    let error = to_protobuf(&text, &mut Limits { bytes: bytes - 1 });
    assert_eq!(error, Err(JsonError::Room(NoRoom { bytes })));
    // What grows asks for more.
    let spans = r#"{"kind":-1},"#.repeat(1_000);
    let text = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{spans}{{}}]}}]}}]}}"#);
    assert!(to_protobuf(text.as_bytes(), &mut Limits { bytes: 2 * text.len() }).is_ok());
    let error = to_protobuf(text.as_bytes(), &mut Limits { bytes: text.len() });
    assert!(matches!(error, Err(JsonError::Room { .. })), "{error:?}");
}

/// Each such byte becomes another one, as it does in protobuf: the text does not grow.
#[test]
fn bytes_that_are_no_utf8_take_no_more_room() {
    for (bad, wanted) in
        [(&b"\xe9"[..], "?"), (b"\xe2\x82", "??"), (b"a\xff\xc3\xa9", "a?é"), (b"\xe9\\n", "?\n")]
    {
        let start = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":""#;
        let text = [&start[..], &bad.repeat(10_000), br#""}]}]}]}"#].concat();
        let translated = to_protobuf(&text, &mut Limits { bytes: text.len() }).unwrap();
        let traces: TracesData = prost::Message::decode(&*translated.bytes).unwrap();
        let span = &traces.resource_spans[0].scope_spans[0].spans[0];
        assert_eq!(span.name, wanted.repeat(10_000));
    }
}

#[test]
fn a_request_of_services_reads_back_byte_for_byte() {
    let bytes = sample::bytes(9);
    let line = from_protobuf(&bytes).unwrap();
    let back = to_protobuf(&line, &mut Limits::default()).unwrap();
    assert_eq!(from_protobuf(&back.bytes).unwrap(), line);
    assert_eq!(back.bytes.len(), bytes.len());
}

#[test]
fn a_span_is_written_as_the_collector_writes_it() {
    let mut request = sample::request(1);
    let scope = &mut request.resource_spans[0].scope_spans[0];
    scope.spans[0].attributes.truncate(1);
    scope.spans[0].name = "a \"b\"\\\u{1}\t<é>".to_owned();
    scope.spans[0].attributes.extend([
        sample::attribute("i", wholetrace_proto::otlp::any_value::Value::IntValue(-5)),
        sample::attribute("d", wholetrace_proto::otlp::any_value::Value::DoubleValue(2.0)),
        sample::attribute("n", wholetrace_proto::otlp::any_value::Value::DoubleValue(f64::NAN)),
        sample::attribute("y", wholetrace_proto::otlp::any_value::Value::BytesValue(vec![255])),
        sample::attribute("b", wholetrace_proto::otlp::any_value::Value::BoolValue(true)),
    ]);
    let bytes = prost::Message::encode_to_vec(&request);
    let line = String::from_utf8(from_protobuf(&bytes).unwrap()).unwrap();
    let start = line.find(r#""spans":"#).unwrap();
    let wanted = concat!(
        r#""spans":[{"traceId":"00000000000000012545f4914f6cdd1d","spanId":"9e3779b97f4a7c15","#,
        r#""flags":257,"name":"a \"b\"\\\u0001\t<é>","kind":2,"#,
        r#""startTimeUnixNano":"1760000000001000000","endTimeUnixNano":"1760000000013345678","#,
        r#""attributes":[{"key":"http.request.method","value":{"stringValue":"GET"}},"#,
        r#"{"key":"i","value":{"intValue":"-5"}},{"key":"d","value":{"doubleValue":2}},"#,
        r#"{"key":"n","value":{"doubleValue":"NaN"}},{"key":"y","value":{"bytesValue":"/w=="}},"#,
        r#"{"key":"b","value":{"boolValue":true}}],"status":{"code":1}}],"#,
        r#""schemaUrl":"https://opentelemetry.io/schemas/1.24.0"}]}]}"#,
    );
    assert_eq!(&line[start..], wanted);
}

/// Protobuf makes one message of several; of the alternatives of a value, the last counts, and what
/// comes right before it if it is of its kind.
#[test]
fn a_message_given_twice_is_one_in_lines() {
    let message = |fields: &[(u32, &[u8])]| {
        let mut out = Vec::new();
        fields.iter().for_each(|(number, body)| put_bytes(&mut out, *number, body));
        out
    };
    let text = |text: &str| message(&[(1, text.as_bytes())]);
    let entry = |value: &[u8]| message(&[(1, b"k"), (2, value)]);
    let list = |value: &[u8]| message(&[(1, value)]);
    let value = |value: &[u8], wanted: &str| {
        let span = message(&[(9, &entry(value))]);
        let traces = message(&[(1, &message(&[(2, &message(&[(2, &span)]))]))]);
        let line = String::from_utf8(from_protobuf(&traces).unwrap()).unwrap();
        assert!(line.contains(&format!(r#"{{"key":"k","value":{wanted}}}"#)), "{line}: {wanted}");
    };
    let (a, b) = (text("a"), text("b"));
    let array = r#"{"arrayValue":{"values":[{"stringValue":"a"},{"stringValue":"b"}]}}"#;
    value(&message(&[(5, &list(&a)), (5, &list(&b))]), array);
    value(&message(&[(6, &list(&a)), (5, &list(&a)), (5, &list(&b))]), array);
    let last = r#"{"arrayValue":{"values":[{"stringValue":"b"}]}}"#;
    value(&message(&[(5, &list(&a)), (1, b"x"), (5, &list(&b))]), last);
    let map = r#"{"kvlistValue":{"values":[{"key":"k","value":{}},{"key":"k","value":{}}]}}"#;
    value(&message(&[(6, &list(&entry(b""))), (6, &list(&entry(b"")))]), map);
    value(&message(&[(1, b"x"), (7, b"y")]), r#"{"bytesValue":"eQ=="}"#);
    value(b"\x0a\x01x\x40\x05", r#"{"stringValueStrindex":5}"#);

    let pair = |number, a: &[u8], b: &[u8]| message(&[(number, a), (number, b)]);
    let attributes =
        |number| pair(1, &message(&[(number, &entry(&a))]), &message(&[(number, &entry(&b))]));
    let twice =
        message(&[(1, b"k"), (2, &message(&[(5, &list(&a))])), (2, &message(&[(5, &list(&b))]))]);
    let span = [pair(15, &message(&[(2, b"why")]), b"\x18\x02"), message(&[(9, &twice)])].concat();
    let scope = [attributes(3), message(&[(2, &span)])].concat();
    let traces = message(&[(1, &[attributes(1), message(&[(2, &scope)])].concat())]);
    let line = String::from_utf8(from_protobuf(&traces).unwrap()).unwrap();
    let both =
        r#"[{"key":"k","value":{"stringValue":"a"}},{"key":"k","value":{"stringValue":"b"}}]"#;
    let span = format!(
        r#"{{"attributes":[{{"key":"k","value":{array}}}],"status":{{"message":"why","code":2}}}}"#
    );
    assert_eq!(
        line,
        format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":{both}}},"scopeSpans":[{{"scope":{{"attributes":{both}}},"spans":[{span}]}}]}}]}}"#
        )
    );
}

#[test]
fn text_that_is_not_utf8_is_repaired_in_lines() {
    let mut out = Vec::new();
    for (number, inner) in [(5, &b"a\xffb\xc3"[..]), (2, b""), (2, b""), (1, b"")] {
        let body = std::mem::take(&mut out);
        put_bytes(&mut out, number, if inner.is_empty() { &body } else { inner });
    }
    let line = String::from_utf8(from_protobuf(&out).unwrap()).unwrap();
    assert!(line.contains("\"name\":\"a\u{fffd}b\u{fffd}\""), "{line}");
}

#[test]
fn what_is_no_message_is_no_line() {
    assert_eq!(from_protobuf(b"").unwrap(), b"{}");
    assert!(matches!(from_protobuf(b"\x0a\x05\x00"), Err(WriteError::Wire(_))));
    assert!(matches!(from_protobuf(b"\x08\x00"), Err(WriteError::Wire(_))));
    let mut value = Vec::new();
    for _ in 0..150 {
        for number in [1, 5] {
            let body = std::mem::take(&mut value);
            put_bytes(&mut value, number, &body);
        }
    }
    for number in [2, 9, 2, 2, 1] {
        let body = std::mem::take(&mut value);
        put_bytes(&mut value, number, &body);
    }
    assert_eq!(from_protobuf(&value), Err(WriteError::Nesting { limit: 100 }));
}
