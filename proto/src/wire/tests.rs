use proptest::prelude::*;

use super::*;

fn fields(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, WireError> {
    let mut cursor = Cursor::new(bytes);
    let mut fields = Vec::new();
    while let Some(field) = cursor.next_field()? {
        fields.push((field.number, field.value));
    }
    Ok(fields)
}

/// `depth` groups in one another.
fn groups(depth: usize) -> Vec<u8> {
    [vec![0x0b; depth], vec![0x0c; depth]].concat()
}

#[test]
fn fields_of_every_wire_type_are_read() {
    let mut bytes = Vec::new();
    put_uint(&mut bytes, 1, 300);
    put_fixed64(&mut bytes, 2, 7);
    put_bytes(&mut bytes, 3, b"text");
    put_fixed32(&mut bytes, 536_870_911, 9);
    bytes.extend([0x23, 0x08, 0x01, 0x24]);
    let wanted = vec![
        (1, Value::Varint(300)),
        (2, Value::Fixed64(7)),
        (3, Value::Bytes(b"text")),
        (536_870_911, Value::Fixed32(9)),
        (4, Value::Group),
    ];
    assert_eq!(fields(&bytes), Ok(wanted));
}

#[test]
fn malformed_bytes_are_told_with_their_place() {
    let cases: [(&[u8], WireError); 13] = [
        (&[0x08], WireError::Truncated { at: 1 }),
        (&[0x08, 0x80], WireError::Truncated { at: 2 }),
        (&[0x09, 1, 2, 3], WireError::Truncated { at: 4 }),
        (&[0x0d, 1, 2, 3], WireError::Truncated { at: 4 }),
        (&[0x0a, 5, 1], WireError::Length { at: 2, length: 5, left: 1 }),
        (&[0x08, 1, 0x02, 0], WireError::FieldNumber { at: 2 }),
        (&[0x80, 0x80, 0x80, 0x80, 0x10, 0], WireError::FieldNumber { at: 0 }),
        (&[0x0e], WireError::WireType { at: 0, wire_type: 6 }),
        (&[0x0f], WireError::WireType { at: 0, wire_type: 7 }),
        (&[0x0c], WireError::GroupEnd { at: 0 }),
        (&[0x0b, 0x14], WireError::GroupEnd { at: 1 }),
        (&[0x0b, 0x08, 0x01], WireError::Truncated { at: 3 }),
        (&[0x0b, 0x0e], WireError::WireType { at: 1, wire_type: 6 }),
    ];
    for (bytes, error) in cases {
        assert_eq!(fields(bytes), Err(error), "{bytes:02x?}");
    }
}

#[test]
fn a_length_of_any_size_is_compared_with_what_is_left() {
    let mut bytes = vec![0x0a];
    put_varint(&mut bytes, u64::MAX);
    bytes.push(1);
    assert_eq!(fields(&bytes), Err(WireError::Length { at: 11, length: u64::MAX, left: 1 }));
}

#[test]
fn numbers_have_64_bits_at_most() {
    let most = [vec![0x08], vec![0xff; 9], vec![0x01]].concat();
    assert_eq!(fields(&most), Ok(vec![(1, Value::Varint(u64::MAX))]));
    let more = [vec![0x08], vec![0xff; 9], vec![0x02]].concat();
    assert_eq!(fields(&more), Err(WireError::Varint { at: 1 }));
    let endless = [vec![0x08], vec![0x80; 100]].concat();
    assert_eq!(fields(&endless), Err(WireError::Varint { at: 1 }));
    // Padded with zeros, which is legal.
    assert_eq!(fields(&[0x08, 0x81, 0x80, 0x00]), Ok(vec![(1, Value::Varint(1))]));
}

#[test]
fn groups_are_skipped_to_a_bounded_depth() {
    assert_eq!(fields(&groups(GROUP_DEPTH_MAX)), Ok(vec![(1, Value::Group)]));
    let at = GROUP_DEPTH_MAX;
    assert_eq!(fields(&groups(GROUP_DEPTH_MAX + 1)), Err(WireError::GroupDepth { at }));
}

#[test]
fn positions_in_a_nested_message_are_those_of_the_buffer() {
    let bytes = [0xff, 0xff, 0x08, 0x01, 0x12, 0x01, 0xff, 0xff];
    let mut cursor = Cursor::within(&bytes, 2..7);
    assert_eq!(cursor.next_field().map(|field| field.map(|field| field.range)), Ok(Some(2..4)));
    assert_eq!(cursor.next_field().map(|field| field.map(|field| field.range)), Ok(Some(4..7)));
    assert_eq!(cursor.next_field(), Ok(None));
    // A range beyond the buffer is a message cut short.
    assert_eq!(Cursor::within(&bytes, 9..12).next_field(), Ok(None));
    assert!(Cursor::within(&bytes, 4..99).next_field().is_ok());
}

#[test]
fn a_field_of_another_type_is_refused_by_name() {
    let mut cursor = Cursor::new(&[0x10, 0x05]);
    let field = cursor.next_field().unwrap().unwrap();
    let error = field.bytes("ResourceSpans").unwrap_err();
    assert_eq!(error.to_string(), "field `2` of `ResourceSpans` at byte `2` has a wrong wire type");
    assert_eq!(field.varint("ResourceSpans"), Ok(5));
    assert!(field.fixed64("ResourceSpans").is_err());
}

proptest! {
    #[test]
    fn prop_what_is_written_reads_back_in_the_length_foretold(
        number in 1..=536_870_911_u32,
        value: u64,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut out = Vec::new();
        put_varint(&mut out, value);
        prop_assert_eq!(out.len(), varint_len(value));
        out.clear();
        put_bytes(&mut out, number, &bytes);
        prop_assert_eq!(out.len(), delimited_len(number, bytes.len()));
        put_uint(&mut out, number, value);
        put_bytes(&mut out, number, &bytes);
        let field = (number, Value::Bytes(&bytes));
        let wanted = vec![field, (number, Value::Varint(value)), field];
        prop_assert_eq!(fields(&out), Ok(wanted));
    }
}
