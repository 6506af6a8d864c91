//! Zipkin JSON, v1 and v2.

use std::borrow::Cow;
use std::rc::Rc;

use super::address;
use super::draft::{Draft, TIME_MAX};
use super::error::ZipkinError;
use super::known::Known;
use super::model::{Annotation, Endpoint, Kind, TagValue};
use super::request::Request;
use super::tags::SPAN_KIND;
use crate::hex;
use crate::json::error::{JsonError, ReadError};
use crate::json::kind::Kind as Value;
use crate::json::number;
use crate::json::reader::Reader;
use crate::json::values::{bad_value, each_element, each_field, ignore, wrong_type};
use crate::reject::SpanReject;
use crate::utf8::{Text, bytes_of, str_of, valid};

/// Reads all spans of `text`: an array of them, or one. An empty text has none.
///
/// What the sender's Zipkin library got wrong in a span is repaired where its meaning is clear
/// (short or upper-case ids, numbers in quotes or with an exponent, negative times, tags that are
/// no strings, `null` anywhere, unknown kinds); other faults reject that span alone. Each span may
/// be of v1 or v2: what is only in v1 is told apart by its fields.
pub(super) fn read<'a>(text: &'a [u8], request: &mut Request<'_, 'a>) -> Result<(), ZipkinError> {
    let mut reader = match Reader::new(text) {
        Ok(reader) => reader,
        Err(JsonError::Empty) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let (mut otlp, mut known) = (false, Known::new(true));
    match reader.peek()? {
        Value::Array => {
            let mut elements = reader.array()?;
            while reader.element(&mut elements)? {
                span(&mut reader, request, &mut known, &mut otlp)?;
            }
        }
        Value::Object => span(&mut reader, request, &mut known, &mut otlp)?,
        _ => {
            let expected = "an array of spans";
            return Err(JsonError::Shape { at: reader.at(), field: "request", expected }.into());
        }
    }
    reader.end()?;
    if otlp && request.is_empty() { Err(ZipkinError::Otlp) } else { Ok(()) }
}

/// Reads one span; one that cannot be read is passed over. Sets `otlp` if it is a request of OTLP.
fn span<'a>(
    reader: &mut Reader<'a>,
    request: &mut Request<'_, 'a>,
    known: &mut Known<'a>,
    otlp: &mut bool,
) -> Result<(), ZipkinError> {
    let at = reader.at();
    let read = match read_span(reader, request.draft(), known, otlp) {
        Ok(()) => Ok(()),
        Err(ReadError::Document(error)) => return Err(error.into()),
        Err(ReadError::Span(reject)) => {
            reader.rewind(at);
            reader.skip()?;
            Err(reject)
        }
    };
    Ok(request.take(at, read)?)
}

fn read_span<'a>(
    reader: &mut Reader<'a>,
    draft: &mut Draft<'a>,
    known: &mut Known<'a>,
    otlp: &mut bool,
) -> Result<(), ReadError> {
    let at = reader.at();
    if reader.null()? {
        return Err(bad_value(SpanReject::Type, at, "span", "null", "an object"));
    }
    each_field(reader, "span", |reader, name| field(reader, &name, draft, known, otlp))
}

fn field<'a>(
    reader: &mut Reader<'a>,
    name: &str,
    draft: &mut Draft<'a>,
    known: &mut Known<'a>,
    otlp: &mut bool,
) -> Result<(), ReadError> {
    let span = &mut draft.span;
    match name {
        "traceId" => draft.trace_id = id(reader, name)?,
        "id" => draft.id = id(reader, name)?,
        "parentId" => draft.parent_id = id(reader, name)?,
        "name" => span.name = text(reader, name)?,
        "kind" => kind(reader, name, draft)?,
        "timestamp" => span.start = microseconds(reader, name)?,
        "duration" => draft.duration = microseconds(reader, name)?,
        "debug" => span.debug = flag(reader, name)?,
        "shared" => span.shared = flag(reader, name)?,
        "localEndpoint" => {
            span.local = (*endpoint(reader, "localEndpoint", known)?).clone();
        }
        "remoteEndpoint" => {
            span.remote = (*endpoint(reader, "remoteEndpoint", known)?).clone();
        }
        "annotations" => annotations(reader, draft, known)?,
        "tags" => tags(reader, draft)?,
        "binaryAnnotations" => binary_annotations(reader, draft, known)?,
        "resourceSpans" | "resource_spans" => {
            *otlp = true;
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
    match hex::padded(&text) {
        Some(id) => Ok(Some(id)),
        None => {
            let wanted = format!("1 to `{}` hexadecimal digits", 2 * N);
            Err(bad_value(SpanReject::Id, at, name, str_of(&text), &wanted))
        }
    }
}

/// Text; of another value than a string, its JSON text. Empty for `null`.
#[inline]
fn text<'a>(reader: &mut Reader<'a>, name: &str) -> Result<Text<'a>, ReadError> {
    match reader.plain_text() {
        Some(text) => Ok(Cow::Borrowed(text)),
        None => unusual_text(reader, name).map(bytes_of),
    }
}

