//! Attributes that are missing, of another type, twice there or huge.

use wholetrace_proto::otlp::{KeyValue, any_value::Value};

use crate::policy::tests::support::{attribute, dull, policy, text, with};

/// Types with settings by which an attribute `k` with a value of its own type keeps a trace.
const TYPES: [(&str, &str); 5] = [
    ("string_attribute", "{ key: k, values: [x] }"),
    ("string_attribute", "{ key: k, values: ['^x$'], enabled_regex_matching: true }"),
    ("numeric_attribute", "{ key: k, min_value: 3, max_value: 5 }"),
    ("boolean_attribute", "{ key: k, value: true }"),
    (
        "ottl_condition",
        r#"{ span: [ 'attributes["k"] == "x" or attributes["k"] == 4 or attributes["k"] == true' ] }"#,
    ),
];

/// What each of them is looking for.
fn wanted() -> [KeyValue; 5] {
    let value = |value| attribute("k", value);
    let number = value(Value::IntValue(4));
    [text("k", "x"), text("k", "x"), number, value(Value::BoolValue(true)), text("k", "x")]
}

/// Whether a policy keeps the trace of one span with these attributes.
fn keeps(kind: &str, settings: &str, attributes: Vec<KeyValue>) -> bool {
    dull().span(with(attributes)).is_kept(&policy(kind, settings))
}

#[test]
fn what_is_not_there_or_of_another_type_does_not_match() {
    for ((kind, settings), wanted) in TYPES.into_iter().zip(wanted()) {
        assert!(keeps(kind, settings, vec![wanted]), "{kind}: {settings}");
        let without_value = KeyValue { key: "k".to_owned(), ..KeyValue::default() };
        let bytes = attribute("k", Value::BytesValue(b"x".to_vec()));
        let double = attribute("k", Value::DoubleValue(4.5));
        for odd in [vec![], vec![without_value], vec![bytes], vec![double], vec![text("k", "4")]] {
            assert!(!keeps(kind, settings, odd.clone()), "{kind}: {settings} {odd:?}");
        }
    }
}

#[test]
fn the_first_of_two_counts_for_every_type() {
    for ((kind, settings), wanted) in TYPES.into_iter().zip(wanted()) {
        let other = text("k", "y");
        assert!(keeps(kind, settings, vec![wanted.clone(), other.clone()]), "{kind}: {settings}");
        assert!(!keeps(kind, settings, vec![other, wanted]), "{kind}: {settings}");
    }
}

/// Lengths that take one to four bytes, in keys, in texts and in lists.
#[test]
fn huge_attributes_are_read_like_others() {
    for size in [127, 128, 16_384, 3 << 20] {
        let long = || "x".repeat(size);
        let many = (0..size / 100).map(|number| text(&format!("k{number}"), "x"));
        for ((kind, settings), wanted) in TYPES.into_iter().zip(wanted()) {
            let before: Vec<KeyValue> =
                many.clone().chain([text(&long(), "x"), text("kk", &long())]).collect();
            let among: Vec<KeyValue> =
                before.iter().cloned().chain([wanted, text("z", &long())]).collect();
            assert!(!keeps(kind, settings, before), "{kind}: {settings} {size}");
            assert!(keeps(kind, settings, among), "{kind}: {settings} {size}");
            assert!(!keeps(kind, settings, vec![text("k", &long())]), "{kind}: {settings} {size}");
        }
        let found = "{ key: k, values: ['x{100}y$'], enabled_regex_matching: true }";
        let end = |end: &str| vec![text("k", &(long() + end))];
        assert!(keeps("string_attribute", found, end("y")));
        assert!(!keeps("string_attribute", found, end("z")));
        assert!(keeps("ottl_condition", r#"{ span: [ 'Len(attributes["k"]) > 126' ] }"#, end("")));
    }
}
