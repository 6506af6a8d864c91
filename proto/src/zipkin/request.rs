//! What becomes of the spans of a request, whatever format they come in.

use super::draft::{Draft, complete};
use super::encode::write_span;
use super::model::Span;
use super::v1;
use crate::otlp::writer::Writer;
use crate::reject::SpanReject;
use crate::room::{NoRoom, Room};
use crate::translated::Translated;

/// Takes spans as they are read.
pub(super) struct Request<'r> {
    writer: Writer<'r>,
    /// Whether all spans are to be kept.
    debug: bool,
}

impl<'r> Request<'r> {
    /// One whose spans are all marked where `debug` is set.
    pub(super) fn new(debug: bool, room: &'r mut dyn Room) -> Self {
        Self { writer: Writer::new(room), debug }
    }

    /// Takes the span that stands at byte `at`; or counts it as rejected, for the reason in `read`
    /// or since it has no ids.
    pub(super) fn take(
        &mut self,
        at: usize,
        read: Result<Draft<'_>, SpanReject>,
    ) -> Result<(), NoRoom> {
        match read.and_then(|draft| draft.finish(at)) {
            Ok((mut span, duration, parts)) => {
                span.debug |= self.debug;
                if !parts.is_empty() {
                    let write = |span: &Span<'_>| write_span(&mut self.writer, span);
                    return v1::split(span, duration, parts, write);
                }
                complete(&mut span, duration);
                write_span(&mut self.writer, &span)
            }
            Err(reject) => {
                self.writer.reject(reject);
                Ok(())
            }
        }
    }

    /// Whether there is no span in it yet that could be read.
    pub(super) const fn is_empty(&self) -> bool {
        self.writer.spans() == 0
    }

    /// The request in OTLP.
    pub(super) fn finish(self) -> Result<Translated, NoRoom> {
        self.writer.finish()
    }
}
