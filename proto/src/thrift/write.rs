//! The writer.

use super::kind::{Kind, Protocol};
use super::message::{Message, head};
use crate::wire::put_varint;

/// Writes values in one protocol. Those of a struct are written by [`structure`](Self::structure) or
/// the methods with an id; those in containers by the methods whose name begins with `put`.
#[derive(Clone, Debug)]
pub struct Writer {
    out: Vec<u8>,
    protocol: Protocol,
    /// The id of the last field of the struct that is being written.
    last: i16,
}

impl Writer {
    /// A writer of nothing yet.
    #[must_use]
    pub const fn new(protocol: Protocol) -> Self {
        Self { out: Vec::new(), protocol, last: 0 }
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// The head of a message; a struct of the arguments is to follow.
    pub fn message(&mut self, message: &Message<'_>) {
        let (head, sequence) = head(message, self.protocol);
        self.out.extend_from_slice(&head);
        self.put_bytes(message.name);
        if let Some(sequence) = sequence {
            self.put_i32(sequence);
        }
    }

    /// A struct that is no field: an element, arguments, or what stands alone.
    pub fn structure(&mut self, fields: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.last, 0);
        fields(self);
        self.out.push(0);
        self.last = outer;
    }

    /// A field with a struct.
    pub fn nested(&mut self, id: i16, fields: impl FnOnce(&mut Self)) {
        self.field(id, Kind::Struct);
        self.structure(fields);
    }

    /// A field with a list of `count` elements of `kind`, which `elements` writes.
    pub fn list(&mut self, id: i16, kind: Kind, count: u32, elements: impl FnOnce(&mut Self)) {
        self.field(id, Kind::List);
        self.put_list(kind, count);
        elements(self);
    }

    /// A field with a boolean.
    pub fn boolean(&mut self, id: i16, value: bool) {
        match self.protocol {
            Protocol::Binary => {
                self.field(id, Kind::Bool);
                self.out.push(u8::from(value));
            }
            Protocol::Compact => self.compact_field(id, if value { 1 } else { 2 }),
        }
    }

    /// A field with a number of 16 bits.
    pub fn i16(&mut self, id: i16, value: i16) {
        self.field(id, Kind::I16);
        self.put_i16(value);
    }

    /// A field with a number of 32 bits.
    pub fn i32(&mut self, id: i16, value: i32) {
        self.field(id, Kind::I32);
        self.put_i32(value);
    }

    /// A field with a number of 64 bits.
    pub fn i64(&mut self, id: i16, value: i64) {
        self.field(id, Kind::I64);
        self.put_i64(value);
    }

    /// A field with a number with a fraction.
    pub fn double(&mut self, id: i16, value: f64) {
        self.field(id, Kind::Double);
        self.out.extend_from_slice(&match self.protocol {
            Protocol::Binary => value.to_be_bytes(),
            Protocol::Compact => value.to_le_bytes(),
        });
    }

    /// A field with bytes.
    pub fn bytes(&mut self, id: i16, value: &[u8]) {
        self.field(id, Kind::Bytes);
        self.put_bytes(value);
    }

    /// A field with text.
    pub fn text(&mut self, id: i16, value: &str) {
        self.bytes(id, value.as_bytes());
    }

    /// The head of a list of `count` elements of `kind`, which are to follow.
    pub fn put_list(&mut self, kind: Kind, count: u32) {
        let number = kind.number(self.protocol);
        match self.protocol {
            Protocol::Binary => {
                self.out.push(number);
                self.out.extend_from_slice(&count.to_be_bytes());
            }
            Protocol::Compact => match u8::try_from(count) {
                Ok(few @ 0..15) => self.out.push(few << 4 | number),
                _ => {
                    self.out.push(0xf0 | number);
                    put_varint(&mut self.out, u64::from(count));
                }
            },
        }
    }

    /// A number of 16 bits.
    pub fn put_i16(&mut self, value: i16) {
        match self.protocol {
            Protocol::Binary => self.out.extend_from_slice(&value.to_be_bytes()),
            Protocol::Compact => self.put_i64(i64::from(value)),
        }
    }

    /// A number of 32 bits.
    pub fn put_i32(&mut self, value: i32) {
        match self.protocol {
            Protocol::Binary => self.out.extend_from_slice(&value.to_be_bytes()),
            Protocol::Compact => self.put_i64(i64::from(value)),
        }
    }

    /// A number of 64 bits.
    pub fn put_i64(&mut self, value: i64) {
        match self.protocol {
            Protocol::Binary => self.out.extend_from_slice(&value.to_be_bytes()),
            Protocol::Compact => {
                put_varint(&mut self.out, (value << 1 ^ value >> 63).cast_unsigned());
            }
        }
    }

    /// Bytes or text.
    ///
    /// What is longer than a length can tell, 4 GiB, is cut.
    pub fn put_bytes(&mut self, value: &[u8]) {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        match self.protocol {
            Protocol::Binary => self.out.extend_from_slice(&length.to_be_bytes()),
            Protocol::Compact => put_varint(&mut self.out, u64::from(length)),
        }
        self.out.extend(value.iter().take(length as usize));
    }

    /// The head of a field, whose value is to follow; not for booleans.
    fn field(&mut self, id: i16, kind: Kind) {
        let number = kind.number(self.protocol);
        match self.protocol {
            Protocol::Binary => {
                self.out.push(number);
                self.out.extend_from_slice(&id.to_be_bytes());
            }
            Protocol::Compact => self.compact_field(id, number),
        }
    }

    fn compact_field(&mut self, id: i16, number: u8) {
        match u8::try_from(i32::from(id) - i32::from(self.last)) {
            Ok(distance @ 1..16) => self.out.push(distance << 4 | number),
            _ => {
                self.out.push(number);
                self.put_i64(i64::from(id));
            }
        }
        self.last = id;
    }
}
