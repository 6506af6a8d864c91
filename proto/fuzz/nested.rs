//! Requests in protobuf with values, groups and repeated messages in each other, as deep as one
//! likes. Mutations of good requests hardly nest.

use wholetrace_proto::{
    otlp::numbers::{
        any_value::{ARRAY_VALUE, KVLIST_VALUE, STRING_VALUE, STRING_VALUE_STRINDEX},
        array_value, event, instrumentation_scope,
        key_value::{KEY, VALUE},
        key_value_list, link, resource, resource_spans, scope_spans, span as field, status,
        traces_data,
    },
    wire::{put_bytes, put_tag, put_uint},
};

fn message(fields: &[(u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|(number, body)| put_bytes(&mut out, *number, body));
    out
}

/// The first `count` of two fields.
fn some(count: usize, fields: [(u32, &[u8]); 2]) -> Vec<u8> {
    message(&fields[..count])
}

/// Groups of an unknown number in each other.
fn groups(depth: usize) -> Vec<u8> {
    let mut out = Vec::new();
    (0..depth).for_each(|_| put_tag(&mut out, 90, 3));
    if depth > 0 {
        put_uint(&mut out, 91, 1);
    }
    (0..depth).for_each(|_| put_tag(&mut out, 90, 4));
    out
}

/// `value`, an `AnyValue`, in another one.
pub(crate) fn inside(value: &[u8], way: usize) -> Vec<u8> {
    let array = |value: &[u8]| message(&[(array_value::VALUES, value)]);
    let map = |value: &[u8]| {
        message(&[(key_value_list::VALUES, &message(&[(KEY, b"k"), (VALUE, value)]))])
    };
    match way {
        0..=3 => message(&[(ARRAY_VALUE, &array(value))]),
        4..=6 => message(&[(KVLIST_VALUE, &map(value))]),
        // Another alternative before it: the last one counts.
        7 => message(&[
            (ARRAY_VALUE, &array(b"")),
            (STRING_VALUE, b"text"),
            (KVLIST_VALUE, &map(value)),
        ]),
        8 => message(&[(KVLIST_VALUE, &map(b"")), (ARRAY_VALUE, &array(value))]),
        // The same one before or behind it: they are one.
        9 => message(&[(ARRAY_VALUE, &array(value)), (ARRAY_VALUE, &array(b""))]),
        10 => message(&[(KVLIST_VALUE, &map(b"")), (KVLIST_VALUE, &map(value))]),
        // Its message is given twice, and is one.
        _ => {
            let pair = message(&[(VALUE, value), (VALUE, b"")]);
            message(&[(KVLIST_VALUE, &message(&[(key_value_list::VALUES, &pair)]))])
        }
    }
}

/// The request that `data` chooses: one span, and values somewhere in it.
pub(crate) fn traces(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.iter().copied();
    let mut next = |bound: usize| usize::from(bytes.next().unwrap_or(0)) % bound;
    let (place, twice) = (next(5), next(3));
    let mut value = match next(6) {
        0 => groups(next(70)),
        1 => message(&[(STRING_VALUE, b"first"), (STRING_VALUE, b"last")]),
        2 => {
            let mut index = Vec::new();
            put_uint(&mut index, STRING_VALUE_STRINDEX, 5);
            index
        }
        _ => message(&[(STRING_VALUE, b"deep")]),
    };
    // About the bound, now and then.
    let depth = if next(2) == 0 { next(4) } else { 20 + next(30) };
    let mixed = next(3) == 0;
    let way = next(12);
    for _ in 0..depth {
        value = inside(&value, if mixed { next(12) } else { way });
    }
    let attribute = message(&[(KEY, b"key"), (VALUE, &value)]);
    let at = |wanted: usize| if place == wanted { attribute.as_slice() } else { b"" };
    let optional = |number: u32, body: &[u8]| {
        if body.is_empty() { Vec::new() } else { message(&[(number, body)]) }
    };
    let span = [
        message(&[(field::TRACE_ID, &[7; 16]), (field::SPAN_ID, &[9; 8]), (field::NAME, b"name")]),
        optional(field::ATTRIBUTES, at(0)),
        optional(field::EVENTS, &optional(event::ATTRIBUTES, at(1))),
        optional(field::LINKS, &optional(link::ATTRIBUTES, at(2))),
        // The code of a status: 2.
        some(
            twice,
            [(field::STATUS, b"\x18\x02"), (field::STATUS, &optional(status::MESSAGE, b"why"))],
        ),
    ];
    let resource = some(
        twice,
        [
            (resource_spans::RESOURCE, &optional(resource::ATTRIBUTES, at(3))),
            (resource_spans::RESOURCE, b"\x10\x03"),
        ],
    );
    let scope = some(
        twice,
        [
            (scope_spans::SCOPE, &optional(instrumentation_scope::ATTRIBUTES, at(4))),
            (scope_spans::SCOPE, &optional(instrumentation_scope::NAME, b"scope")),
        ],
    );
    let spans = [scope, message(&[(scope_spans::SPANS, &span.concat())])].concat();
    let scopes = message(&[(resource_spans::SCOPE_SPANS, &spans)]);
    message(&[(traces_data::RESOURCE_SPANS, &[scopes, resource].concat())])
}
