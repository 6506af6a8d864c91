//! Values as JSON, as Go's `encoding/json` writes them.

use std::fmt::Write;

use crate::{
    limits::DEPTH_MAX,
    value::{Time, Value},
};

/// The value as JSON; `None` when a number in it has no form.
pub(super) fn of(value: Value<'_>) -> Option<String> {
    let mut out = String::new();
    write(value, &mut out, DEPTH_MAX)?;
    Some(out)
}

fn write(value: Value<'_>, out: &mut String, depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Nil | Value::Empty => out.push_str("null"),
        Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Value::Int(number) | Value::Duration(number) => write!(out, "{number}").ok()?,
        Value::Double(number) => out.push_str(&double(number, 1)?),
        Value::Str(text) => quoted(text, out),
        Value::Bytes(bytes) => {
            out.push('"');
            out.push_str(&base64(bytes));
            out.push('"');
        }
        Value::Time(time) => write!(out, "\"{}\"", rfc3339(time)).ok()?,
        Value::TraceId(id) => numbers(&id, out),
        Value::SpanId(id) => numbers(&id, out),
        Value::Several(_) | Value::Status => out.push_str("{}"),
        Value::Map { .. } | Value::List(_) | Value::Made(_) => {
            if let Some(items) = value.items() {
                out.push('[');
                for (index, item) in items.enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    write(item, out, depth)?;
                }
                out.push(']');
            }
            if let Some(entries) = value.entries() {
                let mut entries: Vec<_> = entries.collect();
                entries.sort_by_key(|(key, _)| *key);
                entries.dedup_by_key(|(key, _)| *key);
                out.push('{');
                for (index, (key, entry)) in entries.into_iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    quoted(key, out);
                    out.push(':');
                    write(entry, out, depth)?;
                }
                out.push('}');
            }
        }
    }
    Some(())
}

fn numbers(bytes: &[u8], out: &mut String) {
    let digits: Vec<String> = bytes.iter().map(u8::to_string).collect();
    out.push('[');
    out.push_str(&digits.join(","));
    out.push(']');
}

/// A number as JSON, with an exponent of at least so many digits; `None` when it is infinite or
/// none.
pub(super) fn double(number: f64, exponent_digits: usize) -> Option<String> {
    if !number.is_finite() {
        return None;
    }
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return Some(format!("{number}"));
    }
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    Some(format!("{mantissa}e{sign}{digits:0>exponent_digits$}"))
}

fn quoted(text: &[u8], out: &mut String) {
    out.push('"');
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\x08' => out.push_str("\\b"),
                '\x0c' => out.push_str("\\f"),
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                    // Writing into a text cannot fail.
                    let _ = write!(out, "\\u{:04x}", u32::from(char));
                }
                _ => out.push(char),
            }
        }
        for _ in chunk.invalid() {
            out.push_str("\\ufffd");
        }
    }
    out.push('"');
}

/// Base64 in the usual alphabet, padded.
pub(super) fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The time as RFC 3339 has it, with as many digits of the second as it needs.
pub(super) fn rfc3339(time: Time) -> String {
    let civil = time.civil();
    let mut out = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second
    );
    if time.nanos > 0 {
        let digits = format!("{:09}", time.nanos);
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
    if time.offset == 0 {
        out.push('Z');
    } else {
        let minutes = time.offset.abs() / 60;
        let sign = if time.offset < 0 { '-' } else { '+' };
        // Writing into a text cannot fail.
        let _ = write!(out, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
    }
    out
}
