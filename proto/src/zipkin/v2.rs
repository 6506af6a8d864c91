//! Zipkin v2 JSON: an array of spans, or one span.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use super::encode::write_span;
use super::error::ZipkinError;
use super::model::{Annotation, Endpoint, Kind, Span};
use crate::hex;
use crate::json::error::{JsonError, ReadError};
use crate::json::kind::Kind as Value;
use crate::json::number;
use crate::json::reader::Reader;
use crate::json::values::{bad_value, each_element, each_field, ignore, wrong_type};
use crate::otlp::writer::Writer;
use crate::reject::SpanReject;
use crate::repair::repaired;
use crate::room::Room;
use crate::translated::Translated;

/// Translates Zipkin v2 JSON into an OTLP request.
///
/// What the sender's Zipkin library got wrong in a span is repaired where its meaning is clear
/// (short or upper-case ids, numbers in quotes or with an exponent, negative times, tags that are
/// no strings, `null` anywhere, unknown kinds); other faults reject that span alone. An empty body
/// and an empty array have no spans. See [`zipkin`](crate::zipkin) for what becomes what.
///
/// The work is linear in the text. The answer can be some times larger than the text (short spans
/// get attributes; each kind of resource and scope is written once): `room` is asked for what each
/// field takes before it is taken.
///
/// # Errors
/// When the text is not one JSON document of that shape, all of it is in the format of Zipkin v1 or
/// OTLP, or there is not the room.
pub fn to_protobuf(text: &[u8], room: &mut dyn Room) -> Result<Translated, ZipkinError> {
    let mut reader = match Reader::new(text) {
        Ok(reader) => reader,
        Err(JsonError::Empty) => return Ok(Translated::default()),
        Err(error) => return Err(error.into()),
    };
    let mut request = Request { writer: Writer::new(room), marks: Marks::default() };
    match reader.peek()? {
        Value::Array => {
            let mut elements = reader.array()?;
            while reader.element(&mut elements)? {
                request.span(&mut reader)?;
            }
        }
        Value::Object => request.span(&mut reader)?,
        _ => {
            let expected = "an array of spans";
            return Err(JsonError::Shape { at: reader.at(), field: "request", expected }.into());
        }
    }
    reader.end()?;
    request.finish()
}

/// What the fields of the spans say about the format.
#[derive(Default)]
struct Marks {
    version1: bool,
    version2: bool,
    otlp: bool,
}

struct Request<'r> {
    writer: Writer<'r>,
    marks: Marks,
}

impl Request<'_> {
    fn span(&mut self, reader: &mut Reader<'_>) -> Result<(), ZipkinError> {
        let start = reader.at();
        match span(reader, &mut self.marks) {
            Ok(span) => Ok(write_span(&mut self.writer, &span)?),
            Err(ReadError::Document(error)) => Err(error.into()),
            Err(ReadError::Span(reject)) => {
                reader.rewind(start);
                reader.skip()?;
                self.writer.reject(reject);
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<Translated, ZipkinError> {
        if self.marks.version1 && !self.marks.version2 {
            return Err(ZipkinError::Version1);
        }
        let translated = self.writer.finish()?;
        if self.marks.otlp && translated.spans == 0 {
            return Err(ZipkinError::Otlp);
        }
        Ok(translated)
    }
}

/// What is known of a span before all of it was read.
#[derive(Default)]
struct Draft<'a> {
    span: Span<'a>,
    trace_id: Option<[u8; 16]>,
    id: Option<[u8; 8]>,
    parent_id: Option<[u8; 8]>,
    duration: u64,
    version1: bool,
}

fn span<'a>(reader: &mut Reader<'a>, marks: &mut Marks) -> Result<Span<'a>, ReadError> {
    let at = reader.at();
    if reader.null()? {
        return Err(bad_value(SpanReject::Type, at, "span", "null", "an object"));
    }
    let mut draft = Draft::default();
    let read = each_field(reader, "span", |reader, name| field(reader, &name, &mut draft, marks));
    if draft.version1 {
        marks.version1 = true;
        return Err(SpanReject::ZipkinV1 { at }.into());
    }
    read?;
    let Draft { mut span, trace_id, id, parent_id, duration, .. } = draft;
    span.trace_id = present(trace_id, at, "traceId")?;
    span.id = present(id, at, "id")?;
    span.parent_id = parent_id.filter(|parent| *parent != [0; 8] && *parent != span.id);
    if span.start == TIME_MAX {
        // So long it took all the same.
        span.start = TIME_MAX.saturating_sub(duration).max(1);
    }
    span.end = span.start.saturating_add(duration).min(TIME_MAX);
    keep_last_of_each(&mut span.tags);
    Ok(span)
}

