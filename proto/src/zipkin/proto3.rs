//! Zipkin v2 protobuf: a list of spans.

use std::borrow::Cow;

use super::address;
use super::draft::{Draft, nanoseconds};
use super::error::ZipkinError;
use super::model::{Endpoint, Kind};
use super::request::Request;
use crate::reject::SpanReject;
use crate::utf8::text;
use crate::wire::{Cursor, Field, LEN};

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
pub(super) fn read(message: &[u8], request: &mut Request<'_>) -> Result<(), ZipkinError> {
    let mut list = Cursor::new(message);
    while let Some(field) = list.next_field()? {
        if field.number == numbers::SPANS {
            let body = field.bytes("ListOfSpans")?;
            request.take(field.range.start, span(body))?;
        }
    }
    Ok(())
}

fn span(body: &[u8]) -> Result<Draft<'_>, SpanReject> {
    use numbers::span;

    let (mut draft, mut fields) = (Draft::default(), Cursor::new(body));
    while let Some(field) = fields.next_field()? {
        match field.number {
            span::TRACE_ID => draft.trace_id = trace_id(&field)?,
            span::PARENT_ID => draft.parent_id = span_id(&field, "parentId")?,
            span::ID => draft.id = span_id(&field, "id")?,
            span::KIND => draft.span.kind = kind(field.varint("Span")?),
            span::NAME => draft.span.name = text(field.bytes("Span")?),
            span::TIMESTAMP => {
                draft.span.start = nanoseconds(field.fixed64("Span")?.cast_signed());
            }
            span::DURATION => draft.duration = nanoseconds(field.varint("Span")?.cast_signed()),
            span::LOCAL_ENDPOINT => endpoint(&field, &mut draft.span.local)?,
            span::REMOTE_ENDPOINT => endpoint(&field, &mut draft.span.remote)?,
            span::ANNOTATIONS => annotation(&field, &mut draft)?,
            span::TAGS => tag(&field, &mut draft)?,
            span::DEBUG => draft.span.debug = field.varint("Span")? != 0,
            span::SHARED => draft.span.shared = field.varint("Span")? != 0,
            _ => {}
        }
    }
    Ok(draft)
}

/// 16 bytes, or 8 for the low half. None at all is absent.
fn trace_id(field: &Field<'_>) -> Result<Option<[u8; 16]>, SpanReject> {
    let bytes = field.bytes("Span")?;
    match bytes.len() {
        0 => Ok(None),
        8 | 16 => {
            let mut id = [0; 16];
            id.iter_mut().rev().zip(bytes.iter().rev()).for_each(|(to, from)| *to = *from);
            Ok(Some(id))
        }
        _ => Err(wrong_length(field, "traceId", bytes.len(), "`8` or `16` bytes")),
    }
}

/// 8 bytes. None at all is absent.
fn span_id(field: &Field<'_>, name: &str) -> Result<Option<[u8; 8]>, SpanReject> {
    let bytes = field.bytes("Span")?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let id = bytes.try_into().map_err(|_| wrong_length(field, name, bytes.len(), "`8` bytes"))?;
    Ok(Some(id))
}

#[cold]
fn wrong_length(field: &Field<'_>, name: &str, bytes: usize, wanted: &str) -> SpanReject {
    let found = format!("an id of {bytes} bytes");
    SpanReject::of_value(SpanReject::Id, field.range.start, name, &found, wanted)
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
fn endpoint<'a>(field: &Field<'a>, endpoint: &mut Endpoint<'a>) -> Result<(), SpanReject> {
    use numbers::endpoint;

    let mut fields = Cursor::new(field.bytes("Span")?);
    while let Some(field) = fields.next_field()? {
        match field.number {
            endpoint::SERVICE_NAME => endpoint.service_name = text(field.bytes("Endpoint")?),
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

fn annotation<'a>(field: &Field<'a>, draft: &mut Draft<'a>) -> Result<(), SpanReject> {
    use numbers::annotation;

    let (mut time, mut value) = (0, Cow::Borrowed(""));
    let mut fields = Cursor::new(field.bytes("Span")?);
    while let Some(field) = fields.next_field()? {
        match field.number {
            annotation::TIMESTAMP => {
                time = nanoseconds(field.fixed64("Annotation")?.cast_signed());
            }
            annotation::VALUE => value = text(field.bytes("Annotation")?),
            _ => {}
        }
    }
    draft.annotate(time, value, Endpoint::default(), field.range.end)
}

fn tag<'a>(field: &Field<'a>, draft: &mut Draft<'a>) -> Result<(), SpanReject> {
    use numbers::entry;

    let (mut key, mut value) = (Cow::Borrowed(""), Cow::Borrowed(""));
    let mut fields = Cursor::new(field.bytes("Span")?);
    while let Some(field) = fields.next_field()? {
        match field.number {
            entry::KEY => key = text(field.bytes("TagsEntry")?),
            entry::VALUE => value = text(field.bytes("TagsEntry")?),
            _ => {}
        }
    }
    draft.tag(key, value, field.range.end)
}
