//! Converters: what each gives, what it fails on, and what of its arguments is refused.

use super::support::{Row, check};
use crate::{Condition, Context};

#[test]
fn texts() {
    check(TEXTS, Context::Span);
}

const TEXTS: &[Row] = &[
    (r#"Concat(["a", nil, 1, 2.0, true, 0x01], "-") == "a-<nil>-1-2-true-01""#, 'T'),
    (r#"Concat(a["l"], ",") == "x,2,""#, 'T'),
    (r#"Concat([a["missing"], a["b"]], "") == "<nil>01ab""#, 'T'),
    (r#"Concat(a["missing"], ",") == "" and Concat([], ",") == """#, 'T'),
    (r#"Concat(a["s"], ",") == """#, 'E'),
    (r#"Split("a,b", ",") == ["a", "b"]"#, 'F'),
    (r#"Split("a,b", ",") == Split("a-b", "-")"#, 'T'),
    (r#"Split("a,b", ",")[0] == "a" and Split("a,b", ",")[1] == "b""#, 'T'),
    (r#"Split("a,b", ",")[2] == nil"#, 'E'),
    (r#"Len(Split("", ",")) == 1 and Split("", ",")[0] == """#, 'T'),
    (r#"Len(Split("aé", "")) == 2 and Split("aé", "")[1] == "é""#, 'T'),
    (r#"Split(a["missing"], ",") == nil"#, 'E'),
    (r#"Substring("abcd", 1, 2) == "bc" and Substring(a["s"], 0, 3) == "abc""#, 'T'),
    (r#"Substring(a["s"], 0, 0) == """#, 'E'),
    (r#"Substring(a["s"], -1, 1) == """#, 'E'),
    (r#"Substring(a["s"], 1, 3) == """#, 'E'),
    (r#"Substring("aé", 0, 2, true) == "a" and Substring("aé", 0, 3, true) == "aé""#, 'T'),
    (r#"Substring("aé", 0, 2) == "a""#, 'F'),
    (r#"Substring("aé", 0, 2, IsInt(1)) == "a""#, 'R'),
    (r#"Substring(length=1, target="abc", start=2) == "c""#, 'T'),
    (r#"ToLowerCase("ÀBÇΣİ") == "àbçσi" and ToUpperCase("àbß") == "ÀBß""#, 'T'),
    (r#"ToLowerCase(a["i"]) == "42""#, 'E'),
    (r#"ToSnakeCase("HTTPServer fooBar-baz") == "http_server_foo_bar_baz""#, 'T'),
    (r#"ToCamelCase("http_server foo-bar") == "HttpServerFooBar""#, 'T'),
    (r#"ConvertCase("aB", "upper") == "AB" and ConvertCase("aB", "lower") == "ab""#, 'T'),
    (r#"ConvertCase("aB", "title") == "AB""#, 'R'),
    (r#"Trim("  a b ") == "a b" and Trim("xyaxy", "yx") == "a""#, 'T'),
    (r#"Trim(" a ", name) == "a""#, 'R'),
    (r#"TrimPrefix("aab", "a") == "ab" and TrimSuffix("abb", "b") == "ab""#, 'T'),
    (r#"TrimPrefix("aab", "x") == "aab""#, 'T'),
];

#[test]
fn lists_and_maps() {
    check(LISTS, Context::Span);
}

const LISTS: &[Row] = &[
    (
        r#"ContainsValue(a["l"], "x") and ContainsValue(a["l"], 2.0) and ContainsValue(a["l"], nil)"#,
        'T',
    ),
    (r#"ContainsValue([1.0], 1) and not ContainsValue(["a"], 1)"#, 'T'),
    (r#"ContainsValue(Split("a,b", ","), "b") and ContainsValue(["x", name], "GET /a")"#, 'T'),
    (r#"ContainsValue(a["missing"], "x")"#, 'E'),
    (r#"ContainsValue(a["s"], "x")"#, 'E'),
    (r#"ContainsValue("abc", "x")"#, 'R'),
    (r#"Index("abc", "c") == 2 and Index(a["s"], "z") == -1 and Index(a["l"], 2) == 1"#, 'T'),
    (r#"Index(a["missing"], "c") == 2"#, 'E'),
    (
        r#"Keys(a["m"]) == ["k", "n"] and Values(a["m"]) == ["v", 3] and Len(Keys(attributes)) == 15"#,
        'T',
    ),
    (r#"Keys(a["missing"]) == []"#, 'E'),
    (r#"Sort([3, 1, 2.5]) == [1, 2.5, 3] and Sort([3, 1, 2], "desc") == [3, 2, 1]"#, 'T'),
    (r#"Sort(["b", 1, "a"]) == [1, "a", "b"] and Sort(Split("b,a", ","))[0] == "a""#, 'T'),
    (r#"Sort([1], "up") == [1]"#, 'R'),
    (r#"Sort(a["s"]) == [1]"#, 'E'),
    (r#"Coalesce([a["missing"], a["empty"], a["s"]]) == "abc""#, 'T'),
    (r#"Coalesce([a["s"], 1 / 0]) == "abc""#, 'T'),
    (r#"Coalesce([1 / 0, a["s"]]) == "abc""#, 'E'),
    (r#"Coalesce([a["missing"]]) == nil"#, 'T'),
    (r#"Coalesce([]) == nil"#, 'R'),
    (r#"Coalesce(a["l"]) == nil"#, 'R'),
];

#[test]
fn times_and_durations() {
    check(TIMES, Context::Span);
}

const TIMES: &[Row] = &[
    (r#"span.end_time - span.start_time > Duration("1s")"#, 'T'),
    (r#"span.end_time - span.start_time == Duration("1.5s")"#, 'T'),
    (r#"Duration("1s") * 2 == Duration("2s")"#, 'E'),
    (
        r#"Duration("1s") + Duration("1s") == Duration("2s") and Duration("1m") > Duration("-1h")"#,
        'T',
    ),
    (r#"span.start_time + Duration("1500ms") == span.end_time"#, 'T'),
    (r#"span.end_time - Duration("1500ms") == span.start_time"#, 'T'),
    ("span.end_time + span.start_time == span.end_time", 'E'),
    (r#"Duration("1h30m") == Duration("90m") and Duration("1us") == Duration("1µs")"#, 'T'),
    (r#"Duration("+.5s") == Duration("500ms") and Duration("0") == Duration("0s")"#, 'T'),
    (r#"Duration("1d") == Duration("24h")"#, 'R'),
    (r#"Duration("abc") == 1"#, 'R'),
    (r#"Duration("") == 1"#, 'R'),
    (r#"Duration(a["s"]) == Duration("1s")"#, 'E'),
    (r#"Hours(Duration("90m")) == 1.5 and Minutes(Duration("90s")) == 1.5"#, 'T'),
    (r#"Seconds(span.end_time - span.start_time) == 1.5"#, 'T'),
    (r#"Milliseconds(span.end_time - span.start_time) == 1500"#, 'T'),
    (r#"Microseconds(Duration("1.5us")) == 1 and Nanoseconds(Duration("1us")) == 1000"#, 'T'),
    ("Milliseconds(1500) == 1", 'R'),
    ("Milliseconds(span.start_time_unix_nano) == 1", 'E'),
    ("Milliseconds(span.start_time) == 1", 'E'),
    ("UnixSeconds(span.start_time) == 1700000000", 'T'),
    (
        "UnixMilli(span.end_time) == 1700000001500 and UnixMicro(span.end_time) == 1700000001500000",
        'T',
    ),
    ("UnixNano(span.end_time) == span.end_time_unix_nano", 'T'),
    ("Unix(1700000000) == span.start_time and Unix(1700000001, 500000000) == span.end_time", 'T'),
    ("Unix(1.0) == span.start_time", 'R'),
    (
        "Year(span.start_time) == 2023 and Month(span.start_time) == 11 and Day(span.start_time) == 14",
        'T',
    ),
    (
        "Hour(span.start_time) == 22 and Minute(span.start_time) == 13 and Second(span.start_time) == 20",
        'T',
    ),
    ("Weekday(span.start_time) == 2 and Nanosecond(span.end_time) == 500000000", 'T'),
    ("Weekday(Unix(0)) == 4 and Year(Unix(-1)) == 1969 and Day(Unix(951782400)) == 29", 'T'),
    (r#"TruncateTime(span.end_time, Duration("1s")) == Unix(1700000001)"#, 'T'),
    (r#"TruncateTime(span.end_time, Duration("24h")) == Unix(1699920000)"#, 'T'),
    (r#"TruncateTime(span.end_time, Duration("0")) == span.end_time"#, 'T'),
    ("Now() > span.end_time and Now(1) != nil", 'T'),
    (r#"Time("2023-11-14 22:13:20", "%F %T") == span.start_time"#, 'T'),
    (r#"Time("2023-11-14T22:13:21.5Z", "%Y-%m-%dT%H:%M:%SZ") == span.end_time"#, 'T'),
    (r#"Time("2023-11-14T22:13:21.500", "%Y-%m-%dT%H:%M:%S.%L") == span.end_time"#, 'T'),
    (
        r#"Time("Tue 14 November 2023 10:13:20 pm +0100", "%a %d %B %Y %I:%M:%S %P %z") == Unix(1699996400)"#,
        'T',
    ),
    (r#"Hour(Time("2023-11-14 23:13:20+01:00", "%F %T%j")) == 23"#, 'T'),
    (r#"Time("2023-11-14 23:13:20+01:00", "%F %T%j") == span.start_time"#, 'T'),
    (r#"Time("11/14/23", "%m/%d/%y", "UTC") == Unix(1699920000)"#, 'T'),
    (r#"Time("2023-02-29", "%F") == Unix(0)"#, 'R'),
    (r#"Time("", "%F") == Unix(0)"#, 'R'),
    (r#"Time(a["s"], "%F") == Unix(0)"#, 'E'),
    (r#"Time("2023", "%Q") == Unix(0)"#, 'R'),
    (r#"Time("2023-01-01", "%F", "Europe/Berlin") == Unix(0)"#, 'R'),
    (r#"Time("2023-01-01", a["s"]) == Unix(0)"#, 'R'),
    (
        r#"FormatTime(span.end_time, "%a %e %b %Y %I:%M:%S.%L %p %z") == "Tue 14 Nov 2023 10:13:21.500 PM +0000""#,
        'T',
    ),
    ("FormatTime(1, \"%F\") == \"\"", 'R'),
];

#[test]
fn bytes_and_digests() {
    check(BYTES, Context::Span);
}

const BYTES: &[Row] = &[
    ("span.parent_span_id == SpanID(0x0000000000000000)", 'T'),
    ("span.span_id == SpanID(0x0102030405060708)", 'T'),
    (r#"span.span_id == SpanID("0102030405060708") and span.span_id != SpanID("abcdefgh")"#, 'T'),
    (r#"span.trace_id == TraceID("0102030405060708090A0b0c0d0e0f10")"#, 'T'),
    ("span.trace_id == TraceID(0x0102030405060708090a0b0c0d0e0f10)", 'T'),
    (r#"span.trace_id == TraceID("01")"#, 'R'),
    (r#"span.trace_id == TraceID(a["s"])"#, 'E'),
    (r#"span.trace_id == TraceID(a["missing"])"#, 'E'),
    (r#"Hex(a["b"]) == "01ab" and Hex("a") == "61" and Hex(a["missing"]) == """#, 'T'),
    (r#"Hex(1) == "0000000000000001" and Hex(true) == "01""#, 'T'),
    ("Hex(span.span_id) == \"\"", 'E'),
    (r#"SHA1("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d""#, 'T'),
    (
        r#"SHA256(a["s"]) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#,
        'T',
    ),
    (r#"HasPrefix(SHA512("abc"), "ddaf35a193617abacc417349ae204131")"#, 'T'),
    (r#"MD5("abc") == "900150983cd24fb0d6963f7d28e17f72""#, 'T'),
    (r#"SHA256(a["missing"]) == "x""#, 'E'),
    (r#"FNV("abc") == -1792535898324117685"#, 'T'),
    (r#"XXH3("") == "2d06800538d394c2" and XXH128("") == "99aa06d3014798d86001c324468d497f""#, 'T'),
    (r#"Base64Encode("a?~") == "YT9+" and Base64Encode("a?~", "base64-url") == "YT9-""#, 'T'),
    (r#"Base64Encode("a") == "YQ==" and Base64Encode("a", "base64-raw") == "YQ""#, 'T'),
    (r#"Base64Encode("a", "base65") == "YQ==""#, 'R'),
    (r#"Decode("YT9+", "base64") == "a?~" and Decode("x", "utf-8") == "x""#, 'T'),
    (r#"Decode(a["s"], "base64") == "x""#, 'E'),
    (r#"Decode(a["missing"], "base64") == "x""#, 'E'),
    (r#"Decode("x", "shift-jis") == "x""#, 'R'),
];

#[test]
fn structures_in_texts() {
    check(STRUCTURES, Context::Span);
}

const STRUCTURES: &[Row] = &[
    (
        r#"ParseInt("ff", 16) == 255 and ParseInt("-0x1f", 0) == -31 and ParseInt("017", 0) == 15"#,
        'T',
    ),
    (r#"ParseInt(a["num"], 10) == 42"#, 'T'),
    (r#"ParseInt("", 10) == 0"#, 'E'),
    (r#"ParseInt("--1", 10) == 0"#, 'E'),
    (r#"ParseInt("1", 37) == 1"#, 'E'),
    (r#"ParseInt(a["missing"], 10) == 0"#, 'E'),
    (r#"ParseJSON("{\"a\": [1, \"x\", null]}")["a"] == [1.0, "x", nil]"#, 'T'),
    (r#"ParseJSON("{\"a\": 1}")["a"] == 1 and ParseJSON("[1]")[0] == 1"#, 'T'),
    (r#"ParseJSON("{\"a\": 1}")["b"] == nil"#, 'E'),
    (r#"ParseJSON("1") == 1"#, 'E'),
    (r#"ParseJSON(a["s"]) == 1"#, 'E'),
    (r#"URL("http://u:p@h:8080/a/b.html?q=1#f")["url.domain"] == "h""#, 'T'),
    (r#"URL("http://h:8080/")["url.port"] == 8080"#, 'T'),
    (r#"String(URL("http://h:8080/")["url.port"]) == "8080""#, 'T'),
    (
        r#"URL("HTTP://h/a%20b?x=%20")["url.path"] == "/a b" and URL("HTTP://h")["url.scheme"] == "http""#,
        'T',
    ),
    (
        r#"URL("http://u:p@h/")["url.username"] == "u" and URL("http://u:p@h/")["url.password"] == "p""#,
        'T',
    ),
    (
        r#"URL("http://h/x.tar?y")["url.extension"] == "tar" and URL("/a?y")["url.query"] == "y""#,
        'T',
    ),
    (r#"URL("http://[::1]:80/")["url.domain"] == "::1""#, 'T'),
    (r#"URL("http://h/")["url.port"] == nil"#, 'E'),
    (r#"URL("http://h:x/")["url.domain"] == "h""#, 'E'),
    (r#"URL("%zz")["url.path"] == "h""#, 'E'),
    (r#"URL("") == nil"#, 'E'),
    (r#"ExtractPatterns(name, "^(?P<method>\\w+) (?P<route>.*)$")["route"] == "/a""#, 'T'),
    (r#"ExtractPatterns(name, "(?P<x>zz)")["x"] == "/a""#, 'E'),
    (r#"ExtractPatterns(name, "zz") == {}"#, 'R'),
    (r#"IsInCIDR("10.1.2.3", ["192.168.0.0/16", "10.0.0.0/8"])"#, 'T'),
    (r#"IsInCIDR("11.1.2.3", ["10.0.0.0/8"]) or IsInCIDR(a["s"], ["10.0.0.0/8"])"#, 'F'),
    (r#"IsInCIDR("::ffff:10.0.0.1", ["10.0.0.0/8"]) and IsInCIDR("fe80::1", ["fe80::/10"])"#, 'T'),
    (r#"IsInCIDR("10.1.2.3", ["0.0.0.0/0"]) and not IsInCIDR("::1", ["0.0.0.0/0"])"#, 'T'),
    (r#"IsInCIDR(a["missing"], ["10.0.0.0/8"])"#, 'E'),
    (r#"IsInCIDR("10.1.2.3", ["10.0.0.0/33"])"#, 'R'),
    (r#"IsInCIDR("10.1.2.3", a["l"])"#, 'R'),
    (r#"IsInCIDR("10.1.2.3", [a["s"]])"#, 'E'),
    ("Log(1) == 0.0 and Log(2.0) > 0.69", 'T'),
    ("Log(0) == 0.0", 'E'),
    (
        r#"IsValidLuhn("79927398713") and not IsValidLuhn("79927398710") and not IsValidLuhn("")"#,
        'T',
    ),
    (r#"IsValidLuhn(a["s"])"#, 'E'),
];

/// What makes a condition answer otherwise at another time, or never do what one thinks.
#[test]
fn remarkable_calls_are_told() {
    let condition = Condition::parse("Now() > end_time and IsRootSpan(1)", Context::Span).unwrap();
    let said: Vec<String> = condition.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "line 1, column 1: `Now` makes that the same trace is judged otherwise at another time",
            "line 1, column 33: `IsRootSpan` takes no arguments: this one is ignored",
        ]
    );
}
