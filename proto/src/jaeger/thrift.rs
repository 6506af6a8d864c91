//! Batches in Thrift: what clients post over HTTP, and send to the agent over UDP.

use super::batch::Batch;
use super::error::JaegerError;
use super::model::{Process, Span};
use super::read_thrift::{position_in, read_process, read_span};
use crate::reject::SpanReject;
use crate::room::Room;
use crate::texts::Texts;
use crate::thrift::{Cursor, Kind, MessageKind, Protocol, ThriftError};
use crate::translated::Translated;

/// The method of the agent that takes batches.
const EMIT_BATCH: &[u8] = b"emitBatch";

/// The field of its arguments with the batch.
const EMIT_BATCH_BATCH: i16 = 1;

// Fields of a batch.
const PROCESS: i16 = 1;
const SPANS: i16 = 2;

/// Translates a `Batch` in the binary protocol into an OTLP request.
///
/// A span that says something wrong is refused alone. Where the bytes are no Thrift, what comes from
/// there on cannot be read: so many spans as the batch still claims are refused. See
/// [`jaeger`](crate::jaeger) for what becomes what.
///
/// The work is linear in the bytes. The answer can be some times larger: `room` is asked for what
/// each field takes before it is taken.
///
/// # Errors
/// When the bytes end before the first span, or there is not the room.
pub fn to_protobuf(batch: &[u8], room: &mut dyn Room) -> Result<Translated, JaegerError> {
    translate(Cursor::new(batch, Protocol::Binary), room)
}

/// Translates a message to an agent, one datagram, into an OTLP request: a call of `emitBatch`.
///
/// # Errors
/// As of [`to_protobuf`], and when another method is called.
pub fn message_to_protobuf(
    message: &[u8],
    protocol: Protocol,
    room: &mut dyn Room,
) -> Result<Translated, JaegerError> {
    let mut cursor = Cursor::new(message, protocol);
    let head = cursor.message()?;
    // Some clients write a call that waits for no answer as one that does.
    let is_call = matches!(head.kind, MessageKind::Call | MessageKind::Oneway);
    if !is_call || head.name != EMIT_BATCH {
        let shown = head.name.get(..32).unwrap_or(head.name);
        return Err(JaegerError::Method(String::from_utf8_lossy(shown).into_owned()));
    }
    let mut fields = cursor.fields();
    while let Some(field) = cursor.next_field(&mut fields)? {
        match (field.id, field.kind) {
            (EMIT_BATCH_BATCH, Kind::Struct) => return translate(cursor, room),
            (_, kind) => cursor.skip(kind)?,
        }
    }
    Ok(Translated::default())
}

/// Translates the batch that comes next.
fn translate(cursor: Cursor<'_>, room: &mut dyn Room) -> Result<Translated, JaegerError> {
    let mut found = Found::default();
    // What stands behind the spans is not needed.
    if let (Err(error), None) = (find(cursor, &mut found), &found.spans) {
        return Err(error.into());
    }
    let process = match (&found.repaired, found.process) {
        (Some((cursor, copy)), Some(_)) => {
            read_process(&mut cursor.over(copy), &mut Texts::new(copy))?
        }
        (_, process) => process.unwrap_or_else(|| Ok(Process::default())),
    };
    let (mut batch, mut span) = (Batch::new(room, process), Span::default());
    let Some(mut cursor) = found.spans else { return Ok(batch.finish()?) };
    let mut left = cursor.list_of(Kind::Struct)?;
    let mut texts = Texts::new(cursor.rest());
    while left > 0 {
        span.clear();
        let before = cursor.clone();
        let read = read_span(&mut cursor, &mut texts, &mut span);
        let range = position_in(&texts, &before)..position_in(&texts, &cursor);
        let repaired = texts.repaired(range);
        match (read, repaired) {
            (Ok(Ok(())), None) => batch.span(&mut span, None)?,
            (Ok(Ok(())), Some(repaired)) => {
                let (mut texts, mut span) = (Texts::new(&repaired), Span::default());
                match read_span(&mut before.over(&repaired), &mut texts, &mut span)? {
                    Ok(()) => batch.span(&mut span, None)?,
                    Err(reject) => batch.reject(reject),
                }
            }
            (Ok(Err(reject)), _) => batch.reject(reject),
            (Err(error), _) => {
                batch.reject_many(error.into(), left.into());
                break;
            }
        }
        left -= 1;
    }
    Ok(batch.finish()?)
}

/// What is in a batch.
#[derive(Default)]
struct Found<'a> {
    process: Option<Result<Process<'a>, SpanReject>>,
    /// At the process, and its bytes with text that was not UTF-8 repaired.
    repaired: Option<(Cursor<'a>, Vec<u8>)>,
    /// At the list of them.
    spans: Option<Cursor<'a>>,
}

/// Finds the process, which all writers put before the spans, and the spans.
fn find<'a>(mut cursor: Cursor<'a>, found: &mut Found<'a>) -> Result<(), ThriftError> {
    let mut fields = cursor.fields();
    while let Some(field) = cursor.next_field(&mut fields)? {
        match (field.id, field.kind) {
            (PROCESS, Kind::Struct) => {
                let (before, mut texts) = (cursor.clone(), Texts::new(cursor.rest()));
                found.process = Some(read_process(&mut cursor, &mut texts)?);
                let copy = texts.repaired(0..position_in(&texts, &cursor));
                found.repaired = copy.map(|copy| (before, copy));
            }
            (SPANS, Kind::List) => {
                found.spans = Some(cursor.clone());
                if found.process.is_some() {
                    return Ok(());
                }
                cursor.skip(Kind::List)?;
            }
            (_, kind) => cursor.skip(kind)?,
        }
    }
    Ok(())
}
