//! A request of any encoding.

use super::error::ZipkinError;
use super::request::Request;
use super::{json, proto3, thrift};
use crate::room::Room;
use crate::thrift::Cursor;
use crate::translated::Translated;

/// How a request is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// JSON: spans of v1 and v2, an array of them or one.
    #[default]
    Json,
    /// Protobuf: `ListOfSpans`, which are of v2.
    Protobuf,
    /// Thrift in its binary protocol: a list of spans of v1, or one.
    Thrift,
}

impl Encoding {
    /// How `body` is written, of which somebody says that it is written as `said`. What it begins
    /// with tells; where that could be several, `said` does.
    fn of(body: &[u8], said: Self) -> Self {
        let is_json = body.starts_with(BYTE_ORDER_MARK)
            || matches!(body.trim_ascii_start().first(), Some(b'[' | b'{'));
        match body {
            _ if thrift::is_list(body) => Self::Thrift,
            // A new line before JSON, the tag of the first span, or the type of a first field.
            [b'\n', 1..=u8::MAX, ..] if said == Self::Protobuf && !is_json => Self::Protobuf,
            [b'\n', ..] if proto3::is_list(body) => Self::Protobuf,
            _ if thrift::is_span(body) => Self::Thrift,
            _ if is_json => Self::Json,
            _ => said,
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What comes with the body of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// How it is said to be written. Not all senders say so, or the truth: what the body begins with
    /// goes before.
    pub encoding: Encoding,
    /// Whether all its spans are marked as if each had `debug` set.
    pub debug: bool,
}

/// Translates a Zipkin request into an OTLP request.
///
/// What is wrong with one span rejects that span alone. An empty body and an empty list have no
/// spans. See [`zipkin`](crate::zipkin) for what becomes what.
///
/// The work is linear in the body. The answer can be some times larger than the body (short spans
/// get attributes; each kind of resource and scope is written once): `room` is asked for what each
/// field takes before it is taken.
///
/// # Errors
/// When the body is not of any encoding, is OTLP, or there is not the room.
pub fn to_protobuf(
    body: &[u8],
    envelope: Envelope,
    room: &mut dyn Room,
) -> Result<Translated, ZipkinError> {
    let mut request = Request::new(envelope.debug, room);
    match Encoding::of(body, envelope.encoding) {
        Encoding::Json => json::read(body, &mut request)?,
        Encoding::Protobuf => proto3::read(body, &mut request)?,
        Encoding::Thrift => thrift::read(body, &mut request)?,
    }
    Ok(request.finish()?)
}

/// Translates the list of v1 spans that comes next in a message of Thrift, in either protocol, into an
/// OTLP request.
///
/// # Errors
/// When it is none, or there is not the room.
pub fn thrift_list_to_protobuf(
    cursor: &mut Cursor<'_>,
    room: &mut dyn Room,
) -> Result<Translated, ZipkinError> {
    let mut request = Request::new(false, room);
    thrift::read_list(cursor, &mut request)?;
    Ok(request.finish()?)
}
