//! Texts that are no conditions, and what is said of them.

use super::support::{Row, check};
use crate::{Condition, Context};

#[test]
fn what_a_collector_refuses_is_refused() {
    check(REFUSED, Context::Span);
}

const REFUSED: &[Row] = &[
    ("", 'R'),
    ("  ", 'R'),
    (r#"a["t"]"#, 'R'),
    (r#"not a["t"]"#, 'R'),
    ("1", 'R'),
    ("nil", 'R'),
    ("(true) == true", 'R'),
    (r#"("a") == "a""#, 'R'),
    ("(nil) == nil", 'R'),
    ("(1 == 1) == true", 'R'),
    ("not not true", 'R'),
    ("not (not true)", 'T'),
    ("true or", 'R'),
    ("1 == 1 == 1", 'R'),
    ("1 == 1 2 == 2", 'R'),
    ("true true", 'R'),
    ("(true", 'R'),
    ("true)", 'R'),
    ("--1 == 1", 'R'),
    (r#""a" + "b" == "ab""#, 'R'),
    ("SPAN_KIND_SERVER + 1 == 3", 'R'),
    ("1 + nil == 1", 'R'),
    ("1 + true == 1", 'R'),
    ("[1,2][0] == 1", 'R'),
    (r#"("x")[0] == 1"#, 'R'),
    (r#"{"a": 1}["a"] == 1"#, 'R'),
    ("a[nil] == 1", 'R'),
    ("a[true] == 1", 'R'),
    ("a[0x01] == 1", 'R'),
    ("a[] == 1", 'R'),
    ("[1 2] == 1", 'R'),
    ("[,1] == 1", 'R'),
    ("[1,] == 1", 'R'),
    ("Len(1,) == 1", 'R'),
    ("1e3 == 1000", 'R'),
    ("9223372036854775808 == 1", 'R'),
    ("-9223372036854775808 == 1", 'R'),
    ("0x0 == 1", 'R'),
    ("True == true", 'R'),
    ("a == 'x'", 'R'),
    ("name =~ \"x\"", 'R'),
    ("name == \"x\" && true", 'R'),
    ("!true", 'R'),
    ("name == \"x", 'R'),
    (r#""\d" == "d""#, 'R'),
    (r#""\." == ".""#, 'R'),
    (r#""\0" == "x""#, 'R'),
    (r#""\ud800" == "x""#, 'R'),
    (r#""\U00110000" == "x""#, 'R'),
    (r#""\400" == "x""#, 'R'),
    ("span == 1", 'R'),
    ("span.bogus == 1", 'R'),
    (r#"service.name == "x""#, 'R'),
    (r#"spanevent.name == "x""#, 'R'),
    (r#"log.body == "x""#, 'R'),
    (r#"span.name["x"] == "x""#, 'R'),
    (r#"span.attributes["m"].k == 1"#, 'R'),
    ("span.events[0] == 1", 'R'),
    (r#"trace_state["a"]["b"] == 1"#, 'R'),
    ("trace_state[0] == 1", 'R'),
    ("otelcol.client == nil", 'R'),
    ("resource.cache == nil", 'R'),
    ("SPAN_KIND_FOO == 1", 'R'),
    ("span.name.string == 1", 'R'),
    (r#"ismatch(span.name, "x")"#, 'R'),
    (r#"IsMatsh(span.name, "x")"#, 'R'),
    ("Any([1], (x) => x == 1)", 'R'),
    ("Format(\"%d\", [1]) == \"1\"", 'R'),
    (r#"IsMatch(span.name)"#, 'R'),
    (r#"IsMatch(span.name, "x", "y")"#, 'R'),
    (r#"IsMatch(target=span.name, "x")"#, 'R'),
    (r#"IsMatch(span.name, target=span.name)"#, 'R'),
    (r#"IsMatch(span.name, patern="x")"#, 'R'),
    ("IsRootSpan(1)", 'T'),
];

/// What is said, as it is shown.
fn said(source: &str) -> Vec<String> {
    let problems = Condition::parse(source, Context::Span).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn problems_tell_the_place_and_what_to_do() {
    for (source, expected) in PROBLEMS {
        assert_eq!(said(source), *expected, "{source}");
    }
}

const PROBLEMS: &[(&str, &[&str])] = &[
    (
        "span.nmae == \"x\" or\n  IsMatsh(name, \"x\") and kind == SPAN_KIND_SERVR",
        &[
            "line 1, column 1: there is no path `span.nmae`: did you mean `span.name`?",
            "line 2, column 3: there is no converter `IsMatsh`: did you mean `IsMatch`?",
            "line 2, column 34: there is no enum `SPAN_KIND_SERVR`: did you mean \
             `SPAN_KIND_SERVER`?",
        ],
    ),
    (
        "service.name == \"shop\"",
        &["line 1, column 1: there is no path `service.name`, which is read as \
           `span.service.name`: did you mean `resource.attributes[\"service.name\"]`?"],
    ),
    (
        "http.route == \"/\"",
        &["line 1, column 1: there is no path `http.route`, which is read as \
           `span.http.route`: did you mean `attributes[\"http.route\"]`?"],
    ),
    (
        "name == \"\u{e9}\" and\n kind == ",
        &["line 2, column 10: the end does not fit here: expected a sign, or a value"],
    ),
    (
        "name = \"x\"",
        &["line 1, column 6: `=` does not fit here: expected `.`, or `[`, or `and`, or `or`, \
           or a comparison, or an operator"],
    ),
    (
        "attributes[\"a\"]",
        &["line 1, column 1: a path alone is no condition: compare it with something, as in \
           `… == true` or `… != nil`"],
    ),
    (
        "name == \"\\d\"",
        &["line 1, column 10: the text has the unknown escape `\\d`: write the backslash twice \
           to have one, as in `\"\\\\d\"`"],
    ),
    (
        "IsMatch(name, \"(\")",
        &["line 1, column 1: `IsMatch`: `(` is no regular expression: unclosed group"],
    ),
    (
        "Format(\"a\", [1]) == Len()",
        &[
            "line 1, column 1: the converter `Format` is not supported",
            "line 1, column 21: the argument `target` of `Len` is missing",
        ],
    ),
];

/// Nesting, length and chains: what is too much is refused, what is not is read.
#[test]
fn sizes_are_bounded() {
    let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Condition::parse(&nested(crate::DEPTH_MAX), Context::Span).is_ok());
    let problems = said(&nested(crate::DEPTH_MAX + 1));
    assert_eq!(problems, ["line 1, column 66: the condition is nested deeper than `64`"]);
    for (open, close) in [("(", ")"), ("[", "]"), ("{\"a\":", "}"), ("-(", ")"), ("Len(", ")")] {
        for depth in [64, 65, 20_000] {
            let source = format!("1 == {}1{}", open.repeat(depth), close.repeat(depth));
            let parsed = Condition::parse(&source, Context::Span);
            assert!(parsed.is_ok() || depth > 64 || open == "Len(", "{open} {depth}");
            assert!(parsed.is_err() || depth == 64, "{open} {depth}");
        }
    }
    let long = |link: &str| format!("1 == 1{}", link.repeat(10_000));
    for link in ["+1", "*1", " or 1 == 2", " and a == b", "[0]"] {
        let _ = Condition::parse(&long(link), Context::Span);
    }
    let source = format!("name == \"{}\"", "x".repeat(crate::SOURCE_MAX));
    let problems = said(&source);
    assert!(problems[0].contains("at most `65536` are read"), "{problems:?}");
}
