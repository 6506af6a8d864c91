//! Requests in protobuf with values, groups and repeated messages in each other, as deep as one
//! likes. Mutations of good requests hardly nest.

use wholetrace_proto::wire::{put_bytes, put_tag, put_uint};

const VALUE: u32 = 2;

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
    let array = |value: &[u8]| message(&[(1, value)]);
    let map = |value: &[u8]| message(&[(1, &message(&[(1, b"k"), (VALUE, value)]))]);
    match way {
        0..=3 => message(&[(5, &array(value))]),
        4..=6 => message(&[(6, &map(value))]),
        // Another alternative before it: the last one counts.
        7 => message(&[(5, &array(b"")), (1, b"text"), (6, &map(value))]),
        8 => message(&[(6, &map(b"")), (5, &array(value))]),
        // The same one before or behind it: they are one.
        9 => message(&[(5, &array(value)), (5, &array(b""))]),
        10 => message(&[(6, &map(b"")), (6, &map(value))]),
        // Its message is given twice, and is one.
        _ => message(&[(6, &message(&[(1, &message(&[(VALUE, value), (VALUE, b"")]))]))]),
    }
}

/// The request that `data` chooses: one span, and values somewhere in it.
pub(crate) fn traces(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.iter().copied();
    let mut next = |bound: usize| usize::from(bytes.next().unwrap_or(0)) % bound;
    let (place, twice) = (next(5), next(3));
    let mut value = match next(6) {
        0 => groups(next(70)),
        1 => message(&[(1, b"first"), (1, b"last")]),
        2 => {
            let mut index = Vec::new();
            put_uint(&mut index, 8, 5);
            index
        }
        _ => message(&[(1, b"deep")]),
    };
    // About the bound, now and then.
    let depth = if next(2) == 0 { next(4) } else { 20 + next(30) };
    let mixed = next(3) == 0;
    let way = next(12);
    for _ in 0..depth {
        value = inside(&value, if mixed { next(12) } else { way });
    }
    let attribute = message(&[(1, b"key"), (VALUE, &value)]);
    let at = |wanted: usize| if place == wanted { attribute.as_slice() } else { b"" };
    let field = |number: u32, body: &[u8]| {
        if body.is_empty() { Vec::new() } else { message(&[(number, body)]) }
    };
    let span = [
        message(&[(1, &[7; 16]), (2, &[9; 8]), (5, b"name")]),
        field(9, at(0)),
        field(11, &field(3, at(1))),
        field(13, &field(4, at(2))),
        // The code of a status: 2.
        some(twice, [(15, b"\x18\x02"), (15, &field(2, b"why"))]),
    ];
    let resource = some(twice, [(1, &field(1, at(3))), (1, b"\x10\x03")]);
    let scope = some(twice, [(1, &field(3, at(4))), (1, &field(1, b"scope"))]);
    let spans = [scope, message(&[(2, &span.concat())])].concat();
    message(&[(1, &[message(&[(2, &spans)]), resource].concat())])
}
