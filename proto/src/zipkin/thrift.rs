//! Zipkin v1 thrift: a list of spans in the binary protocol, or one span.

use std::borrow::Cow;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::address;
use super::draft::{Draft, nanoseconds};
use super::error::ZipkinError;
use super::known::Known;
use super::model::{Endpoint, TagValue};
use super::plain_thrift;
use super::request::Request;
use crate::reject::SpanReject;
use crate::thrift::{Cursor, Field, Kind, Protocol, ThriftError};
use crate::utf8::{Text, valid};

/// What a list of structs begins with, in the binary protocol.
const LIST_OF_STRUCTS: u8 = 12;

/// Field numbers of `zipkincore.thrift`.
mod numbers {
    /// Of `Span`.
    pub(super) mod span {
        pub(in super::super) const TRACE_ID: i16 = 1;
        pub(in super::super) const NAME: i16 = 3;
        pub(in super::super) const ID: i16 = 4;
        pub(in super::super) const PARENT_ID: i16 = 5;
        pub(in super::super) const ANNOTATIONS: i16 = 6;
        pub(in super::super) const BINARY_ANNOTATIONS: i16 = 8;
        pub(in super::super) const DEBUG: i16 = 9;
        pub(in super::super) const TIMESTAMP: i16 = 10;
        pub(in super::super) const DURATION: i16 = 11;
        pub(in super::super) const TRACE_ID_HIGH: i16 = 12;
    }
}

/// Whether `message` begins as a list of spans does.
pub(super) fn is_list(message: &[u8]) -> bool {
    message.first() == Some(&LIST_OF_STRUCTS)
}

/// Whether `message` begins as a span does: with a type, and a number below 256 in two bytes.
pub(super) const fn is_span(message: &[u8]) -> bool {
    matches!(message, [2..=16, 0, ..])
}

/// Reads all spans of `message`.
pub(super) fn read<'a>(
    message: &'a [u8],
    request: &mut Request<'_, 'a>,
) -> Result<(), ZipkinError> {
    if message.is_empty() {
        return Ok(());
    }
    let mut cursor = Cursor::new(message, Protocol::Binary);
    if is_list(message) {
        return read_list(&mut cursor, request);
    }
    // Some senders of old put a span into a message by itself.
    read_span(&mut cursor, &mut Known::new(true), request)
}

/// Reads the spans of the list that comes next.
pub(super) fn read_list<'a>(
    cursor: &mut Cursor<'a>,
    request: &mut Request<'_, 'a>,
) -> Result<(), ZipkinError> {
    // The bytes of a struct show where it ends.
    let (count, mut known) = (cursor.list_of(Kind::Struct)?, Known::new(true));
    (0..count).try_for_each(|_| read_span(cursor, &mut known, request))
}

fn read_span<'a>(
    cursor: &mut Cursor<'a>,
    known: &mut Known<'a>,
    request: &mut Request<'_, 'a>,
) -> Result<(), ZipkinError> {
    let at = cursor.position();
    let mut span = Span { draft: request.draft(), trace_id: None, reject: None };
    span.read(cursor, known)?;
    let read = span.finish();
    Ok(request.take(at, read)?)
}

/// A span while it is read. All of it is, also when it is rejected: there is no other way to find
/// the next one.
struct Span<'d, 'a> {
    draft: &'d mut Draft<'a>,
    trace_id: Option<[i64; 2]>,
    reject: Option<SpanReject>,
}

