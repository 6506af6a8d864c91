//! Messages by the names of their fields, in protobuf and in Thrift.
//!
//! A message is a mapping of names to values. Of a field that takes bytes a text stands for hex; of
//! one that takes text `{hex: "ff"}` stands for bytes; a list stands for a field that is there more
//! than once.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use wholetrace_proto::thrift::{Kind, Writer};

/// What a field takes.
#[derive(Clone, Copy)]
pub(super) enum Type {
    Text,
    /// Hex.
    Bytes,
    Bool,
    /// Of protobuf: a number, or in a text its hex.
    Integer,
    I16,
    I32,
    I64,
    Fixed64,
    Double,
    Message(Schema),
    /// Of texts, as a list of entries.
    Map,
    /// Of Jaeger: messages, or a mapping of keys to values that stands for them.
    Tags(Schema),
}

/// Names, numbers and types of the fields of a message.
pub(super) type Schema = &'static [(&'static str, i16, Type)];

fn fields(message: &Value, schema: Schema) -> impl Iterator<Item = (u16, Type, &Value)> {
    let fields = message.as_object().unwrap_or_else(|| panic!("{message} is no message"));
    let known = |name: &str| {
        let found = schema.iter().find(|(known, ..)| *known == name);
        found.unwrap_or_else(|| panic!("no field is called `{name}`"))
    };
    let given = fields.iter().filter(|(_, value)| !value.is_null());
    given.map(move |(name, value)| {
        let (_, number, kind) = known(name);
        (number.unsigned_abs(), *kind, value)
    })
}

/// What a text stands for.
pub(super) fn bytes(value: &Value, kind: Type) -> Vec<u8> {
    let hex = |text: &str| {
        let text = text.trim_start_matches("0x");
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
        (0..text.len()).step_by(2).map(byte).collect()
    };
    match value {
        Value::String(text) if matches!(kind, Type::Bytes) => hex(text),
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Object(map) => hex(map["hex"].as_str().expect("hex")),
        other => panic!("{other} is no text"),
    }
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::String(text) => u64::from_str_radix(text, 16).expect("hex").cast_signed(),
        Value::Bool(value) => i64::from(*value),
        value => value
            .as_i64()
            .or_else(|| value.as_u64().map(u64::cast_signed))
            .unwrap_or_else(|| panic!("{value} is no integer")),
    }
}

/// Appends `message` in protobuf.
pub(super) fn protobuf(out: &mut Vec<u8>, message: &Value, schema: Schema) {
    for (number, kind, value) in fields(message, schema) {
        let (kind, value) = plain(kind, value, &JAEGER_TYPES);
        let values = match &*value {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        values.iter().for_each(|value| protobuf_field(out, number, kind, value));
    }
}

fn protobuf_field(out: &mut Vec<u8>, number: u16, kind: Type, value: &Value) {
    let tag = |wire: u64| u64::from(number) << 3 | wire;
    match kind {
        Type::Bool | Type::Integer | Type::I16 | Type::I32 | Type::I64 => {
            varint(out, tag(0));
            varint(out, integer(value).cast_unsigned());
        }
        Type::Fixed64 => {
            varint(out, tag(1));
            out.extend(integer(value).to_le_bytes());
        }
        Type::Double => {
            varint(out, tag(1));
            out.extend(value.as_f64().expect("a number").to_le_bytes());
        }
        Type::Text | Type::Bytes => protobuf_bytes(out, number, &bytes(value, kind)),
        Type::Message(schema) => {
            let mut message = Vec::new();
            protobuf(&mut message, value, schema);
            protobuf_bytes(out, number, &message);
        }
        Type::Tags(_) => unreachable!("tags are messages"),
        Type::Map => {
            for (key, value) in value.as_object().expect("a mapping") {
                let mut entry = Vec::new();
                protobuf_bytes(&mut entry, 1, key.as_bytes());
                protobuf_bytes(&mut entry, 2, &bytes(value, Type::Text));
                protobuf_bytes(out, number, &entry);
            }
        }
    }
}

fn protobuf_bytes(out: &mut Vec<u8>, number: u16, bytes: &[u8]) {
    varint(out, u64::from(number) << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The numbers for text, booleans, integers, numbers with a fraction and bytes in Jaeger's messages.
const JAEGER_TYPES: [i32; 5] = [0, 1, 2, 3, 4];

/// The same numbers in Jaeger's structs.
const JAEGER_THRIFT_TYPES: [i32; 5] = [0, 2, 3, 1, 4];

/// Tags as the messages that they are, with these numbers for types; anything else as it is.
fn plain<'v>(kind: Type, value: &'v Value, types: &[i32; 5]) -> (Type, Cow<'v, Value>) {
    let Type::Tags(schema) = kind else { return (kind, Cow::Borrowed(value)) };
    let Value::Object(tags) = value else { return (Type::Message(schema), Cow::Borrowed(value)) };
    let tag = |(key, value): (&String, &Value)| match value {
        Value::String(_) => json!({ "key": key, "v_type": types[0], "v_str": value }),
        Value::Bool(_) => json!({ "key": key, "v_type": types[1], "v_bool": value }),
        Value::Number(number) if number.is_f64() => {
            json!({ "key": key, "v_type": types[3], "v_float64": value })
        }
        Value::Number(_) => json!({ "key": key, "v_type": types[2], "v_int64": value }),
        _ => json!({ "key": key, "v_type": types[4], "v_binary": value }),
    };
    (Type::Message(schema), Cow::Owned(tags.iter().map(tag).collect()))
}

/// Appends the fields of `message` in Thrift.
pub(super) fn thrift(out: &mut Writer, message: &Value, schema: Schema) {
    let mut all: Vec<_> = fields(message, schema).collect();
    all.sort_by_key(|(number, ..)| *number);
    for (number, kind, value) in all {
        let id = number.cast_signed();
        let (kind, value) = plain(kind, value, &JAEGER_THRIFT_TYPES);
        match (kind, &*value) {
            (Type::Message(schema), Value::Array(list)) => {
                out.list(id, Kind::Struct, list.len() as u32, |out| {
                    list.iter().for_each(|one| out.structure(|out| thrift(out, one, schema)));
                });
            }
            (Type::Message(schema), one) => out.nested(id, |out| thrift(out, one, schema)),
            (Type::Bool, value) => out.boolean(id, integer(value) != 0),
            (Type::I16, value) => out.i16(id, integer(value) as i16),
            (Type::I32, value) => out.i32(id, integer(value) as i32),
            (Type::I64 | Type::Integer | Type::Fixed64, value) => out.i64(id, integer(value)),
            (Type::Double, value) => out.double(id, value.as_f64().expect("a number")),
            (Type::Text | Type::Bytes | Type::Map | Type::Tags(_), value) => {
                out.bytes(id, &bytes(value, kind));
            }
        }
    }
}

/// `message` with what `defaults` has and it has not; `null` in it leaves a field out.
pub(super) fn with_defaults(message: &Value, defaults: &Value) -> Value {
    let mut all: Map<String, Value> = defaults.as_object().cloned().unwrap_or_default();
    all.extend(message.as_object().cloned().unwrap_or_default());
    all.into()
}
