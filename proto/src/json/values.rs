//! Single values of a span, read as leniently as the Collector reads them.
//!
//! Each function consumes one value. `null` is an absent field: `None`. Numbers stand bare or in
//! quotes. A value that cannot be what the field is costs its span, not the document.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::error::ReadError;
use super::kind::Kind;
use super::number;
use super::reader::Reader;
use crate::hex;
use crate::reject::{SHOWN_CHARACTERS, SpanReject};

type Result<T> = std::result::Result<Option<T>, ReadError>;

/// The error for `value` of `field`, of the kind that `reject` makes.
#[cold]
pub(crate) fn bad_value(
    reject: fn(String) -> SpanReject,
    at: usize,
    field: &str,
    value: &str,
    wanted: &str,
) -> ReadError {
    SpanReject::of_value(reject, at, field, value, wanted).into()
}

/// The error for a value of the wrong JSON type, which is consumed.
#[cold]
pub(crate) fn wrong_type(reader: &mut Reader<'_>, field: &str, wanted: &str) -> ReadError {
    let at = reader.at();
    match reader.skip() {
        Ok(()) => {
            // Of a value as long as the request, no more is looked at than is shown.
            let value = reader.since(at).trim_ascii_start();
            let value = value.get(..=4 * SHOWN_CHARACTERS).unwrap_or(value);
            bad_value(SpanReject::Type, at, field, &String::from_utf8_lossy(value), wanted)
        }
        Err(error) => ReadError::Document(error),
    }
}

/// A string.
pub(crate) fn text<'a>(reader: &mut Reader<'a>, field: &str) -> Result<Cow<'a, str>> {
    match reader.peek()? {
        Kind::Null => absent(reader),
        Kind::String => Ok(Some(reader.string()?)),
        _ => Err(wrong_type(reader, field, "a string")),
    }
}

/// A boolean, also in quotes.
pub(crate) fn boolean(reader: &mut Reader<'_>, field: &str) -> Result<bool> {
    match reader.peek()? {
        Kind::Null => absent(reader),
        Kind::Bool => Ok(Some(reader.boolean()?)),
        Kind::String => {
            let at = reader.at();
            match &*reader.string()? {
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                other => Err(bad_value(SpanReject::Type, at, field, other, "`true` or `false`")),
            }
        }
        _ => Err(wrong_type(reader, field, "`true` or `false`")),
    }
}

/// An integer in the range of `T`.
pub(crate) fn integer<T: TryFrom<i128>>(reader: &mut Reader<'_>, field: &str) -> Result<T> {
    const WANTED: &str = "an integer in the range of the field";
    let at = reader.at();
    let Some(text) = number_text(reader, field)? else { return Ok(None) };
    match number::integer(&text).and_then(|number| T::try_from(number).ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(bad_value(SpanReject::Number, at, field, &text, WANTED)),
    }
}

/// A floating-point number, also `NaN` and the infinities in quotes.
pub(crate) fn float(reader: &mut Reader<'_>, field: &str) -> Result<f64> {
    let at = reader.at();
    let Some(text) = number_text(reader, field)? else { return Ok(None) };
    // The names of the special values are those of the mapping of protobuf and of the Collector:
    // `NaN`, `Infinity`, `+Inf`. The parser takes them all.
    match number::float(&text) {
        Some(number) => Ok(Some(number)),
        None => Err(bad_value(SpanReject::Number, at, field, &text, "a number of at most 1.8e308")),
    }
}

/// The text of a number, bare or in quotes.
pub(crate) fn number_text<'a>(reader: &mut Reader<'a>, field: &str) -> Result<Cow<'a, str>> {
    match reader.peek()? {
        Kind::Null => absent(reader),
        Kind::Number => Ok(Some(Cow::Borrowed(reader.number()?))),
        Kind::String => Ok(Some(reader.string()?)),
        _ => Err(wrong_type(reader, field, "a number")),
    }
}

