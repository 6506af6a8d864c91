//! JSON text in the making.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::hex;

/// An object that is being written.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    /// Starts an object.
    pub(crate) fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Starts field `name`; its value is to be appended to what this gives.
    pub(crate) fn field(&mut self, name: &'static str) -> &mut Vec<u8> {
        self.out.extend_from_slice(if self.empty { b"\"" } else { b",\"" });
        self.empty = false;
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// A text field, left out when empty.
    pub(crate) fn text(&mut self, name: &'static str, text: &[u8]) {
        if !text.is_empty() {
            put_text(self.field(name), text);
        }
    }

    /// An id in hexadecimal, left out when it is empty or all zeros.
    pub(crate) fn id(&mut self, name: &'static str, id: &[u8]) {
        if id.iter().any(|byte| *byte != 0) {
            let out = self.field(name);
            out.push(b'"');
            hex::append(out, id);
            out.push(b'"');
        }
    }

    /// A 64-bit number, in quotes, left out when 0.
    pub(crate) fn long(&mut self, name: &'static str, number: u64) {
        if number != 0 {
            put_display(self.field(name), &format_args!("\"{number}\""));
        }
    }

    /// A number of at most 32 bits, left out when 0.
    pub(crate) fn short(&mut self, name: &'static str, number: i64) {
        if number != 0 {
            put_display(self.field(name), &number);
        }
    }

    /// Ends the object.
    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

/// Appends what `value` displays, which must be JSON.
pub(crate) fn put_display(out: &mut Vec<u8>, value: &dyn std::fmt::Display) {
    // Writing to a vector does not fail.
    let _ = write!(out, "{value}");
}

/// Appends `text` as a JSON string; what is not UTF-8 becomes U+FFFD.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    // The check alone is much faster than the repair, which is hardly ever needed.
    if std::str::from_utf8(text).is_ok() {
        put_escaped(out, text);
    } else {
        put_escaped(out, String::from_utf8_lossy(text).as_bytes());
    }
    out.push(b'"');
}

/// Appends `bytes` as a JSON string in base64.
pub(crate) fn put_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    put_display(out, &format_args!("\"{}\"", STANDARD.encode(bytes)));
}

/// Appends a floating-point number; those that JSON has no word for, as the strings of the
/// JSON mapping of protobuf.
pub(crate) fn put_float(out: &mut Vec<u8>, number: f64) {
    if number.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if number.is_infinite() {
        let word = if number > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" };
        out.extend_from_slice(word.as_bytes());
    } else {
        // The shortest text that reads back as the same number.
        put_display(out, &format_args!("{number:?}"));
        if out.ends_with(b".0") {
            out.truncate(out.len() - 2);
        }
    }
}

fn put_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    let mut rest = text;
    while let Some((plain, byte, after)) = rest
        .iter()
        .position(special)
        .and_then(|at| Some((rest.get(..at)?, *rest.get(at)?, rest.get(at + 1..)?)))
    {
        out.extend_from_slice(plain);
        put_escape(out, byte);
        rest = after;
    }
    out.extend_from_slice(rest);
}

fn put_escape(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        b'"' | b'\\' => out.extend([b'\\', byte]),
        _ => {
            out.extend_from_slice(b"\\u00");
            hex::append(out, &[byte]);
        }
    }
}