fn present<const N: usize>(
    id: Option<[u8; N]>,
    at: usize,
    name: &str,
) -> Result<[u8; N], ReadError> {
    match id {
        Some(id) if id != [0; N] => Ok(id),
        Some(_) => Err(bad_value(SpanReject::Id, at, name, "0", "not zero")),
        None => Err(bad_value(SpanReject::Id, at, name, "", "given")),
    }
}

fn field<'a>(
    reader: &mut Reader<'a>,
    name: &str,
    draft: &mut Draft<'a>,
    marks: &mut Marks,
) -> Result<(), ReadError> {
    let span = &mut draft.span;
    match name {
        "traceId" => draft.trace_id = id(reader, name)?,
        "id" => draft.id = id(reader, name)?,
        "parentId" => draft.parent_id = id(reader, name)?,
        "name" => span.name = text(reader, name)?,
        "kind" => {
            marks.version2 = true;
            span.kind = kind(&text(reader, name)?);
        }
        "timestamp" => span.start = microseconds(reader, name)?,
        "duration" => draft.duration = microseconds(reader, name)?,
        "debug" => span.debug = flag(reader, name)?,
        "shared" => {
            marks.version2 = true;
            span.shared = flag(reader, name)?;
        }
        "localEndpoint" => {
            marks.version2 = true;
            span.local = endpoint(reader, "localEndpoint")?;
        }
        "remoteEndpoint" => {
            marks.version2 = true;
            span.remote = endpoint(reader, "remoteEndpoint")?;
        }
        "annotations" => annotations(reader, draft)?,
        "tags" => {
            marks.version2 = true;
            tags(reader, span)?;
        }
        "binaryAnnotations" => {
            draft.version1 |= reader.peek()? == Value::Array;
            ignore(reader)?;
        }
        "resourceSpans" | "resource_spans" => {
            marks.otlp = true;
            ignore(reader)?;
        }
        _ => ignore(reader)?,
    }
    Ok(())
}

/// An id of up to 2 `N` hexadecimal digits of either case, padded on the left. Empty is absent.
///
/// Digits without quotes are the id's digits, not a number.
fn id<const N: usize>(reader: &mut Reader<'_>, name: &str) -> Result<Option<[u8; N]>, ReadError> {
    let at = reader.at();
    let text = text(reader, name)?;
    if text.is_empty() {
        return Ok(None);
    }
    match hex::padded(text.as_bytes()) {
        Some(id) => Ok(Some(id)),
        None => {
            let wanted = format!("1 to `{}` hexadecimal digits", 2 * N);
            Err(bad_value(SpanReject::Id, at, name, &text, &wanted))
        }
    }
}

/// Text; of another value than a string, its JSON text. Empty for `null`.
fn text<'a>(reader: &mut Reader<'a>, name: &str) -> Result<Cow<'a, str>, ReadError> {
    match reader.peek()? {
        Value::Null => {
            reader.null()?;
            Ok(Cow::Borrowed(""))
        }
        Value::String => Ok(reader.string()?),
        Value::Number => Ok(Cow::Borrowed(reader.number()?)),
        Value::Bool => Ok(Cow::Borrowed(if reader.boolean()? { "true" } else { "false" })),
        Value::Array | Value::Object => Err(wrong_type(reader, name, "a string")),
    }
}

fn kind(name: &str) -> Kind {
    let known = [
        ("CLIENT", Kind::Client),
        ("SERVER", Kind::Server),
        ("PRODUCER", Kind::Producer),
        ("CONSUMER", Kind::Consumer),
    ];
    let found = known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map_or(Kind::None, |(_, kind)| kind)
}

/// The most tags of a span, and the most annotations: each takes more memory than text.
const PARTS_MAX: usize = 1 << 16;

#[cold]
fn too_many(field: &'static str, at: usize) -> ReadError {
    SpanReject::TooMany { field, most: PARTS_MAX, at }.into()
}

/// The latest time, in the year 2262: nanoseconds that receivers with signed numbers can read.
const TIME_MAX: u64 = i64::MAX.unsigned_abs();

/// A number of microseconds, as nanoseconds. Negative and absent is 0; a fraction counts. Zipkin
/// takes all that 64 bits hold, also from senders that mean nanoseconds: what is too late to be
/// told in nanoseconds is [`TIME_MAX`].
fn microseconds(reader: &mut Reader<'_>, name: &str) -> Result<u64, ReadError> {
    let at = reader.at();
    let text = text(reader, name)?;
    if text.is_empty() {
        return Ok(0);
    }
    let nanoseconds = number::scaled(&text, 3).map(|(number, _)| number.max(0));
    match nanoseconds.filter(|number| *number < 1_000 << 63) {
        Some(number) => Ok(u64::try_from(number).unwrap_or(TIME_MAX).min(TIME_MAX)),
        None => Err(bad_value(SpanReject::Number, at, name, &text, "microseconds in 64 bits")),
    }
}

