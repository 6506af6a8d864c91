use proptest::prelude::*;

use super::*;

const BOTH: [Protocol; 2] = [Protocol::Binary, Protocol::Compact];

/// Any value, as it is read and written.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Bool(bool),
    I16(i16),
    I32(i32),
    I64(i64),
    Double(u64),
    Bytes(Vec<u8>),
    Struct(Vec<(i16, Tree)>),
    List(Vec<Vec<(i16, Tree)>>),
    Numbers(Vec<i64>),
}

fn put(writer: &mut Writer, id: i16, tree: &Tree) {
    match tree {
        Tree::Bool(value) => writer.boolean(id, *value),
        Tree::I16(value) => writer.i16(id, *value),
        Tree::I32(value) => writer.i32(id, *value),
        Tree::I64(value) => writer.i64(id, *value),
        Tree::Double(bits) => writer.double(id, f64::from_bits(*bits)),
        Tree::Bytes(value) => writer.bytes(id, value),
        Tree::Struct(fields) => writer.nested(id, |writer| put_all(writer, fields)),
        Tree::List(all) => {
            let count = u32::try_from(all.len()).unwrap();
            writer.list(id, Kind::Struct, count, |writer| {
                all.iter().for_each(|one| writer.structure(|writer| put_all(writer, one)));
            });
        }
        Tree::Numbers(all) => {
            let count = u32::try_from(all.len()).unwrap();
            let numbers = |writer: &mut Writer| all.iter().for_each(|one| writer.put_i64(*one));
            writer.list(id, Kind::I64, count, numbers);
        }
    }
}

fn put_all(writer: &mut Writer, fields: &[(i16, Tree)]) {
    fields.iter().for_each(|(id, tree)| put(writer, *id, tree));
}

fn written(fields: &[(i16, Tree)], protocol: Protocol) -> Vec<u8> {
    let mut writer = Writer::new(protocol);
    writer.structure(|writer| put_all(writer, fields));
    writer.into_bytes()
}

fn read(cursor: &mut Cursor<'_>) -> Result<Vec<(i16, Tree)>, ThriftError> {
    let (mut fields, mut found) = (cursor.fields(), Vec::new());
    while let Some(field) = cursor.next_field(&mut fields)? {
        let value = match field.kind {
            Kind::Bool => Tree::Bool(cursor.boolean()?),
            Kind::I16 => Tree::I16(cursor.i16()?),
            Kind::I32 => Tree::I32(cursor.i32()?),
            Kind::I64 => Tree::I64(cursor.i64()?),
            Kind::Double => Tree::Double(cursor.double()?.to_bits()),
            Kind::Bytes => Tree::Bytes(cursor.bytes()?.to_vec()),
            Kind::Struct => Tree::Struct(read(cursor)?),
            Kind::List => {
                let List { kind, count } = cursor.list()?;
                if kind == Kind::I64 {
                    Tree::Numbers((0..count).map(|_| cursor.i64()).collect::<Result<_, _>>()?)
                } else {
                    Tree::List((0..count).map(|_| read(cursor)).collect::<Result<_, _>>()?)
                }
            }
            kind => {
                cursor.skip(kind)?;
                continue;
            }
        };
        found.push((field.id, value));
    }
    Ok(found)
}

fn trees() -> impl Strategy<Value = Vec<(i16, Tree)>> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Tree::Bool),
        any::<i16>().prop_map(Tree::I16),
        any::<i32>().prop_map(Tree::I32),
        any::<i64>().prop_map(Tree::I64),
        any::<u64>().prop_map(Tree::Double),
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(Tree::Bytes),
        proptest::collection::vec(any::<i64>(), 0..20).prop_map(Tree::Numbers),
    ];
    let tree = leaf.prop_recursive(4, 32, 4, |inner| {
        let fields = proptest::collection::vec((any::<i16>(), inner), 0..4);
        prop_oneof![
            fields.clone().prop_map(Tree::Struct),
            proptest::collection::vec(fields, 0..18).prop_map(Tree::List),
        ]
    });
    proptest::collection::vec((any::<i16>(), tree), 0..6)
}

