//! Conditions and what they say about the sample: answers that a Collector gave.

use super::support::{Row, check};
use crate::Context;

#[test]
fn comparisons_of_each_pair_of_kinds() {
    check(COMPARISONS, Context::Span);
}

const COMPARISONS: &[Row] = &[
    (r#"a["missing"] != 1"#, 'T'),
    (r#"not (a["missing"] < 1)"#, 'T'),
    (r#"not a["missing"] < 1"#, 'T'),
    (r#"a["missing"] <= nil"#, 'T'),
    (r#"a["missing"] < nil"#, 'F'),
    (r#"a["missing"] == nil and nil == a["missing"]"#, 'T'),
    (r#"a["empty"] == nil"#, 'T'),
    (r#"a["eb"] == nil"#, 'T'),
    (r#"a["eb"] == a["missing"]"#, 'T'),
    (r#"0x01 > a["eb"]"#, 'F'),
    (r#"a["num"] > 1 or a["num"] <= 1"#, 'F'),
    (r#"a["num"] != 42"#, 'T'),
    (r#"a["t"] == true and a["t"] > false"#, 'T'),
    (r#"a["t"] == 1"#, 'F'),
    (r#"a["i"] == 42 and a["i"] == 42.0 and a["d"] == 42 and 42 == a["d"]"#, 'T'),
    (r#"a["i"] > 41 and a["i"] >= 42 and a["i"] < 43 and 43 > a["i"] and 41 < a["i"]"#, 'T'),
    (r#"a["big"] == 9007199254740992.0"#, 'T'),
    (r#"a["big"] == 9007199254740992"#, 'F'),
    (r#"a["nan"] == a["nan"]"#, 'F'),
    (r#"a["nan"] != 1.0"#, 'T'),
    (r#"a["nan"] <= 1.0 or a["nan"] > 1.0"#, 'F'),
    (r#"a["s"] == "abc" and a["s"] < "abd" and a["s"] >= "abc" and "b" > a["s"]"#, 'T'),
    (r#"a["b"] == 0x01AB and a["b"] > 0x01aa"#, 'T'),
    (r#"a["b"] == "01ab""#, 'F'),
    (r#"[1] == [1.0]"#, 'F'),
    (r#"[1, "a", nil] == [1, "a", nil]"#, 'T'),
    (r#"[1] <= [1]"#, 'F'),
    (r#"a["l"] == ["x", 2, nil]"#, 'T'),
    (r#"a["l"] == ["x", 2]"#, 'F'),
    (r#"a["m"] == {"n": 3, "k": "v"}"#, 'T'),
    (r#"a["m"] == {"n": 3 "k": "v",}"#, 'T'),
    (r#"a["m"] == {"n": 3.0, "k": "v"}"#, 'F'),
    (r#"a["m"] == {"k": "v"}"#, 'F'),
    (r#"[{"a": 1, "b": 2}] == [{"b": 2, "a": 1}]"#, 'T'),
    (r#"{"a": 1, "a": 2} == {"a": 2}"#, 'T'),
    (r#"[a["i"]] == [42]"#, 'T'),
    (r#"{"k": a["i"]} == {"k": 42}"#, 'T'),
    ("span.status == span.status", 'T'),
    ("span.events == span.events", 'T'),
    ("span.trace_id == span.trace_id", 'T'),
    ("span.trace_id == span.span_id", 'F'),
    ("span.start_time < span.end_time", 'T'),
    ("span.start_time == span.start_time_unix_nano", 'F'),
    (r#""\xff" == "ÿ""#, 'T'),
    (
        r#""\u00e9\351\n\"\\" == "éé
\"\\""#,
        'T',
    ),
];

#[test]
fn errors_and_the_order_of_evaluation() {
    check(ORDER, Context::Span);
}

const ORDER: &[Row] = &[
    (r#"a["missing"]["x"] == nil"#, 'T'),
    (r#"a["empty"]["x"] == nil"#, 'E'),
    (r#"a["s"]["x"] == nil"#, 'E'),
    (r#"a["l"][3] == nil"#, 'E'),
    (r#"a["l"][-1] == nil"#, 'E'),
    (r#"a["l"][2] == nil"#, 'T'),
    (r#"a["l"]["x"] == nil"#, 'E'),
    (r#"a["m"][0] == nil"#, 'E'),
    (r#"a["m"]["k"] == "v" and a["m"]["zz"] == nil and a["m"]["zz"]["y"] == nil"#, 'T'),
    (r#"a["l"][1 - 1] == "x""#, 'R'),
    (r#"a["l"][Len("a") - 1] == "x""#, 'T'),
    (r#"a[a["key"]] == "42""#, 'T'),
    (r#"a[a["missing"]] == "42""#, 'E'),
    (r#"a[1] == "42""#, 'E'),
    ("1 / 0 == 1 or true", 'T'),
    ("1 / 0 == 1 or 1 + 0 == 1", 'E'),
    ("1 + 0 == 1 or 1 / 0 == 1", 'T'),
    ("1 / 0 == 1 and 1 == 2", 'F'),
    ("1 + 0 == 2 and 1 / 0 == 1", 'F'),
    ("(1 / 0 == 1 and 1 == 2) or 1 + 1 == 2", 'T'),
    ("not (1 / 0 == 1)", 'E'),
    ("true == true or span.bogus == 1", 'R'),
    (r#"Len(a["missing"]) > 2 or a["missing"] == nil"#, 'E'),
    (r#"a["missing"] == nil or Len(a["missing"]) > 2"#, 'T'),
    (r#"a["i"] == 1 or a["i"] == 42 and a["s"] == "x""#, 'F'),
    (r#"(a["i"] == 42 or a["i"] == 1) and not a["s"] == "x""#, 'T'),
    ("1==1or 1==2", 'T'),
    (r#""x"=="x"and true"#, 'T'),
    ("true and not false", 'T'),
    (r#"Bool(a["missing"])"#, 'E'),
    (r#"Int(a["i"])"#, 'E'),
];

#[test]
fn arithmetic() {
    check(ARITHMETIC, Context::Span);
}

const ARITHMETIC: &[Row] = &[
    (r#"a["i"] / 5 == 8"#, 'T'),
    ("10 / 4 * 2.0 == 4.0", 'T'),
    ("10.0 / 4 * 2 == 5", 'T'),
    (r#"a["max"] + 1 < 0"#, 'T'),
    ("1--1 == 2", 'T'),
    ("1 + 2 * 3 - 4 / 2 == 5", 'T'),
    ("(1 + 2) * 3 == 9", 'T'),
    ("-(1+2) == -3", 'T'),
    (r#"-a["i"] == -42 and +a["s"] == "abc""#, 'T'),
    (r#"-a["s"] == 1"#, 'E'),
    (r#"a["s"] + 1 == 1"#, 'E'),
    (r#"a["missing"] + 1 == 1"#, 'E'),
    ("1 / 0.0 == 1", 'E'),
    ("7 / -2 == -3", 'T'),
    ("1. + .5 == 1.5 and 1.e3 == 1000", 'T'),
    ("span.end_time - span.start_time > 1000000000", 'F'),
    ("span.end_time_unix_nano - span.start_time_unix_nano > 1000000000", 'T'),
    (r#"(1) == 1 and (span.name) == "GET /a""#, 'T'),
];

#[test]
fn paths() {
    check(PATHS, Context::Span);
    check(EVENT_PATHS, Context::SpanEvent);
    check(OTHER_PATHS, Context::Scope);
    check(&[(r#"attributes["service.name"] == "shop""#, 'T')], Context::Resource);
    check(&[(r#"scope.name == "http""#, 'R')], Context::Resource);
}

const PATHS: &[Row] = &[
    (r#"name == "GET /a" and span.name == name"#, 'T'),
    (r#"resource.attributes["service.name"] == "shop""#, 'T'),
    (r#"scope.name == "http" and instrumentation_scope.version == "1.2""#, 'T'),
    (r#"scope.attributes["lib"] == "x" and scope.schema_url == """#, 'T'),
    (r#"a["s"] == "abc""#, 'T'),
    ("span.parent_span_id == nil", 'F'),
    (r#"span.parent_span_id.string == """#, 'F'),
    (r#"span.parent_span_id.string == "0000000000000000""#, 'T'),
    (r#"span.trace_id == "0102030405060708090a0b0c0d0e0f10""#, 'F'),
    (r#"span.trace_id.string == "0102030405060708090a0b0c0d0e0f10""#, 'T'),
    (r#"span.span_id.string == "0102030405060708""#, 'T'),
    (r#"span.trace_state == "a=1" and span.trace_state["a"] == "1""#, 'T'),
    (r#"span.trace_state["zz"] == nil"#, 'F'),
    (r#"span.trace_state["zz"] == """#, 'T'),
    (r#"span.kind.string == "SERVER""#, 'F'),
    (r#"span.kind.string == "Server""#, 'T'),
    (r#"span.kind.deprecated_string == "SPAN_KIND_SERVER""#, 'T'),
    (r#"span.kind == "SPAN_KIND_SERVER""#, 'F'),
    ("span.kind == SPAN_KIND_SERVER and span.kind == 2.0", 'T'),
    ("status.code == STATUS_CODE_ERROR and span.status.code >= 1", 'T'),
    (r#"status.message == "bad" and flags == 257"#, 'T'),
    ("dropped_attributes_count + dropped_events_count + dropped_links_count == 0", 'T'),
    ("Len(span.events) == 1 and Len(span.links) == 0 and IsList(span.links)", 'T'),
    ("IsRootSpan()", 'T'),
    ("not IsRootSpan() or IsRootSpan() == true", 'T'),
    (r#"Len(attributes) == 15 and attributes != nil"#, 'T'),
    (r#"cache["x"] == nil and span.cache == {}"#, 'T'),
    ("otelcol.client.addr == nil", 'T'),
];

const EVENT_PATHS: &[Row] = &[
    (r#"name == "exception" and span.name == "GET /a""#, 'T'),
    (r#"attributes["exception.type"] == "IOException" and a["i"] == 42"#, 'T'),
    (r#"spanevent.time_unix_nano - span.start_time_unix_nano == 500000000"#, 'T'),
    ("spanevent.time > span.start_time and spanevent.event_index == 0", 'T'),
    (r#"resource.attributes["service.name"] == "shop" and scope.name == "http""#, 'T'),
    ("kind == 2", 'R'),
    ("IsRootSpan()", 'R'),
    ("span.cache == {}", 'R'),
];

const OTHER_PATHS: &[Row] = &[
    (r#"name == "http" and attributes["lib"] == "x""#, 'T'),
    (r#"resource.attributes["service.name"] == "shop""#, 'T'),
    (r#"span.name == "GET /a""#, 'R'),
];

#[test]
fn converters_of_kinds() {
    check(KINDS, Context::Span);
}

const KINDS: &[Row] = &[
    (r#"IsString(a["s"]) and not IsString(a["i"]) and not IsString(a["missing"])"#, 'T'),
    (r#"IsInt(a["i"]) and IsDouble(a["d"]) and IsBool(a["t"]) and not IsInt(a["d"])"#, 'T'),
    (r#"IsMap(a["m"]) and IsList(a["l"]) and IsList([1]) and not IsList(a["m"])"#, 'T'),
    (r#"IsMap(attributes)"#, 'T'),
    ("IsString(1)", 'R'),
    (r#"IsInt("1")"#, 'R'),
    ("IsDouble(1)", 'R'),
    (r#"IsMap("a")"#, 'R'),
    ("IsString(nil)", 'R'),
    (r#"IsEmpty(a["missing"]) and IsEmpty(a["eb"]) and IsEmpty(span.parent_span_id)"#, 'T'),
    (r#"IsEmpty(a["s"]) or IsEmpty(span.links)"#, 'F'),
    (r#"Len(a["s"]) == 3 and Len(a["l"]) == 3 and Len(a["m"]) == 2 and Len("é") == 2"#, 'T'),
    (r#"a["eb"] == nil and Len(a["eb"]) == 0"#, 'T'),
    (r#"Len(a["i"]) == 1"#, 'E'),
    (r#"Len(span.trace_id) == 16"#, 'E'),
    (r#"Int(a["missing"]) == 42"#, 'F'),
    (r#"Int(a["missing"]) == nil"#, 'T'),
    (r#"Int(a["num"]) == 42 and Int(a["d"]) == 42 and Int(a["t"]) == 1 and Int(-1.9) == -1"#, 'T'),
    (r#"Int(a["s"]) > 1"#, 'E'),
    (r#"Int("abc") == 1"#, 'R'),
    (r#"Int("+7") == 7 and Int("-7") == -7"#, 'T'),
    (r#"Int(" 7") == 7"#, 'R'),
    (r#"Double(a["num"]) == 42.0 and Double("1_000") == 1000.0 and Double("0x1p-2") == 0.25"#, 'T'),
    (r#"Double("abc") == 1.0"#, 'R'),
    (r#"Bool("True") and not Bool("f") and Bool(a["i"]) and Bool(0.5)"#, 'T'),
    (r#"Bool("yes")"#, 'R'),
    (r#"String(a["i"]) == "42" and String(a["d"]) == "42" and String(true) == "true""#, 'T'),
    (r#"String(1.5) == "1.5" and String(1000000000000000000000.0) == "1e+21""#, 'T'),
    (r#"String(0.0000001) == "1e-07" and String(a["b"]) == "01ab""#, 'T'),
    (r#"String(a["m"]) == "{\"k\":\"v\",\"n\":3}" and String(a["missing"]) == nil"#, 'T'),
    (
        r#"String(a["l"]) == "[\"x\",2,null]" and String({"x": "<\n"}) == "{\"x\":\"\\u003c\\n\"}""#,
        'T',
    ),
    (r#"String(span.start_time) == "\"2023-11-14T22:13:20Z\"""#, 'T'),
    (r#"String(span.end_time) == "\"2023-11-14T22:13:21.5Z\"""#, 'T'),
    (r#"String(span.end_time - span.start_time) == "1500000000""#, 'T'),
    (r#"String(a["nan"]) == "NaN""#, 'E'),
    (r#"IsMatch(span.trace_id, "^\\[1,2,3")"#, 'T'),
    (r#"IsMatch(span.trace_id, "^0102")"#, 'F'),
    (r#"IsMatch(a["missing"], "^$")"#, 'F'),
    (r#"IsMatch(a["eb"], "^$")"#, 'T'),
    (r#"IsMatch(span.name, "^GET") and IsMatch(a["i"], "^4.$") and IsMatch(a["s"], a["s"])"#, 'T'),
    (r#"IsMatch(a["s"], a["missing"])"#, 'E'),
    (r#"IsMatch(a["s"], "(")"#, 'R'),
    (r#"IsMatch(target=a["s"], pattern="b")"#, 'T'),
    (r#"IsMatch(pattern="b", target=a["s"])"#, 'T'),
    (r#"HasPrefix(a["s"], "ab") and HasSuffix(a["s"], "bc") and not HasSuffix(a["s"], "x")"#, 'T'),
    (r#"HasPrefix(a["missing"], "a")"#, 'E'),
    (r#"not HasPrefix(a["missing"], "a")"#, 'E'),
    (r#"HasPrefix(1, "a")"#, 'R'),
];