/// A value of an enumeration: its number, or its name with or without `prefix`, in any case.
/// `names` are those of the values 0, 1, 2, …. A number without a name passes: enumerations grow.
pub(crate) fn enumeration(
    reader: &mut Reader<'_>,
    field: &str,
    prefix: &str,
    names: &[&str],
) -> Result<i32> {
    let at = reader.at();
    let Some(text) = number_text(reader, field)? else { return Ok(None) };
    if let Some(number) = number::integer(&text).and_then(|number| i32::try_from(number).ok()) {
        return Ok(Some(number));
    }
    let name = match text.split_at_checked(prefix.len()) {
        Some((head, name)) if head.eq_ignore_ascii_case(prefix) => name,
        _ => &text,
    };
    (0..)
        .zip(names)
        .find(|(_, known)| known.eq_ignore_ascii_case(name))
        .map(|(number, _)| Some(number))
        .ok_or_else(|| bad_value(SpanReject::Enum, at, field, &text, "a known name or a number"))
}

/// An id of exactly `N` bytes in hexadecimal; an empty one is absent.
pub(crate) fn id<const N: usize>(reader: &mut Reader<'_>, field: &str) -> Result<[u8; N]> {
    let at = reader.at();
    let Some(text) = text(reader, field)? else { return Ok(None) };
    if text.is_empty() {
        return Ok(None);
    }
    match hex::exact(text.as_bytes()) {
        Some(id) => Ok(Some(id)),
        None => Err(bad_id(at, field, &text, N)),
    }
}

#[cold]
fn bad_id(at: usize, field: &str, text: &str, bytes: usize) -> ReadError {
    // What a plain protobuf library makes of an id.
    let base64 = base64_bytes(text).is_some_and(|decoded| decoded.len() == bytes);
    let not_base64 = if base64 { ", not base64" } else { "" };
    let wanted = format!("`{}` hexadecimal digits{not_base64}", 2 * bytes);
    bad_value(SpanReject::Id, at, field, text, &wanted)
}

/// Bytes in base64, of either alphabet, padded or not.
pub(crate) fn bytes(reader: &mut Reader<'_>, field: &str) -> Result<Vec<u8>> {
    let at = reader.at();
    let Some(text) = text(reader, field)? else { return Ok(None) };
    match base64_bytes(&text) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(bad_value(SpanReject::Bytes, at, field, &text, "base64")),
    }
}

fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
    const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);
    let engine = if text.contains(['-', '_']) { URL } else { PLAIN };
    engine.decode(text).ok()
}

fn absent<T>(reader: &mut Reader<'_>) -> Result<T> {
    reader.null()?;
    Ok(None)
}

/// Reads an array, giving each element that is not `null` to `each`.
///
/// `null` instead of the array is an absent one.
pub(crate) fn each_element<'a>(
    reader: &mut Reader<'a>,
    field: &str,
    mut each: impl FnMut(&mut Reader<'a>) -> std::result::Result<(), ReadError>,
) -> std::result::Result<(), ReadError> {
    match reader.peek()? {
        Kind::Null => absent::<()>(reader).map(drop),
        Kind::Array => {
            let mut elements = reader.array()?;
            while reader.element(&mut elements)? {
                if !reader.null()? {
                    each(reader)?;
                }
            }
            Ok(())
        }
        _ => Err(wrong_type(reader, field, "an array")),
    }
}

/// Reads an object, giving the name of each field to `each`, which consumes the value.
///
/// `null` instead of the object is an absent one.
pub(crate) fn each_field<'a>(
    reader: &mut Reader<'a>,
    field: &str,
    mut each: impl FnMut(&mut Reader<'a>, Cow<'a, str>) -> std::result::Result<(), ReadError>,
) -> std::result::Result<(), ReadError> {
    match reader.peek()? {
        Kind::Null => absent::<()>(reader).map(drop),
        Kind::Object => {
            let mut fields = reader.object()?;
            while let Some(name) = reader.field(&mut fields)? {
                each(reader, name)?;
            }
            Ok(())
        }
        _ => Err(wrong_type(reader, field, "an object")),
    }
}

/// Passes over the value of a field that is not known.
pub(crate) fn ignore(reader: &mut Reader<'_>) -> std::result::Result<(), ReadError> {
    Ok(reader.skip()?)
}