/// A boolean; also in quotes, and `1`. Anything else is not set.
fn flag(reader: &mut Reader<'_>, name: &str) -> Result<bool, ReadError> {
    let text = text(reader, name)?;
    Ok(text == "1" || text.eq_ignore_ascii_case("true"))
}

fn endpoint<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<Endpoint<'a>, ReadError> {
    let mut endpoint = Endpoint::default();
    each_field(reader, field, |reader, name| {
        match &*name {
            "serviceName" => endpoint.service_name = text(reader, &name)?,
            "ipv4" | "ipv6" => address(text(reader, &name)?, &mut endpoint),
            // A port that is none costs the port.
            "port" => {
                let port = number::integer(&text(reader, &name)?);
                endpoint.port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
            }
            _ => ignore(reader)?,
        }
        Ok(())
    })?;
    Ok(endpoint)
}

/// An address of either version, whatever its field is called. One that is none costs the address,
/// as in Zipkin.
fn address<'a>(text: Cow<'a, str>, endpoint: &mut Endpoint<'a>) {
    match text.parse() {
        // There is one way to write it.
        Ok(IpAddr::V4(_)) => endpoint.ipv4 = text,
        Ok(IpAddr::V6(address)) => {
            // Written with dots it means the address of version 4 that it ends with.
            let embedded = if text.contains('.') { address.to_ipv4() } else { None };
            match embedded.or_else(|| address.to_ipv4_mapped()) {
                Some(embedded) => endpoint.ipv4 = Cow::Owned(embedded.to_string()),
                None => endpoint.ipv6 = Cow::Owned(address.to_string()),
            }
        }
        Err(_) => {}
    }
}

fn annotations<'a>(reader: &mut Reader<'a>, draft: &mut Draft<'a>) -> Result<(), ReadError> {
    each_element(reader, "annotations", |reader| {
        let mut annotation = Annotation { time: 0, value: Cow::Borrowed("") };
        each_field(reader, "annotations", |reader, name| {
            match &*name {
                "timestamp" => annotation.time = microseconds(reader, &name)?,
                "value" => annotation.value = text(reader, &name)?,
                "endpoint" => {
                    draft.version1 |= reader.peek()? == Value::Object;
                    ignore(reader)?;
                }
                _ => ignore(reader)?,
            }
            Ok(())
        })?;
        if draft.span.annotations.len() >= PARTS_MAX {
            return Err(too_many("annotations", reader.at()));
        }
        draft.span.annotations.push(annotation);
        Ok(())
    })
}

/// Leaves of the tags of one name the last.
fn keep_last_of_each(tags: &mut Vec<(Cow<'_, str>, Cow<'_, str>)>) {
    // Up to so many are compared with each other. They hardly ever are more.
    const FEW: usize = 24;
    if tags.len() <= FEW {
        let mut at = 0;
        while let Some((name, _)) = tags.get(at) {
            if tags.iter().skip(at + 1).any(|(later, _)| later == name) {
                tags.remove(at);
            } else {
                at += 1;
            }
        }
        return;
    }
    let last: HashMap<&str, usize> =
        tags.iter().zip(0..).map(|((name, _), at)| (&**name, at)).collect();
    let is_last: Vec<bool> =
        tags.iter().zip(0..).map(|((name, _), at)| last.get(&**name) == Some(&at)).collect();
    let mut is_last = is_last.into_iter();
    tags.retain(|_| is_last.next().unwrap_or(true));
}

fn tags<'a>(reader: &mut Reader<'a>, span: &mut Span<'a>) -> Result<(), ReadError> {
    each_field(reader, "tags", |reader, name| {
        let value = match reader.peek()? {
            Value::Null => return ignore(reader),
            Value::Array | Value::Object => {
                let start = reader.at();
                reader.skip()?;
                match std::str::from_utf8(reader.since(start)) {
                    Ok(text) => Cow::Borrowed(text),
                    Err(_) => Cow::Owned(repaired(reader.since(start).to_vec())),
                }
            }
            _ => text(reader, &name)?,
        };
        if span.tags.len() >= PARTS_MAX {
            return Err(too_many("tags", reader.at()));
        }
        span.tags.push((name, value));
        Ok(())
    })
}
