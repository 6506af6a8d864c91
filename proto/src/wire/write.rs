//! The writer.

use super::field::{FIXED32, FIXED64, LEN, VARINT};

/// How many bytes `number` takes as a varint: 1 to 10.
#[inline]
#[must_use]
pub const fn varint_len(number: u64) -> usize {
    // Seven bits a byte; 0 takes one as well.
    ((70 - (number | 1).leading_zeros()) / 7) as usize
}

/// How many bytes a field of `number` takes whose value has `length` bytes: tag, length and value.
#[inline]
#[must_use]
pub const fn delimited_len(number: u32, length: usize) -> usize {
    varint_len((number as u64) << 3) + varint_len(length as u64) + length
}

/// Appends `number` as a varint of the fewest bytes.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// The tag of field `number`, where it takes one byte.
#[inline]
pub(crate) fn short_tag(number: u32, wire_type: u32) -> Option<u8> {
    (number < 16).then(|| (number << 3 | wire_type).to_le_bytes()[0])
}

/// Appends the tag of field `number` with a wire type.
#[inline]
pub fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u32) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// Appends the tag and the length of a length-delimited field; its `length` bytes are to follow.
#[inline]
pub fn put_delimited_head(out: &mut Vec<u8>, number: u32, length: usize) {
    // Nearly all fields have a tag and a length of one byte each: both at once.
    if let (Some(tag), 0..0x80) = (short_tag(number, LEN), length) {
        out.extend_from_slice(&[tag, length.to_le_bytes()[0]]);
        return;
    }
    put_tag(out, number, LEN);
    put_varint(out, length as u64);
}

/// Appends a length-delimited field: bytes, text or an encoded message.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_delimited_head(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a varint field.
#[inline]
pub fn put_uint(out: &mut Vec<u8>, number: u32, value: u64) {
    if let (Some(tag), 0..0x80) = (short_tag(number, VARINT), value) {
        out.extend_from_slice(&[tag, value.to_le_bytes()[0]]);
        return;
    }
    put_tag(out, number, VARINT);
    put_varint(out, value);
}

/// Appends a fixed64 field (also for a double: its bits).
#[inline]
pub fn put_fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    if let Some(tag) = short_tag(number, FIXED64) {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        out.extend_from_slice(&[tag, a, b, c, d, e, f, g, h]);
        return;
    }
    put_tag(out, number, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a fixed32 field.
#[inline]
pub fn put_fixed32(out: &mut Vec<u8>, number: u32, value: u32) {
    put_tag(out, number, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}
