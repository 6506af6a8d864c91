//! Zipkin v2 protobuf: a list of spans.

use std::borrow::Cow;

use super::address;
use super::draft::{Draft, nanoseconds};
use super::error::ZipkinError;
use super::known::Known;
use super::model::{Endpoint, Kind};
use super::request::Request;
use crate::reject::SpanReject;
use crate::utf8::valid;
use crate::wire::{Cursor, FIXED64, LEN, Tag, VARINT, WireError};

/// Field numbers of `zipkin.proto3`.
mod numbers {
    /// Of `ListOfSpans`.
    pub(super) const SPANS: u32 = 1;

    /// Of `Span`.
    pub(super) mod span {
        pub(in super::super) const TRACE_ID: u32 = 1;
        pub(in super::super) const PARENT_ID: u32 = 2;
        pub(in super::super) const ID: u32 = 3;
        pub(in super::super) const KIND: u32 = 4;
        pub(in super::super) const NAME: u32 = 5;
        pub(in super::super) const TIMESTAMP: u32 = 6;
        pub(in super::super) const DURATION: u32 = 7;
        pub(in super::super) const LOCAL_ENDPOINT: u32 = 8;
        pub(in super::super) const REMOTE_ENDPOINT: u32 = 9;
        pub(in super::super) const ANNOTATIONS: u32 = 10;
        pub(in super::super) const TAGS: u32 = 11;
        pub(in super::super) const DEBUG: u32 = 12;
        pub(in super::super) const SHARED: u32 = 13;
    }

    /// Of `Endpoint`.
    pub(super) mod endpoint {
        pub(in super::super) const SERVICE_NAME: u32 = 1;
        pub(in super::super) const IPV4: u32 = 2;
        pub(in super::super) const IPV6: u32 = 3;
        pub(in super::super) const PORT: u32 = 4;
    }

    /// Of `Annotation`.
    pub(super) mod annotation {
        pub(in super::super) const TIMESTAMP: u32 = 1;
        pub(in super::super) const VALUE: u32 = 2;
    }

    /// Of an entry of a map.
    pub(super) mod entry {
        pub(in super::super) const KEY: u32 = 1;
        pub(in super::super) const VALUE: u32 = 2;
    }
}

// The tags of fields of known numbers, with the types that they must have.
const TRACE_ID: Tag = Tag::new(numbers::span::TRACE_ID, LEN);
const PARENT_ID: Tag = Tag::new(numbers::span::PARENT_ID, LEN);
const ID: Tag = Tag::new(numbers::span::ID, LEN);
const KIND: Tag = Tag::new(numbers::span::KIND, VARINT);
const NAME: Tag = Tag::new(numbers::span::NAME, LEN);
const TIMESTAMP: Tag = Tag::new(numbers::span::TIMESTAMP, FIXED64);
const DURATION: Tag = Tag::new(numbers::span::DURATION, VARINT);
const LOCAL_ENDPOINT: Tag = Tag::new(numbers::span::LOCAL_ENDPOINT, LEN);
const REMOTE_ENDPOINT: Tag = Tag::new(numbers::span::REMOTE_ENDPOINT, LEN);
const ANNOTATIONS: Tag = Tag::new(numbers::span::ANNOTATIONS, LEN);
const TAGS: Tag = Tag::new(numbers::span::TAGS, LEN);
const DEBUG: Tag = Tag::new(numbers::span::DEBUG, VARINT);
const SHARED: Tag = Tag::new(numbers::span::SHARED, VARINT);

// The same as they are written, of what is read in one look.
const ANNOTATION_TIMESTAMP: u8 = Tag::new(numbers::annotation::TIMESTAMP, FIXED64).byte();
const ANNOTATION_VALUE: u8 = Tag::new(numbers::annotation::VALUE, LEN).byte();
const ENTRY_KEY: u8 = Tag::new(numbers::entry::KEY, LEN).byte();
const ENTRY_VALUE: u8 = Tag::new(numbers::entry::VALUE, LEN).byte();