proptest! {
    #[test]
    fn prop_what_is_written_is_read_and_skipped_and_no_part_of_it_is_whole(fields in trees()) {
        for protocol in BOTH {
            let bytes = written(&fields, protocol);
            let mut cursor = Cursor::new(&bytes, protocol);
            prop_assert_eq!(read(&mut cursor), Ok(fields.clone()));
            prop_assert_eq!(cursor.left(), 0);
            let mut cursor = Cursor::new(&bytes, protocol);
            prop_assert_eq!(cursor.skip(Kind::Struct), Ok(()));
            prop_assert_eq!(cursor.position(), bytes.len());
            // Of long ones, about a hundred beginnings.
            for end in (0..bytes.len()).step_by(1 + bytes.len() / 100) {
                let mut cursor = Cursor::new(&bytes[..end], protocol);
                prop_assert!(read(&mut cursor).is_err(), "{} bytes", end);
                prop_assert!(Cursor::new(&bytes[..end], protocol).skip(Kind::Struct).is_err());
            }
        }
    }

    #[test]
    fn prop_any_bytes_are_read_or_refused_within_their_end(
        bytes in proptest::collection::vec(prop_oneof![0..16_u8, any::<u8>()], 0..200),
    ) {
        for protocol in BOTH {
            for kind in [Kind::Struct, Kind::List, Kind::Map, Kind::Set, Kind::Bytes, Kind::Bool] {
                let mut cursor = Cursor::new(&bytes, protocol);
                let skipped = cursor.skip(kind);
                prop_assert!(cursor.position() <= bytes.len());
                prop_assert!(skipped.is_err() || cursor.position() > 0);
            }
            let mut cursor = Cursor::new(&bytes, protocol);
            let _ = cursor.message();
            let _ = read(&mut cursor);
            prop_assert!(cursor.position() <= bytes.len());
        }
    }

    #[test]
    fn prop_heads_of_messages_are_read_back(
        name in proptest::collection::vec(any::<u8>(), 0..20),
        sequence: i32,
    ) {
        for protocol in BOTH {
            for kind in [
                MessageKind::Call, MessageKind::Reply, MessageKind::Exception, MessageKind::Oneway,
            ] {
                let message = Message { name: &name, kind, sequence };
                let mut writer = Writer::new(protocol);
                writer.message(&message);
                let bytes = writer.into_bytes();
                let mut cursor = Cursor::new(&bytes, protocol);
                prop_assert_eq!(cursor.message(), Ok(message));
                prop_assert_eq!(cursor.left(), 0);
            }
        }
    }
}

