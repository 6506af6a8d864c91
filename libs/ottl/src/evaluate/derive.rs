//! What the language makes of fields.

use crate::{
    program::Derived,
    value::{Operand, Time, Tree, Value, hex},
};

/// Names of the kinds of spans.
const KINDS: [&str; 6] = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"];

/// The names that they have in protobuf.
const DEPRECATED_KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

/// The most entries of a trace state, by the W3C.
const ENTRIES_MAX: usize = 32;

/// The derived value; of a field that is nil, nil.
pub(super) fn derive<'a>(derived: &Derived, field: Value<'a>) -> Operand<'a> {
    match (derived, field) {
        (Derived::IdText, Value::TraceId(id)) => Tree::text(hex(&id)).into(),
        (Derived::IdText, Value::SpanId(id)) => Tree::text(hex(&id)).into(),
        (Derived::KindText, Value::Int(kind)) => name(&KINDS, kind),
        (Derived::KindDeprecatedText, Value::Int(kind)) => name(&DEPRECATED_KINDS, kind),
        (Derived::Time, nanos) => time(nanos).into(),
        (Derived::Several, Value::Int(count)) => {
            Value::Several(u32::try_from(count).unwrap_or(u32::MAX)).into()
        }
        (Derived::TraceStateEntry(key), Value::Str(state)) => {
            entry(state, key.as_bytes()).map_or(Value::Nil, Value::Str).into()
        }
        _ => Value::Nil.into(),
    }
}

/// The time of a number of nanoseconds since 1970; nil of what is none.
pub(super) fn time<'a>(nanos: Value<'_>) -> Value<'a> {
    match nanos {
        Value::Int(nanos) => Value::Time(Time::of_unix_nanos(nanos)),
        _ => Value::Nil,
    }
}

fn name<'a>(names: &[&'static str], kind: i64) -> Operand<'a> {
    let name = usize::try_from(kind).ok().and_then(|kind| names.get(kind)).copied();
    Value::Str(name.unwrap_or_default().as_bytes()).into()
}

/// The value of the entry; empty when there is none, and `None` when the state is no valid one.
fn entry<'a>(state: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut seen: Vec<&[u8]> = Vec::new();
    let mut found: &[u8] = &[];
    let trim = |part: &'a [u8]| part.trim_ascii();
    for member in state.split(|byte| *byte == b',').map(trim).filter(|part| !part.is_empty()) {
        let equals = member.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (member.get(..equals)?, member.get(equals + 1..)?);
        if seen.len() == ENTRIES_MAX || seen.contains(&name) || !is_key(name) || !is_value(value) {
            return None;
        }
        seen.push(name);
        if name == key {
            found = value;
        }
    }
    Some(found)
}

/// Whether it is a key by the W3C: `key`, or `tenant@system`.
fn is_key(key: &[u8]) -> bool {
    let rest = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
    let part = |part: &[u8], starts: fn(&u8) -> bool, most: usize| {
        part.len() <= most && part.first().is_some_and(starts) && part.iter().all(rest)
    };
    let letter: fn(&u8) -> bool = u8::is_ascii_lowercase;
    let letter_or_digit: fn(&u8) -> bool = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    match key.iter().position(|byte| *byte == b'@') {
        None => part(key, letter, 256),
        Some(sign) => {
            part(key.get(..sign).unwrap_or_default(), letter_or_digit, 241)
                && part(key.get(sign + 1..).unwrap_or_default(), letter, 14)
        }
    }
}

fn is_value(value: &[u8]) -> bool {
    (1..=256).contains(&value.len())
        && value.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='))
}