impl<'a> Span<'_, 'a> {
    fn finish(self) -> Result<(), SpanReject> {
        let Self { draft, trace_id, reject } = self;
        let join = |[high, low]: [i64; 2]| {
            u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned())
        };
        draft.trace_id = trace_id.map(|halves| join(halves).to_be_bytes());
        reject.map_or(Ok(()), Err)
    }

    fn read(&mut self, cursor: &mut Cursor<'a>, known: &mut Known<'a>) -> Result<(), ThriftError> {
        use numbers::span;

        let mut fields = cursor.fields();
        while let Some(field) = cursor.next_field(&mut fields)? {
            let draft = &mut *self.draft;
            match (field.id, field.kind) {
                (span::TRACE_ID, Kind::I64) => {
                    self.trace_id.get_or_insert_default()[1] = cursor.i64()?;
                }
                (span::TRACE_ID_HIGH, Kind::I64) => {
                    self.trace_id.get_or_insert_default()[0] = cursor.i64()?;
                }
                (span::ID, Kind::I64) => draft.id = Some(cursor.i64()?.to_be_bytes()),
                (span::PARENT_ID, Kind::I64) => draft.parent_id = Some(cursor.i64()?.to_be_bytes()),
                (span::NAME, Kind::Bytes) => draft.span.name = valid(cursor.bytes()?),
                (span::DEBUG, Kind::Bool) => draft.span.debug = cursor.boolean()?,
                (span::TIMESTAMP, Kind::I64) => draft.span.start = nanoseconds(cursor.i64()?),
                (span::DURATION, Kind::I64) => draft.duration = nanoseconds(cursor.i64()?),
                (span::ANNOTATIONS, Kind::List) => {
                    for _ in 0..cursor.list_of(Kind::Struct)? {
                        self.annotation(cursor, known)?;
                    }
                }
                (span::BINARY_ANNOTATIONS, Kind::List) => {
                    for _ in 0..cursor.list_of(Kind::Struct)? {
                        self.binary_annotation(cursor, known)?;
                    }
                }
                (_, kind) => cursor.skip(kind)?,
            }
        }
        Ok(())
    }

    fn annotation(
        &mut self,
        cursor: &mut Cursor<'a>,
        known: &mut Known<'a>,
    ) -> Result<(), ThriftError> {
        if let Some(plain) = cursor.binary_rest().and_then(plain_thrift::annotation)
            && let Some(host) = endpoint_at_end(cursor, plain.length, known)?
        {
            let time = nanoseconds(plain.time);
            self.add(time, valid(plain.value), Some(host), cursor.position());
            return Ok(());
        }
        let (mut time, mut value, mut host) = (0, Cow::Borrowed(&[][..]), None);
        each_field(cursor, |cursor, field| match (field.id, field.kind) {
            (1, Kind::I64) => {
                time = nanoseconds(cursor.i64()?);
                Ok(())
            }
            (2, Kind::Bytes) => {
                value = valid(cursor.bytes()?);
                Ok(())
            }
            (3, Kind::Struct) => endpoint(cursor, &mut host, known),
            (_, kind) => cursor.skip(kind),
        })?;
        self.add(time, value, host, cursor.position());
        Ok(())
    }

    /// Adds an annotation that ends at byte `at`.
    fn add(&mut self, time: u64, value: Text<'a>, host: Option<Rc<Endpoint<'a>>>, at: usize) {
        // One that says nothing takes a byte: there is nothing to keep of it.
        if time > 0 || !value.is_empty() {
            let added = self.draft.annotate(time, value, host, at);
            self.note(added);
        }
    }

    fn binary_annotation(
        &mut self,
        cursor: &mut Cursor<'a>,
        known: &mut Known<'a>,
    ) -> Result<(), ThriftError> {
        if let Some(plain) = cursor.binary_rest().and_then(plain_thrift::tag)
            && let Some(host) = endpoint_at_end(cursor, plain.length, known)?
        {
            let (key, value) = (valid(plain.key), TagValue::Text(valid(plain.value)));
            let added = self.draft.annotate_binary(key, value, Some(host), cursor.position());
            self.note(added);
            return Ok(());
        }
        let (mut key, mut value) = (Cow::Borrowed(&[][..]), None);
        let (mut kind, mut host) = (0, None);
        each_field(cursor, |cursor, field| {
            match (field.id, field.kind) {
                (1, Kind::Bytes) => key = valid(cursor.bytes()?),
                (2, Kind::Bytes) => value = Some(cursor.bytes()?),
                (3, Kind::I32) => kind = cursor.i32()?,
                (4, Kind::Struct) => endpoint(cursor, &mut host, known)?,
                (_, kind) => cursor.skip(kind)?,
            }
            Ok(())
        })?;
        if let Some(value) = value {
            let value = value_of(kind, value);
            let added = self.draft.annotate_binary(key, value, host, cursor.position());
            self.note(added);
        }
        Ok(())
    }

    /// Notes why the span is rejected: the first reason.
    fn note(&mut self, added: Result<(), SpanReject>) {
        if let Err(reject) = added {
            self.reject.get_or_insert(reject);
        }
    }
}

