//! Tags of short text, as nearly all are, read in one look instead of field by field.

use std::borrow::Cow;

use super::model::{Tag, Value};

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

/// The tag that `bytes` begin with, and what comes behind it; `None` where it is not of this form or
/// not UTF-8, which says nothing of what it is else.
// Inlined, the form is constant: a part of it is compared as one number.
#[inline(always)]
pub(super) fn parse<'a>(bytes: &'a [u8], form: &Form) -> Option<(Tag<'a>, &'a [u8])> {
    let (key, rest) = short(bytes.strip_prefix(form.before_key)?)?;
    let (text, rest) = short(rest.strip_prefix(form.before_text)?)?;
    let rest = rest.strip_prefix(form.end)?;
    // What stands around the texts is ASCII, so that all is checked at once.
    let tag = std::str::from_utf8(bytes.get(..bytes.len() - rest.len())?).ok()?;
    let key_start = form.before_key.len() + 1;
    let text_end = tag.len() - form.end.len();
    let key = tag.get(key_start..key_start + key.len())?;
    let text = tag.get(text_end - text.len()..text_end)?;
    Some((Tag { key: Cow::Borrowed(key), value: Value::Text(Cow::Borrowed(text)) }, rest))
}

/// Bytes behind their length, and what comes behind them.
#[inline(always)]
fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    if *length < 0x80 { rest.split_at_checked(usize::from(*length)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tags_of_this_form_are_read() {
        let mut tag = b"\x0a\x03key\x1a\x05text!".to_vec();
        let wanted = Tag { key: "key".into(), value: Value::Text("text!".into()) };
        assert_eq!(parse(&tag, &PROTOBUF), Some((wanted, &[][..])));
        for end in 0..tag.len() {
            assert_eq!(
                parse(tag.get(..end).unwrap_or_default(), &PROTOBUF),
                None,
                "of {end} bytes"
            );
        }
        // Of another type; of a length in two bytes; no UTF-8.
        for (at, byte) in [(0, 0x12), (1, 0x83), (4, 0xc3), (5, 0x12), (11, 0xff)] {
            let before = tag.get(at).copied().unwrap_or_default();
            tag.splice(at..=at, [byte]);
            assert_eq!(parse(&tag, &PROTOBUF), None, "{byte} at {at}");
            tag.splice(at..=at, [before]);
        }
        assert_eq!(parse(b"\x0a\x02k\xc3\x1a\x01t", &PROTOBUF), None);
    }

    #[test]
    fn what_comes_behind_is_left() {
        let tag = b"\x0b\0\x01\0\0\0\x01k\x08\0\x02\0\0\0\0\x0b\0\x03\0\0\0\x01t\0more";
        let wanted = Tag { key: "k".into(), value: Value::Text("t".into()) };
        assert_eq!(parse(tag, &THRIFT), Some((wanted, &b"more"[..])));
    }
}