fn unusual_text<'a>(reader: &mut Reader<'a>, name: &str) -> Result<Cow<'a, str>, ReadError> {
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

/// A kind of no known name is kept as the tag that OpenTracing had for kinds.
fn kind<'a>(reader: &mut Reader<'a>, name: &str, draft: &mut Draft<'a>) -> Result<(), ReadError> {
    let word = text(reader, name)?;
    draft.span.kind = kind_of(&word);
    if draft.span.kind == Kind::None && !word.is_empty() {
        let at = reader.at();
        draft.tag(Cow::Borrowed(SPAN_KIND.as_bytes()), word, at)?;
    }
    Ok(())
}

fn kind_of(name: &[u8]) -> Kind {
    const KNOWN: [(&[u8], Kind); 4] = [
        (b"CLIENT", Kind::Client),
        (b"SERVER", Kind::Server),
        (b"PRODUCER", Kind::Producer),
        (b"CONSUMER", Kind::Consumer),
    ];
    let exact = KNOWN.iter().find(|(known, _)| *known == name);
    let found = exact.or_else(|| KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)));
    found.map_or(Kind::None, |(_, kind)| *kind)
}

/// A number of microseconds, as nanoseconds. Negative and absent is 0; a fraction counts. Zipkin
/// takes all that 64 bits hold, also from senders that mean nanoseconds: what is too late to be
/// told in nanoseconds is [`TIME_MAX`].
fn microseconds(reader: &mut Reader<'_>, name: &str) -> Result<u64, ReadError> {
    // Nearly all are whole, and of a size that the usual numbers hold.
    if let Some(number) = reader.whole_number() {
        return Ok(number.saturating_mul(1_000).min(TIME_MAX));
    }
    let at = reader.at();
    let text = text(reader, name)?;
    let text = str_of(&text);
    if text.is_empty() {
        return Ok(0);
    }
    if let Ok(number @ ..0x8000_0000_0000_0000) = text.parse::<u64>() {
        return Ok(number.saturating_mul(1_000).min(TIME_MAX));
    }
    let nanoseconds = number::scaled(text, 3).map(|(number, _)| number.max(0));
    match nanoseconds.filter(|number| *number < 1_000 << 63) {
        Some(number) => Ok(u64::try_from(number).unwrap_or(TIME_MAX).min(TIME_MAX)),
        None => Err(bad_value(SpanReject::Number, at, name, text, "microseconds in 64 bits")),
    }
}

/// A boolean; also in quotes, and `1`. Anything else is not set.
fn flag(reader: &mut Reader<'_>, name: &str) -> Result<bool, ReadError> {
    let text = text(reader, name)?;
    Ok(*text == *b"1" || text.eq_ignore_ascii_case(b"true"))
}

fn endpoint<'a>(
    reader: &mut Reader<'a>,
    field: &'static str,
    known: &mut Known<'a>,
) -> Result<Rc<Endpoint<'a>>, ReadError> {
    reader.peek()?;
    let start = reader.at();
    let (found, length) = known.endpoint(reader.rest(), |endpoint| {
        read_endpoint(reader, field, endpoint)?;
        Ok::<_, ReadError>(reader.at() - start)
    })?;
    reader.rewind(start + length);
    Ok(Rc::clone(found))
}