/// The endpoint that stands so many bytes on and is the last field of a struct, which then is passed.
/// Where it is not the last one, nothing is passed.
fn endpoint_at_end<'a>(
    cursor: &mut Cursor<'a>,
    bytes: usize,
    known: &mut Known<'a>,
) -> Result<Option<Rc<Endpoint<'a>>>, ThriftError> {
    let (mut there, mut host) = (cursor.clone(), None);
    there.advance(bytes)?;
    endpoint(&mut there, &mut host, known)?;
    if there.binary_rest().and_then(|rest| rest.first()) != Some(&plain_thrift::END) {
        return Ok(None);
    }
    there.advance(1)?;
    *cursor = there;
    Ok(host)
}

/// Adds to `endpoint` what the struct says that comes next.
fn endpoint<'a>(
    cursor: &mut Cursor<'a>,
    endpoint: &mut Option<Rc<Endpoint<'a>>>,
    known: &mut Known<'a>,
) -> Result<(), ThriftError> {
    let Some(rest) = cursor.binary_rest().filter(|_| endpoint.is_none()) else {
        return read_endpoint(cursor, Rc::make_mut(endpoint.get_or_insert_default()));
    };
    let (found, length) = known.endpoint(rest, |endpoint| {
        let mut cursor = cursor.clone();
        read_endpoint(&mut cursor, endpoint)?;
        Ok(rest.len() - cursor.left())
    })?;
    *endpoint = Some(Rc::clone(found));
    cursor.advance(length)
}

fn read_endpoint<'a>(
    cursor: &mut Cursor<'a>,
    endpoint: &mut Endpoint<'a>,
) -> Result<(), ThriftError> {
    each_field(cursor, |cursor, field| {
        match (field.id, field.kind) {
            (1, Kind::I32) => match cursor.i32()? {
                0 => {}
                address => address::from_bytes(&address.to_be_bytes(), endpoint),
            },
            // There are no numbers without a sign: half of the ports are negative.
            (2, Kind::I16) => endpoint.port = cursor.i16()?.cast_unsigned(),
            (3, Kind::Bytes) => endpoint.service_name = valid(cursor.bytes()?),
            (4, Kind::Bytes) => address::from_bytes(cursor.bytes()?, endpoint),
            (_, kind) => cursor.skip(kind)?,
        }
        Ok(())
    })
}

/// Gives each field of the struct that comes next to `each`, which takes the value.
fn each_field<'a>(
    cursor: &mut Cursor<'a>,
    mut each: impl FnMut(&mut Cursor<'a>, Field) -> Result<(), ThriftError>,
) -> Result<(), ThriftError> {
    let mut fields = cursor.fields();
    while let Some(field) = cursor.next_field(&mut fields)? {
        each(cursor, field)?;
    }
    Ok(())
}

// Types of binary annotations.
const BOOL: i32 = 0;
const BYTES: i32 = 1;
const I16: i32 = 2;
const I32: i32 = 3;
const I64: i32 = 4;
const DOUBLE: i32 = 5;

/// What the value of a binary annotation of this type is; one of a type that is not known, or a
/// number with another number of bytes, is text.
fn value_of(kind: i32, value: &[u8]) -> TagValue<'_> {
    let known = match kind {
        BOOL => bytes(value).map(|[byte]| TagValue::Bool(byte == 1)),
        BYTES => Some(TagValue::Text(Cow::Owned(STANDARD.encode(value).into_bytes()))),
        I16 => bytes(value).map(|bytes| TagValue::Int(i16::from_be_bytes(bytes).into())),
        I32 => bytes(value).map(|bytes| TagValue::Int(i32::from_be_bytes(bytes).into())),
        I64 => bytes(value).map(|bytes| TagValue::Int(i64::from_be_bytes(bytes))),
        DOUBLE => bytes(value).map(|bytes| TagValue::Double(f64::from_be_bytes(bytes))),
        _ => None,
    };
    known.unwrap_or_else(|| TagValue::Text(valid(value)))
}

fn bytes<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}
