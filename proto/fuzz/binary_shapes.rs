//! Zipkin requests in protobuf and in Thrift, and Jaeger's in Thrift, of every shape: known fields in
//! each other, with right and wrong types, counts and lengths.

use wholetrace_proto::{
    thrift::{Kind, Message, MessageKind, Protocol, Writer},
    wire::{put_bytes, put_fixed64, put_uint},
};

/// Takes choices from bytes; when they are used up, the first of each.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Text of both versions.
const WORDS: [&[u8]; 14] = [
    b"",
    b"a",
    b"cs",
    b"cr",
    b"sr",
    b"ss",
    b"ms",
    b"mr",
    b"ws",
    b"sa",
    b"ca",
    b"error",
    b"n|{\"k\":[1]}|2",
    b"\xff",
];

const NUMBERS: [i64; 8] = [1, 0, -1, 2, 1_500_000_000_000_000, i64::MAX, i64::MIN, 70_000];

/// Lengths of what may be an id or an address.
const LENGTHS: [usize; 7] = [8, 16, 4, 0, 7, 1, 100];

/// A list of spans in protobuf, as `data` chooses.
pub(crate) fn protobuf(data: &[u8]) -> Vec<u8> {
    let mut choices = Choices(data);
    let mut out = Vec::new();
    for _ in 0..=choices.below(4) {
        let mut span = Vec::new();
        put_bytes(&mut span, 1, &[1; 16]);
        put_bytes(&mut span, 3, &[2; 8]);
        for _ in 0..choices.below(12) {
            protobuf_field(&mut span, &mut choices, 3);
        }
        put_bytes(&mut out, 1, &span);
    }
    cut(out, &mut choices)
}

fn protobuf_field(out: &mut Vec<u8>, choices: &mut Choices<'_>, depth: usize) {
    let number = 1 + u32::from(choices.byte() % 15);
    match choices.below(6) {
        0 => put_bytes(out, number, choices.of(&WORDS)),
        1 => put_uint(out, number, choices.of(&NUMBERS).cast_unsigned()),
        2 => put_fixed64(out, number, choices.of(&NUMBERS).cast_unsigned()),
        3 => put_bytes(out, number, &vec![choices.byte(); choices.of(&LENGTHS)]),
        _ if depth > 0 => {
            let mut inner = Vec::new();
            for _ in 0..choices.below(5) {
                protobuf_field(&mut inner, choices, depth - 1);
            }
            put_bytes(out, number, &inner);
        }
        // Groups in each other.
        _ => out.extend([0x0b].repeat(choices.below(80))),
    }
}

/// A list of spans in Thrift, as `data` chooses.
pub(crate) fn thrift(data: &[u8]) -> Vec<u8> {
    let mut choices = Choices(data);
    let mut writer = Writer::new(Protocol::Binary);
    let spans = choices.below(4);
    let claimed = claimed(spans, &mut choices);
    writer.put_list(Kind::Struct, claimed);
    for _ in 0..spans {
        writer.structure(|span| {
            span.i64(1, 1);
            span.i64(4, 2);
            for _ in 0..choices.below(12) {
                thrift_field(span, &mut choices, 3);
            }
        });
    }
    cut(writer.into_bytes(), &mut choices)
}

/// A batch of Jaeger in Thrift, as it is posted or in a message of either protocol, as `data` chooses.
pub(crate) fn jaeger_thrift(data: &[u8]) -> Vec<u8> {
    let mut choices = Choices(data);
    let protocol = choices.of(&[Protocol::Binary, Protocol::Compact]);
    let mut writer = Writer::new(protocol);
    if choices.below(3) == 0 {
        writer.structure(|batch| jaeger_batch(batch, &mut choices));
    } else {
        let name: &[u8] = choices.of(&[b"emitBatch", b"emitBatch", b"emitZipkinBatch"]);
        let kind = choices.of(&[MessageKind::Oneway, MessageKind::Call, MessageKind::Reply]);
        writer.message(&Message { name, kind, sequence: 1 });
        writer.structure(|arguments| {
            arguments.nested(1, |batch| jaeger_batch(batch, &mut choices));
        });
    }
    cut(writer.into_bytes(), &mut choices)
}

fn jaeger_batch(batch: &mut Writer, choices: &mut Choices<'_>) {
    if choices.below(3) > 0 {
        batch.nested(1, |process| {
            for _ in 0..choices.below(4) {
                thrift_field(process, choices, 2);
            }
        });
    }
    let spans = choices.below(4);
    let claimed = claimed(spans, choices);
    batch.list(2, Kind::Struct, claimed, |list| {
        for _ in 0..spans {
            list.structure(|span| {
                span.i64(1, 1);
                span.i64(3, 2);
                for _ in 0..choices.below(12) {
                    thrift_field(span, choices, 3);
                }
            });
        }
    });
    thrift_field(batch, choices, 1);
}

fn thrift_field(writer: &mut Writer, choices: &mut Choices<'_>, depth: usize) {
    let id = choices.of(&[6, 8, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 99, -1]);
    match choices.below(7) {
        0 => writer.bytes(id, choices.of(&WORDS)),
        1 => writer.i64(id, choices.of(&NUMBERS)),
        2 => writer.i32(id, i32::from(choices.byte() % 8)),
        3 => writer.bytes(id, &vec![choices.byte(); choices.of(&LENGTHS)]),
        4 => writer.boolean(id, choices.byte() > 0),
        5 if depth > 0 => writer.nested(id, |inner| {
            for _ in 0..choices.below(5) {
                thrift_field(inner, choices, depth - 1);
            }
        }),
        _ if depth > 0 => {
            let elements = choices.below(5);
            let claimed = claimed(elements, choices);
            writer.list(id, Kind::Struct, claimed, |list| {
                for _ in 0..elements {
                    list.structure(|inner| {
                        for _ in 0..choices.below(6) {
                            thrift_field(inner, choices, depth - 1);
                        }
                    });
                }
            });
        }
        // Lists in each other, of lists in lists.
        _ => writer.list(id, Kind::List, 1, |list| {
            (0..choices.below(80)).for_each(|_| list.put_list(Kind::List, 1));
        }),
    }
}

/// How many elements are said to be there.
fn claimed(elements: usize, choices: &mut Choices<'_>) -> u32 {
    match choices.below(16) {
        1 => u32::MAX,
        2 => 1 << 31,
        3 => 1_000,
        _ => elements as u32,
    }
}

/// What came of it, or a part.
fn cut(mut bytes: Vec<u8>, choices: &mut Choices<'_>) -> Vec<u8> {
    if choices.byte() > 0xf0 {
        bytes.truncate(choices.below(256));
    }
    bytes
}