/// Whether `message` has the form of a list of spans, as far as that shows without looking into
/// them.
pub(super) fn is_list(message: &[u8]) -> bool {
    let mut list = Cursor::new(message);
    loop {
        match list.next_tag() {
            Ok(Some(tag)) if tag.number() == numbers::SPANS && tag.wire_type() == LEN => {
                if list.skip(tag).is_err() {
                    return false;
                }
            }
            Ok(None) => return list.position() > 0,
            _ => return false,
        }
    }
}

/// Reads all spans of `message`.
pub(super) fn read<'a>(
    message: &'a [u8],
    request: &mut Request<'_, 'a>,
) -> Result<(), ZipkinError> {
    let (mut list, mut known) = (Cursor::new(message), Known::new(false));
    while let Some(field) = list.next_field()? {
        if field.number == numbers::SPANS {
            let body = field.bytes("ListOfSpans")?;
            let read = span(body, request.draft(), &mut known);
            request.take(field.range.start, read)?;
        }
    }
    Ok(())
}

fn span<'a>(
    body: &'a [u8],
    draft: &mut Draft<'a>,
    known: &mut Known<'a>,
) -> Result<(), SpanReject> {
    let mut fields = Cursor::new(body);
    loop {
        let here = fields.clone();
        let Some(tag) = fields.next_tag()? else { return Ok(()) };
        let at = here.position();
        match tag {
            TRACE_ID => draft.trace_id = trace_id(fields.delimited()?, at)?,
            PARENT_ID => draft.parent_id = span_id(fields.delimited()?, at, "parentId")?,
            ID => draft.id = span_id(fields.delimited()?, at, "id")?,
            KIND => draft.span.kind = kind(fields.varint()?),
            NAME => draft.span.name = valid(fields.delimited()?),
            TIMESTAMP => {
                draft.span.start = nanoseconds(i64::from_le_bytes(fields.array()?));
            }
            DURATION => draft.duration = nanoseconds(fields.varint()?.cast_signed()),
            LOCAL_ENDPOINT => {
                endpoint(fields.delimited()?, &mut draft.span.local, known)?;
            }
            REMOTE_ENDPOINT => {
                endpoint(fields.delimited()?, &mut draft.span.remote, known)?;
            }
            ANNOTATIONS => annotation(fields.delimited()?, draft, fields.position())?,
            TAGS => span_tag(fields.delimited()?, draft, fields.position())?,
            DEBUG => draft.span.debug = fields.varint()? != 0,
            SHARED => draft.span.shared = fields.varint()? != 0,
            _ => {
                fields = here;
                pass_over(&mut fields)?;
            }
        }
    }
}

/// Moves behind a field that is not known; one of a known number is of a wrong type.
#[cold]
fn pass_over(fields: &mut Cursor<'_>) -> Result<(), WireError> {
    match fields.next_field()? {
        Some(field) if (1..=numbers::span::SHARED).contains(&field.number) => {
            Err(field.wrong_type("Span"))
        }
        _ => Ok(()),
    }
}

/// 16 bytes, or 8 for the low half. None at all is absent.
fn trace_id(bytes: &[u8], at: usize) -> Result<Option<[u8; 16]>, SpanReject> {
    match bytes.len() {
        0 => Ok(None),
        8 | 16 => {
            let (halves, mut id) = (bytes.as_chunks::<8>().0, [[0; 8]; 2]);
            id.iter_mut().rev().zip(halves.iter().rev()).for_each(|(to, from)| *to = *from);
            let [high, low] = id.map(u64::from_be_bytes);
            Ok(Some((u128::from(high) << 64 | u128::from(low)).to_be_bytes()))
        }
        _ => Err(wrong_length(at, "traceId", bytes.len(), "`8` or `16` bytes")),
    }
}

/// 8 bytes. None at all is absent.
fn span_id(bytes: &[u8], at: usize, name: &str) -> Result<Option<[u8; 8]>, SpanReject> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let id = bytes.try_into().map_err(|_| wrong_length(at, name, bytes.len(), "`8` bytes"))?;
    Ok(Some(id))
}

