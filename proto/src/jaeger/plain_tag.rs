//! Tags of short text, as nearly all are, read in one look instead of field by field.

use super::model::{Tag, Value};
use crate::texts::Texts;

/// What all writers put around the parts of such a tag.
pub(super) struct Form {
    /// Before the length of the key, which has one byte.
    before_key: &'static [u8],
    /// Between the key and the length of the text, which has one byte.
    before_text: &'static [u8],
    /// Behind the text.
    end: &'static [u8],
}

/// The two fields. The type is not written: it is 0.
pub(super) const PROTOBUF: Form = Form { before_key: &[0x0a], before_text: &[0x1a], end: &[] };

/// In the binary protocol: type, number and length of the key; the type 0 of the tag; the text; the end.
pub(super) const THRIFT: Form = Form {
    before_key: &[11, 0, 1, 0, 0, 0],
    before_text: &[8, 0, 2, 0, 0, 0, 0, 11, 0, 3, 0, 0, 0],
    end: &[0],
};

/// The tag that `bytes` begin with, which stand at `start` of what `texts` are taken out of, and how many
/// it takes; `None` where it is not of this form, which says nothing of what it is else.
// Inlined, the form is constant: a part of it is compared as one number.
#[inline(always)]
pub(super) fn parse<'a>(
    bytes: &[u8],
    start: usize,
    texts: &mut Texts<'a>,
    form: &Form,
) -> Option<(Tag<'a>, usize)> {
    let (key, rest) = short(bytes.strip_prefix(form.before_key)?)?;
    let (text, rest) = short(rest.strip_prefix(form.before_text)?)?;
    rest.strip_prefix(form.end)?;
    let key_start = start + form.before_key.len() + 1;
    let key_end = key_start + key;
    let text_start = key_end + form.before_text.len() + 1;
    let text_end = text_start + text;
    let key = texts.take(key_start..key_end);
    let value = Value::Text(texts.take(text_start..text_end));
    Some((Tag { key, value }, text_end + form.end.len() - start))
}

/// A length, and what comes behind so many bytes.
#[inline(always)]
fn short(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let length = usize::from(*length);
    if length < 0x80 { rest.get(length..).map(|rest| (length, rest)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed<'a>(bytes: &'a [u8], start: usize, form: &Form) -> Option<(Tag<'a>, usize)> {
        let tag = bytes.get(start..).unwrap_or_default();
        parse(tag, start, &mut Texts::new(bytes), form)
    }

    fn tag(key: &'static str, text: &'static str) -> Tag<'static> {
        Tag { key: key.into(), value: Value::Text(text.into()) }
    }

    #[test]
    fn only_tags_of_this_form_are_read() {
        let mut bytes = b"\x0a\x03key\x1a\x05text!".to_vec();
        assert_eq!(parsed(&bytes, 0, &PROTOBUF), Some((tag("key", "text!"), bytes.len())));
        for end in 0..bytes.len() {
            let cut = bytes.get(..end).unwrap_or_default();
            assert_eq!(parsed(cut, 0, &PROTOBUF), None, "of {end} bytes");
        }
        // Of another type; of a length in two bytes.
        for (at, byte) in [(0, 0x12), (1, 0x83), (4, 0xc3), (5, 0x12)] {
            let before = bytes.get(at).copied().unwrap_or_default();
            bytes.splice(at..=at, [byte]);
            let read = parsed(&bytes, 0, &PROTOBUF);
            assert_eq!(read.is_none(), at != 4, "{byte} at {at}");
            bytes.splice(at..=at, [before]);
        }
    }

    #[test]
    fn what_comes_before_and_behind_is_left() {
        let bytes = b"more\x0b\0\x01\0\0\0\x01k\x08\0\x02\0\0\0\0\x0b\0\x03\0\0\0\x01t\0more";
        let read = parsed(bytes, 4, &THRIFT);
        assert_eq!(read, Some((tag("k", "t"), bytes.len() - 8)));
    }
}
