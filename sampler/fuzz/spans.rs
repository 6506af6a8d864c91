//! The spans of a trace out of bytes, with attributes that are missing, mistyped, given twice and huge.

use crate::blocks::Choices;

/// Keys that policies ask for, and others.
const KEYS: [&str; 6] = ["k", "kk", "service.name", "sampling.priority", "", "other"];
/// A text that is longer than what is remembered of any.
const HUGE: usize = 70_000;

/// A span, and the resource that it is of; both are the bodies of their messages.
pub(crate) type Of = (Vec<u8>, Vec<u8>);

/// One to five spans of one trace.
pub(crate) fn trace(choices: &mut Choices<'_>) -> Vec<Of> {
    let id = choices.byte();
    let count = 1 + choices.byte() % 5;
    (0..count).map(|number| (resource(choices), span(choices, id, number))).collect()
}

/// `TracesData` with these spans, each in a message of its own resource.
pub(crate) fn message(spans: &[Of]) -> Vec<u8> {
    let mut message = Vec::new();
    for (resource, span) in spans {
        let mut scope = Vec::new();
        put(&mut scope, 1, b"\x0a\x01s");
        put(&mut scope, 2, span);
        let mut of_resource = Vec::new();
        put(&mut of_resource, 1, resource);
        put(&mut of_resource, 2, &scope);
        put(&mut message, 1, &of_resource);
    }
    message
}

fn resource(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut resource = Vec::new();
    attributes(choices, 1, &mut resource);
    resource
}

fn span(choices: &mut Choices<'_>, id: u8, number: u8) -> Vec<u8> {
    const STATES: [&str; 5] =
        ["", "vendor=x", "ot=th:8;rv:80000000000000", "ot=th:zz,,=", "ot=th:0"];
    let mut span = Vec::new();
    let mut trace_id = [id; 16];
    trace_id[15] = 1;
    put(&mut span, 1, &trace_id);
    put(&mut span, 2, &[0, 0, 0, 0, 0, 0, 1, number + 1]);
    put(&mut span, 3, choices.one(&STATES).as_bytes());
    if number > 0 && !choices.happens(60) {
        put(&mut span, 4, &[0, 0, 0, 0, 0, 0, 1, number]);
    }
    put(&mut span, 5, choices.one(&["x", "e", ""]).as_bytes());
    number_at(&mut span, 6, u64::from(choices.byte() % 7));
    for field in [7, 8] {
        let time: u64 = *choices.one(&[1_000_000, 9_000_000, 0, u64::MAX]);
        varint(&mut span, field << 3 | 1);
        span.extend(time.to_le_bytes());
    }
    attributes(choices, 9, &mut span);
    if choices.happens(100) {
        let mut event = Vec::new();
        put(&mut event, 2, choices.one(&["e", "f"]).as_bytes());
        attributes(choices, 3, &mut event);
        put(&mut span, 11, &event);
    }
    let mut status = Vec::new();
    number_at(&mut status, 3, u64::from(choices.byte() % 4));
    put(&mut span, 15, &status);
    span
}

/// Up to four attributes, as the field `number` of `out`; the same key may come twice.
fn attributes(choices: &mut Choices<'_>, number: u64, out: &mut Vec<u8>) {
    for _ in 0..choices.byte() % 5 {
        let mut attribute = Vec::new();
        put(&mut attribute, 1, choices.one(&KEYS).as_bytes());
        // One without a value is possible.
        if !choices.happens(10) {
            put(&mut attribute, 2, &value(choices));
        }
        put(out, number, &attribute);
    }
}

/// An `AnyValue` of any type.
fn value(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut value = Vec::new();
    match choices.byte() % 10 {
        0..=2 => put(&mut value, 1, choices.one(&["a", "b", "ab", "", "3"]).as_bytes()),
        3 => put(&mut value, 1, "a".repeat(HUGE).as_bytes()),
        4 => number_at(&mut value, 2, u64::from(choices.byte() % 2)),
        5 => number_at(&mut value, 3, *choices.one(&[1, 5, 0, u64::MAX, i64::MIN.cast_unsigned()])),
        6 => {
            varint(&mut value, 4 << 3 | 1);
            value.extend(choices.one(&[1.5, f64::NAN, f64::INFINITY, -0.0]).to_le_bytes());
        }
        // A list and a map, which are deep in themselves.
        7 => value = nested(5, 1),
        8 => value = nested(6, 300),
        _ => put(&mut value, 7, &[0xff, choices.byte()]),
    }
    value
}

/// A value that holds another, and so on, `depth` deep; its field is a list or a map.
fn nested(field: u64, depth: usize) -> Vec<u8> {
    let mut inner = Vec::new();
    put(&mut inner, 1, b"a");
    for _ in 0..depth {
        let mut item = Vec::new();
        if field == 6 {
            put(&mut item, 1, b"k");
            let value = std::mem::take(&mut inner);
            put(&mut item, 2, &value);
            let pair = std::mem::take(&mut item);
            put(&mut item, 1, &pair);
        } else {
            put(&mut item, 1, &inner);
        }
        inner = Vec::new();
        put(&mut inner, field, &item);
    }
    inner
}

fn put(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(bytes);
}

fn number_at(out: &mut Vec<u8>, field: u64, number: u64) {
    varint(out, field << 3);
    varint(out, number);
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}
