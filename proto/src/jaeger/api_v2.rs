//! Batches in protobuf, as Jaeger's `api_v2` has them: the call `PostSpans`.

use super::batch::Batch;
use super::error::JaegerError;
use super::model::{Process, Span};
use super::numbers::{batch, request};
use super::read_protobuf::{read_process, read_span};
use crate::room::Room;
use crate::translated::Translated;
use crate::wire::Cursor;

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
    let mut process = Process::default();
    let mut process_error = None;
    // The process stands behind the spans that are its.
    each_in_batches(request, batch::PROCESS, |body| {
        if let Err(error) = read_process(body, &mut process) {
            process_error = Some(error);
        }
        Ok(())
    })?;
    let process = process_error.map_or(Ok(process), Err);
    let (mut batch, mut span) = (Batch::new(room, process), Span::default());
    each_in_batches(request, batch::SPANS, |body| {
        span.clear();
        match read_span(body, &mut span) {
            Ok(own) => batch.span(&span, own.as_ref())?,
            Err(reject) => batch.reject(reject),
        }
        Ok(())
    })?;
    Ok(batch.finish()?)
}

/// Calls `take` for each field `number` of the batches in `request`, with the bytes.
fn each_in_batches<'a>(
    request: &'a [u8],
    number: u32,
    mut take: impl FnMut(&'a [u8]) -> Result<(), JaegerError>,
) -> Result<(), JaegerError> {
    let mut request = Cursor::new(request);
    while let Some(field) = request.next_field()? {
        if field.number != request::BATCH {
            continue;
        }
        let mut batch = Cursor::new(field.bytes("PostSpansRequest")?);
        while let Some(field) = batch.next_field()? {
            if field.number == number {
                take(field.bytes("Batch")?)?;
            }
        }
    }
    Ok(())
}
