//! What becomes of the spans of a request, whatever format they come in.

use super::draft::{Draft, complete};
use super::encode::write_span;
use super::scopes::Scopes;
use super::tags::Places;
use super::v1;
use crate::otlp::writer::Writer;
use crate::reject::SpanReject;
use crate::room::{NoRoom, Room};
use crate::translated::Translated;

/// Takes spans as they are read.
pub(super) struct Request<'r, 'a> {
    writer: Writer<'r>,
    /// Whether all spans are to be kept.
    debug: bool,
    /// The span that is read, in memory that all spans share.
    draft: Draft<'a>,
    places: Places,
    scopes: Scopes,
}

impl<'r, 'a> Request<'r, 'a> {
    /// One whose spans are all marked where `debug` is set.
    pub(super) fn new(debug: bool, room: &'r mut dyn Room) -> Self {
        let (draft, places, scopes) = Default::default();
        Self { writer: Writer::new(room), debug, draft, places, scopes }
    }

    /// The next span, of which nothing is known: to be read, and then [taken](Self::take).
    pub(super) fn draft(&mut self) -> &mut Draft<'a> {
        self.draft.clear();
        &mut self.draft
    }

    /// Takes the span that was read and stands at byte `at`; or counts it as rejected, for the reason
    /// in `read` or since it has no ids.
    pub(super) fn take(&mut self, at: usize, read: Result<(), SpanReject>) -> Result<(), NoRoom> {
        let Self { writer, debug, draft, places, scopes } = self;
        if let Err(reject) = read.and_then(|()| draft.set_ids(at)) {
            writer.reject(reject);
            return Ok(());
        }
        draft.span.debug |= *debug;
        if !draft.v1.is_empty() {
            return v1::split(draft, |span| write_span(writer, span, places, scopes));
        }
        complete(&mut draft.span, draft.duration);
        write_span(writer, &draft.span, places, scopes)
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