/// Bytes as other implementations write them.
#[test]
fn values_are_where_the_protocols_put_them() {
    let fields = vec![
        (1, Tree::I64(-2)),
        (2, Tree::Bool(false)),
        (20, Tree::Bytes(b"hi".to_vec())),
        (3, Tree::Numbers(vec![1])),
    ];
    let binary = [
        &[10, 0, 1, 255, 255, 255, 255, 255, 255, 255, 254, 2, 0, 2, 0, 11, 0, 20, 0, 0, 0, 2][..],
        b"hi",
        &[15, 0, 3, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0],
    ];
    assert_eq!(written(&fields, Protocol::Binary), binary.concat());
    // Ids of fields by distance; one that goes back is told in full, as zigzag.
    let compact = [&[0x16, 3, 0x12, 0x08, 40, 2][..], b"hi", &[0x09, 6, 0x16, 2, 0]].concat();
    assert_eq!(written(&fields, Protocol::Compact), compact);
    // 1.0 is big-endian in the one and little-endian in the other.
    let one = [(1, Tree::Double(1.0_f64.to_bits()))];
    assert_eq!(written(&one, Protocol::Binary), [4, 0, 1, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(written(&one, Protocol::Compact), [0x17, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0]);
}

#[test]
fn messages_of_old_begin_with_their_name() {
    let bytes = [0, 0, 0, 9, b'e', b'm', b'i', b't', b'B', b'a', b't', b'c', b'h', 1, 0, 0, 0, 7];
    let message = Cursor::new(&bytes, Protocol::Binary).message();
    let wanted = Message { name: b"emitBatch", kind: MessageKind::Call, sequence: 7 };
    assert_eq!(message, Ok(wanted));
}

#[test]
fn malformed_bytes_are_told_with_their_place() {
    use Protocol::{Binary, Compact};
    let cases: [(Protocol, Kind, &[u8], ThriftError); 12] = [
        (Binary, Kind::Struct, &[], ThriftError::Truncated { at: 0 }),
        (Binary, Kind::Struct, &[8, 0, 1, 0], ThriftError::Truncated { at: 4 }),
        (Binary, Kind::Struct, &[9, 0, 1], ThriftError::Kind { at: 1, kind: 9 }),
        (
            Binary,
            Kind::Bytes,
            &[255, 255, 255, 255, 1],
            ThriftError::Length { at: 4, length: u32::MAX, left: 1 },
        ),
        (
            Binary,
            Kind::List,
            &[12, 0x7f, 255, 255, 255, 0, 0],
            ThriftError::Count { at: 5, count: i32::MAX.unsigned_abs(), left: 2 },
        ),
        (
            Binary,
            Kind::List,
            &[10, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0],
            ThriftError::Count { at: 5, count: 2, left: 8 },
        ),
        (
            Binary,
            Kind::Map,
            &[2, 2, 0, 0, 0, 2, 1, 1, 1],
            ThriftError::Count { at: 6, count: 2, left: 3 },
        ),
        (Binary, Kind::List, &[1, 0, 0, 0, 1, 1], ThriftError::Kind { at: 1, kind: 1 }),
        (
            Compact,
            Kind::List,
            &[0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f, 0],
            ThriftError::Count { at: 6, count: u32::MAX, left: 1 },
        ),
        (Compact, Kind::Bytes, &[0xff, 0xff, 0xff, 0xff, 0x1f], ThriftError::Number { at: 0 }),
        (
            Compact,
            Kind::I64,
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            ThriftError::Number { at: 0 },
        ),
        (Compact, Kind::Struct, &[0x1e], ThriftError::Kind { at: 1, kind: 14 }),
    ];
    for (protocol, kind, bytes, error) in cases {
        assert_eq!(Cursor::new(bytes, protocol).skip(kind), Err(error), "{bytes:02x?}");
    }
    let messages: [(Protocol, &[u8], ThriftError); 4] = [
        (
            Binary,
            &[0x80, 2, 0, 1],
            ThriftError::Version { at: 0, found: 0x8002_0001, protocol: "binary" },
        ),
        (Binary, &[0x80, 1, 0, 9], ThriftError::MessageKind { at: 0, kind: 9 }),
        (
            Compact,
            &[0x82, 0x22, 0],
            ThriftError::Version { at: 0, found: 0x8222, protocol: "compact" },
        ),
        (Compact, &[0x82, 0x01, 0], ThriftError::MessageKind { at: 0, kind: 0 }),
    ];
    for (protocol, bytes, error) in messages {
        assert_eq!(Cursor::new(bytes, protocol).message(), Err(error), "{bytes:02x?}");
    }
}

#[test]
fn what_is_skipped_is_nested_to_a_bounded_depth() {
    for protocol in BOTH {
        let nested = |depth: usize| {
            let mut bytes = Vec::new();
            for _ in 1..depth {
                bytes.extend_from_slice(match protocol {
                    Protocol::Binary => &[12, 0, 1],
                    Protocol::Compact => &[0x1c],
                });
            }
            bytes.extend(std::iter::repeat_n(0, depth));
            bytes
        };
        let skip = |depth| Cursor::new(&nested(depth), protocol).skip(Kind::Struct);
        assert_eq!(skip(DEPTH_MAX), Ok(()));
        let at = nested(DEPTH_MAX + 1).len() - DEPTH_MAX - 1;
        assert_eq!(skip(DEPTH_MAX + 1), Err(ThriftError::Depth { at }));
        // Also far beyond it, and in lists of lists.
        assert_eq!(skip(1_000_000), Err(ThriftError::Depth { at }));
        let lists: Vec<u8> = match protocol {
            Protocol::Binary => [15, 0, 0, 0, 1].repeat(100_000),
            Protocol::Compact => vec![0x19; 100_000],
        };
        let skipped = Cursor::new(&lists, protocol).skip(Kind::List);
        assert!(matches!(skipped, Err(ThriftError::Depth { .. })), "{skipped:?}");
    }
}

#[test]
fn empty_containers_need_no_known_type() {
    for (protocol, bytes) in [(Protocol::Binary, &[0, 0, 0, 0, 0][..]), (Protocol::Compact, &[0])] {
        let mut cursor = Cursor::new(bytes, protocol);
        assert_eq!(cursor.list_of(Kind::Struct), Ok(0));
        assert_eq!(cursor.left(), 0);
    }
    let map = Map { kinds: None, count: 0 };
    assert_eq!(Cursor::new(&[0], Protocol::Compact).map(), Ok(map));
    assert_eq!(Cursor::new(&[0, 0, 0, 0, 0, 0], Protocol::Binary).map(), Ok(map));
}

#[test]
fn lists_of_another_kind_are_passed_over() {
    for protocol in BOTH {
        let mut writer = Writer::new(protocol);
        writer.put_list(Kind::I64, 3);
        (1..4).for_each(|number| writer.put_i64(number));
        writer.put_i16(-7);
        let bytes = writer.into_bytes();
        let mut cursor = Cursor::new(&bytes, protocol);
        assert_eq!(cursor.list_of(Kind::Struct), Ok(0));
        assert_eq!(cursor.i16(), Ok(-7));
    }
}
