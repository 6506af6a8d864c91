//! Values read as another kind, where a converter takes anything like it.

use std::borrow::Cow;

use crate::{
    compare::as_double,
    convert::json,
    value::{Value, hex},
};

/// The text of a value; `None` of nil.
pub(super) fn text(value: Value<'_>) -> Result<Option<Cow<'_, [u8]>>, ()> {
    let text: Cow<'_, [u8]> = match value {
        Value::Nil | Value::Empty => return Ok(None),
        Value::Str(text) => text.into(),
        Value::Bytes(bytes) => hex(bytes).into_bytes().into(),
        Value::Double(number) => json::double(number, 2).ok_or(())?.into_bytes().into(),
        other => json::of(other).ok_or(())?.into_bytes().into(),
    };
    Ok(Some(text))
}

/// The integer of a value; `None` of nil.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
pub(super) fn int(value: Value<'_>) -> Result<Option<i64>, ()> {
    Ok(Some(match value {
        Value::Nil | Value::Empty => return Ok(None),
        Value::Int(number) => number,
        Value::Double(number) => {
            let fits = number >= as_double(i64::MIN) && number < -as_double(i64::MIN);
            if fits { number as i64 } else { i64::MIN }
        }
        Value::Bool(value) => i64::from(value),
        Value::Str(text) => str::from_utf8(text).ok().and_then(|t| t.parse().ok()).ok_or(())?,
        _ => return Err(()),
    }))
}

/// The floating-point number of a value; `None` of nil.
pub(super) fn double(value: Value<'_>) -> Result<Option<f64>, ()> {
    Ok(Some(match value {
        Value::Nil | Value::Empty => return Ok(None),
        Value::Double(number) => number,
        Value::Int(number) => as_double(number),
        Value::Bool(value) => f64::from(u8::from(value)),
        Value::Str(text) => str::from_utf8(text).ok().and_then(parse_double).ok_or(())?,
        _ => return Err(()),
    }))
}

/// The boolean of a value; `None` of nil.
pub(super) fn bool(value: Value<'_>) -> Result<Option<bool>, ()> {
    Ok(Some(match value {
        Value::Nil | Value::Empty => return Ok(None),
        Value::Bool(value) => value,
        Value::Int(number) => number != 0,
        Value::Double(number) => number != 0.0,
        Value::Str(b"1" | b"t" | b"T" | b"TRUE" | b"true" | b"True") => true,
        Value::Str(b"0" | b"f" | b"F" | b"FALSE" | b"false" | b"False") => false,
        _ => return Err(()),
    }))
}

/// The bytes of a value; none of nil.
pub(super) fn bytes(value: Value<'_>) -> Option<Cow<'_, [u8]>> {
    Some(match value {
        Value::Nil | Value::Empty => Cow::Borrowed(&[]),
        Value::Bytes(bytes) | Value::Str(bytes) => bytes.into(),
        Value::Int(number) => number.to_be_bytes().to_vec().into(),
        Value::Double(number) => number.to_be_bytes().to_vec().into(),
        Value::Bool(value) => vec![u8::from(value)].into(),
        _ => return None,
    })
}

/// The number that a text writes, in the forms that Go reads.
fn parse_double(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    if ["inf", "infinity"].iter().any(|name| unsigned.eq_ignore_ascii_case(name)) {
        return Some(sign * f64::INFINITY);
    }
    if unsigned.eq_ignore_ascii_case("nan") {
        return (unsigned.len() == text.len()).then_some(f64::NAN);
    }
    let is_hex = unsigned.starts_with("0x") || unsigned.starts_with("0X");
    let digits = without_underscores(unsigned, is_hex)?;
    let number = match digits.get(2..) {
        Some(hex) if is_hex => parse_hex_double(hex)?,
        _ if digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) =>
        {
            digits.parse().ok()?
        }
        _ => return None,
    };
    number.is_finite().then_some(sign * number)
}

/// The text without the `_`s that stand between two digits; `None` when others do.
fn without_underscores(text: &str, is_hex: bool) -> Option<Cow<'_, str>> {
    if !text.contains('_') {
        return Some(text.into());
    }
    let digit = |byte: Option<&u8>| match byte {
        Some(byte) if is_hex => byte.is_ascii_hexdigit() || matches!(byte, b'x' | b'X'),
        Some(byte) => byte.is_ascii_digit(),
        None => false,
    };
    let bytes = text.as_bytes();
    let between = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_').all(|(at, _)| {
        digit(at.checked_sub(1).and_then(|before| bytes.get(before))) && digit(bytes.get(at + 1))
    });
    between.then(|| text.replace('_', "").into())
}

/// `1.8p3`: digits behind `0x`, and the power of two that they are multiplied by.
fn parse_hex_double(text: &str) -> Option<f64> {
    let (mantissa, power) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    let mut number = 0.0_f64;
    for digit in whole.chars().chain(fraction.chars()) {
        number = number.mul_add(16.0, f64::from(digit.to_digit(16)?));
    }
    let power: i32 = power.parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    Some(number * 2.0_f64.powi(power.checked_sub(places)?))
}
