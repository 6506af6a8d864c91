//! Any text is read or refused, any fields have an answer or an error: a short run of the fuzz
//! target's checks.

#[path = "../../../proto/fuzz/conditions.rs"]
mod conditions;

use proptest::{collection::vec, prelude::*};
use wholetrace_ottl::{Context, Value};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_bytes(data in vec(any::<u8>(), 0..200)) {
        conditions::any(&data);
    }

    #[test]
    fn any_text(source in ".*", fields in vec(any::<u8>(), 0..64)) {
        conditions::text(&source, Context::SpanEvent, &fields);
    }

    #[test]
    fn any_tokens(picks in vec(0..TOKENS.len(), 0..24), fields in vec(any::<u8>(), 0..64)) {
        let source: String = picks.into_iter().map(|pick| TOKENS[pick]).collect();
        conditions::text(&source, Context::Span, &fields);
    }

    #[test]
    fn conditions_made_by_grammar(data in vec(any::<u8>(), 0..300)) {
        conditions::made(&data);
    }

    /// Bytes that are no value read as one that is not set, and their lists end.
    #[test]
    fn any_attribute(bytes in vec(any::<u8>(), 0..80)) {
        let value = Value::of_any_value(&bytes);
        prop_assert!(value.items().into_iter().flatten().count() <= bytes.len());
        prop_assert!(value.entries().into_iter().flatten().count() <= bytes.len());
    }
}

const TOKENS: [&str; 40] = [
    " ",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    ".",
    "==",
    "!=",
    "<",
    ">=",
    "=>",
    "=",
    "+",
    "-",
    "*",
    "/",
    " and ",
    " or ",
    "not ",
    "nil",
    "true",
    "1",
    "2.5",
    "\"a\"",
    "0x01",
    "name",
    "span",
    "attributes",
    "trace",
    "root",
    "any",
    "Len",
    "IsMatch",
    "STATUS_CODE_OK",
    "x",
    "_",
];