fn read_endpoint<'a>(
    reader: &mut Reader<'a>,
    field: &'static str,
    endpoint: &mut Endpoint<'a>,
) -> Result<(), ReadError> {
    each_field(reader, field, |reader, name| {
        match &*name {
            "serviceName" => endpoint.service_name = text(reader, &name)?,
            "ipv4" | "ipv6" => address::from_text(str_of(&text(reader, &name)?), endpoint),
            // A port that is none costs the port.
            "port" => {
                let port = number::integer(str_of(&text(reader, &name)?));
                endpoint.port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
            }
            _ => ignore(reader)?,
        }
        Ok(())
    })
}

fn annotations<'a>(
    reader: &mut Reader<'a>,
    draft: &mut Draft<'a>,
    known: &mut Known<'a>,
) -> Result<(), ReadError> {
    each_element(reader, "annotations", |reader| {
        let Annotation { mut time, mut value } = Annotation::default();
        let mut writer = None;
        each_field(reader, "annotations", |reader, name| {
            match &*name {
                "timestamp" => time = microseconds(reader, &name)?,
                "value" => value = text(reader, &name)?,
                "endpoint" => writer = Some(endpoint(reader, "endpoint", known)?),
                _ => ignore(reader)?,
            }
            Ok(())
        })?;
        let at = reader.at();
        Ok(draft.annotate(time, value, writer, at)?)
    })
}

fn binary_annotations<'a>(
    reader: &mut Reader<'a>,
    draft: &mut Draft<'a>,
    known: &mut Known<'a>,
) -> Result<(), ReadError> {
    each_element(reader, "binaryAnnotations", |reader| {
        let (mut key, mut value, mut writer) = (Cow::Borrowed(&[][..]), None, None);
        each_field(reader, "binaryAnnotations", |reader, name| {
            match &*name {
                "key" => key = text(reader, &name)?,
                "value" => value = typed(reader, &name)?,
                "endpoint" => writer = Some(endpoint(reader, "endpoint", known)?),
                _ => ignore(reader)?,
            }
            Ok(())
        })?;
        let at = reader.at();
        match value {
            Some(value) => Ok(draft.annotate_binary(key, value, writer, at)?),
            None => Ok(()),
        }
    })
}

fn tags<'a>(reader: &mut Reader<'a>, draft: &mut Draft<'a>) -> Result<(), ReadError> {
    each_field(reader, "tags", |reader, name| match any_text(reader, &name)? {
        Some(value) => {
            let at = reader.at();
            Ok(draft.tag(bytes_of(name), value, at)?)
        }
        None => Ok(()),
    })
}

/// What the value of a binary annotation is: numbers and booleans may stand without quotes. `None`
/// for `null`.
fn typed<'a>(reader: &mut Reader<'a>, name: &str) -> Result<Option<TagValue<'a>>, ReadError> {
    Ok(match reader.peek()? {
        Value::Bool => Some(TagValue::Bool(reader.boolean()?)),
        Value::Number => Some(number_of(reader.number()?)),
        _ => any_text(reader, name)?.map(TagValue::Text),
    })
}

/// A number that is too large for either type is its text.
fn number_of(text: &str) -> TagValue<'_> {
    let integer = number::integer(text).and_then(|number| i64::try_from(number).ok());
    match (integer, number::float(text)) {
        (Some(number), _) => TagValue::Int(number),
        (None, Some(number)) => TagValue::Double(number),
        (None, None) => TagValue::Text(Cow::Borrowed(text.as_bytes())),
    }
}

/// Text; of any other value, its JSON text. `None` for `null`.
#[inline]
fn any_text<'a>(reader: &mut Reader<'a>, name: &str) -> Result<Option<Text<'a>>, ReadError> {
    match reader.plain_text() {
        Some(text) => Ok(Some(Cow::Borrowed(text))),
        None => unusual_any_text(reader, name),
    }
}

fn unusual_any_text<'a>(
    reader: &mut Reader<'a>,
    name: &str,
) -> Result<Option<Text<'a>>, ReadError> {
    match reader.peek()? {
        Value::Null => {
            reader.null()?;
            Ok(None)
        }
        Value::Array | Value::Object => {
            let start = reader.at();
            reader.skip()?;
            Ok(Some(valid(reader.since(start))))
        }
        _ => Ok(Some(text(reader, name)?)),
    }
}