#[cold]
fn wrong_length(at: usize, name: &str, bytes: usize, wanted: &str) -> SpanReject {
    let found = format!("an id of {bytes} bytes");
    SpanReject::of_value(SpanReject::Id, at, name, &found, wanted)
}

/// The numbers are not those of OTLP.
const fn kind(number: u64) -> Kind {
    match number {
        1 => Kind::Client,
        2 => Kind::Server,
        3 => Kind::Producer,
        4 => Kind::Consumer,
        _ => Kind::None,
    }
}

/// Of one that is given in parts, the parts are joined.
fn endpoint<'a>(
    bytes: &'a [u8],
    endpoint: &mut Endpoint<'a>,
    known: &mut Known<'a>,
) -> Result<(), SpanReject> {
    if !endpoint.is_unknown() {
        return read_endpoint(bytes, endpoint);
    }
    let read = |endpoint: &mut Endpoint<'a>| read_endpoint(bytes, endpoint).map(|()| bytes.len());
    let (found, _) = known.endpoint(bytes, read)?;
    *endpoint = Endpoint::clone(found);
    Ok(())
}

fn read_endpoint<'a>(bytes: &'a [u8], endpoint: &mut Endpoint<'a>) -> Result<(), SpanReject> {
    use numbers::endpoint;

    let mut fields = Cursor::new(bytes);
    while let Some(field) = fields.next_field()? {
        match field.number {
            endpoint::SERVICE_NAME => endpoint.service_name = valid(field.bytes("Endpoint")?),
            endpoint::IPV4 | endpoint::IPV6 => {
                address::from_bytes(field.bytes("Endpoint")?, endpoint);
            }
            // A port that is none costs the port.
            endpoint::PORT => {
                endpoint.port = u16::try_from(field.varint("Endpoint")?).unwrap_or(0);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Adds the annotation that `bytes` are, which ends at byte `at`.
fn annotation<'a>(bytes: &'a [u8], draft: &mut Draft<'a>, at: usize) -> Result<(), SpanReject> {
    use numbers::annotation;

    let (mut time, mut value) = (0, Cow::Borrowed(&[][..]));
    // As nearly all writers have it.
    if let [ANNOTATION_TIMESTAMP, a, b, c, d, e, f, g, h, rest @ ..] = bytes
        && let Some((text, [])) = short_field(rest, ANNOTATION_VALUE)
    {
        time = nanoseconds(i64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]));
        value = valid(text);
        return draft.annotate(time, value, None, at);
    }
    let mut fields = Cursor::new(bytes);
    while let Some(field) = fields.next_field()? {
        match field.number {
            annotation::TIMESTAMP => {
                time = nanoseconds(field.fixed64("Annotation")?.cast_signed());
            }
            annotation::VALUE => value = valid(field.bytes("Annotation")?),
            _ => {}
        }
    }
    draft.annotate(time, value, None, at)
}

/// Adds the tag that `bytes` are, which ends at byte `at`.
fn span_tag<'a>(bytes: &'a [u8], draft: &mut Draft<'a>, at: usize) -> Result<(), SpanReject> {
    use numbers::entry;

    // As nearly all writers have it.
    if let Some((key, rest)) = short_field(bytes, ENTRY_KEY)
        && let Some((value, [])) = short_field(rest, ENTRY_VALUE)
    {
        return draft.tag(valid(key), valid(value), at);
    }
    let (mut key, mut value) = (Cow::Borrowed(&[][..]), Cow::Borrowed(&[][..]));
    let mut fields = Cursor::new(bytes);
    while let Some(field) = fields.next_field()? {
        match field.number {
            entry::KEY => key = valid(field.bytes("TagsEntry")?),
            entry::VALUE => value = valid(field.bytes("TagsEntry")?),
            _ => {}
        }
    }
    draft.tag(key, value, at)
}

/// What the field holds that `bytes` begin with, and what comes behind it: a field with this tag and
/// of less than 128 bytes.
#[inline]
fn short_field(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    match bytes {
        [known, length @ ..0x80, rest @ ..] if *known == tag => {
            rest.split_at_checked(usize::from(*length))
        }
        _ => None,
    }
}
