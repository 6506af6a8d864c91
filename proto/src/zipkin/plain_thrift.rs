//! Annotations and tags in Thrift's binary protocol in the form that nearly all have, read in one look
//! instead of field by field.

/// The end of a struct.
pub(super) const END: u8 = 0;

/// What an annotation has before its endpoint, which comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Annotation<'a> {
    /// Microseconds since 1970.
    pub(super) time: i64,
    pub(super) value: &'a [u8],
    /// The bytes before those of the endpoint.
    pub(super) length: usize,
}

/// What a binary annotation of text has before its endpoint, which comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    /// The bytes before those of the endpoint.
    pub(super) length: usize,
}

/// The annotation that `bytes` begin with; `None` where it is not of this form, which says nothing of
/// what it is else.
#[inline]
pub(super) fn annotation(bytes: &[u8]) -> Option<Annotation<'_>> {
    // A number of 64 bits, text, a struct.
    let (time, rest) = bytes.strip_prefix(&[10, 0, 1])?.split_first_chunk()?;
    let (value, rest) = short_text(rest.strip_prefix(&[11, 0, 2, 0, 0, 0])?)?;
    let rest = rest.strip_prefix(&[12, 0, 3])?;
    let (time, length) = (i64::from_be_bytes(*time), bytes.len() - rest.len());
    Some(Annotation { time, value, length })
}

/// As [`annotation`], of a binary annotation of text.
#[inline]
pub(super) fn tag(bytes: &[u8]) -> Option<Tag<'_>> {
    // Text, text, the type 6 in a number of 32 bits, a struct.
    let (key, rest) = short_text(bytes.strip_prefix(&[11, 0, 1, 0, 0, 0])?)?;
    let (value, rest) = short_text(rest.strip_prefix(&[11, 0, 2, 0, 0, 0])?)?;
    let rest = rest.strip_prefix(&[8, 0, 3, 0, 0, 0, 6, 12, 0, 4])?;
    Some(Tag { key, value, length: bytes.len() - rest.len() })
}

/// Bytes behind the last byte of their length, and what comes behind them.
#[inline]
fn short_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNOTATION: &[u8] = b"\x0a\0\x01\0\0\0\0\0\0\x01\x02\x0b\0\x02\0\0\0\x02cs\x0c\0\x03more";
    const TAG: &[u8] =
        b"\x0b\0\x01\0\0\0\x01k\x0b\0\x02\0\0\0\x03val\x08\0\x03\0\0\0\x06\x0c\0\x04more";

    #[test]
    fn what_stands_before_an_endpoint_is_read_at_once() {
        let length = ANNOTATION.len() - 4;
        assert_eq!(annotation(ANNOTATION), Some(Annotation { time: 258, value: b"cs", length }));
        let length = TAG.len() - 4;
        assert_eq!(tag(TAG), Some(Tag { key: b"k", value: b"val", length }));
    }

    #[test]
    fn what_is_cut_or_of_another_form_is_not_read() {
        for end in 0..ANNOTATION.len() - 4 {
            assert_eq!(annotation(&ANNOTATION[..end]), None, "{end}");
        }
        for end in 0..TAG.len() - 4 {
            assert_eq!(tag(&TAG[..end]), None, "{end}");
        }
        // Of another type; of a length in more than a byte.
        for at in [0, 5, 8, 14, 18, 25] {
            let mut other = TAG.to_vec();
            other.splice(at..=at, [0xff]);
            assert_eq!(tag(&other), None, "{at}");
        }
    }
}
