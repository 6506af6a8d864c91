//! Batches in protobuf, as Jaeger's `api_v2` has them: the call `PostSpans`.

use std::borrow::Cow;

use super::batch::Batch;
use super::error::JaegerError;
use super::model::{Process, Span};
use super::numbers::{batch, request};
use super::read_protobuf::{read_process, read_span};
use crate::reject::SpanReject;
use crate::room::Room;
use crate::texts::Texts;
use crate::translated::Translated;
use crate::wire::{Cursor, LEN, Tag};

/// The path of the call over gRPC that takes batches.
pub const POST_SPANS_PATH: &str = "/jaeger.api_v2.CollectorService/PostSpans";

/// Translates a `PostSpansRequest` into an OTLP request.
///
/// A span that cannot be read is rejected alone; so are the spans of a process that cannot be read.
/// Text that is not UTF-8 is repaired. See [`jaeger`](crate::jaeger) for what becomes what.
///
/// The work is linear in the bytes. The answer can be some times larger: `room` is asked for what
/// each field takes before it is taken.
///
/// # Errors
/// When the bytes are no such request, or there is not the room.
pub fn to_protobuf(request: &[u8], room: &mut dyn Room) -> Result<Translated, JaegerError> {
    let mut processes = Vec::new();
    // The process stands behind the spans that are its.
    each_in_batches(request, batch::PROCESS, |body| {
        processes.push(with_valid_text(body));
        Ok(())
    })?;
    let (mut batch, mut span) = (Batch::new(room, joined(&processes)), Span::default());
    each_in_batches(request, batch::SPANS, |body| {
        span.clear();
        let mut texts = Texts::new(body);
        match (read_span(&mut texts, &mut span), texts.repaired(0..body.len())) {
            (Ok(own), None) => batch.span(&mut span, own.as_ref())?,
            (Ok(_), Some(repaired)) => {
                let mut span = Span::default();
                match read_span(&mut Texts::new(&repaired), &mut span) {
                    Ok(own) => batch.span(&mut span, own.as_ref())?,
                    Err(reject) => batch.reject(reject),
                }
            }
            (Err(reject), _) => batch.reject(reject),
        }
        Ok(())
    })?;
    Ok(batch.finish()?)
}

/// The bytes of a process, with its text repaired where it is not UTF-8.
fn with_valid_text(body: &[u8]) -> Cow<'_, [u8]> {
    let mut texts = Texts::new(body);
    let whole = 0..body.len();
    // What is wrong with it is noticed where it is read for good.
    let read = read_process(&mut texts, whole.clone(), &mut Process::default());
    texts.repaired(whole).filter(|_| read.is_ok()).map_or(Cow::Borrowed(body), Cow::Owned)
}

/// The process that `bodies` say together.
fn joined<'a>(bodies: &'a [Cow<'_, [u8]>]) -> Result<Process<'a>, SpanReject> {
    let mut process = Process::default();
    let mut read = Ok(());
    for body in bodies {
        if let Err(error) = read_process(&mut Texts::new(body), 0..body.len(), &mut process) {
            read = Err(error);
        }
    }
    read.map(|()| process)
}

/// Calls `take` for each field `number` of the batches in `request`, with the bytes.
fn each_in_batches<'a>(
    request: &'a [u8],
    number: u32,
    mut take: impl FnMut(&'a [u8]) -> Result<(), JaegerError>,
) -> Result<(), JaegerError> {
    let mut fields = Cursor::new(request);
    while let Some(field) = fields.next_field()? {
        if field.number != request::BATCH {
            continue;
        }
        let mut fields = Cursor::new(field.bytes("PostSpansRequest")?);
        loop {
            let before = fields.clone();
            match fields.next_tag()? {
                Some(tag) if tag == Tag::new(number, LEN) => take(fields.delimited()?)?,
                Some(_) => {
                    fields = before;
                    if let Some(field) = fields.next_field()?
                        && field.number == number
                    {
                        return Err(field.wrong_type("Batch").into());
                    }
                }
                None => break,
            }
        }
    }
    Ok(())
}
