//! The spans of one request, whatever format they came in.

use super::encode::{UnnamedScope, write_span};
use super::model::{Process, Span};
use super::process::resource;
use crate::otlp::writer::{ResourceId, Writer};
use crate::reject::SpanReject;
use crate::room::{NoRoom, Room};
use crate::translated::Translated;

/// Writes the spans of a request.
pub(super) struct Batch<'r, 'a> {
    writer: Writer<'r>,
    /// Of all spans that have none of their own.
    process: Result<Process<'a>, SpanReject>,
    /// What the process has become, as soon as a span needs it.
    resource: Option<ResourceId>,
    /// The scope of the last span whose tags name none.
    unnamed: UnnamedScope,
}

impl<'r, 'a> Batch<'r, 'a> {
    /// One whose spans are of `process`; if that cannot be read, they cannot be taken.
    pub(super) fn new(room: &'r mut dyn Room, process: Result<Process<'a>, SpanReject>) -> Self {
        Self { writer: Writer::new(room), process, resource: None, unnamed: None }
    }

    /// Writes `span`, with its own process where it has one. Its tags are then its attributes.
    pub(super) fn span(
        &mut self,
        span: &mut Span<'_>,
        own: Option<&Process<'_>>,
    ) -> Result<(), NoRoom> {
        let resource = match (own, self.resource, &self.process) {
            (Some(process), ..) => resource(&mut self.writer, process)?,
            (None, Some(resource), _) => resource,
            (None, None, Ok(process)) => {
                *self.resource.insert(resource(&mut self.writer, process)?)
            }
            (None, None, Err(reject)) => {
                self.writer.reject(reject.clone());
                return Ok(());
            }
        };
        write_span(&mut self.writer, resource, &mut self.unnamed, span)
    }

    /// Counts a span that cannot be taken.
    pub(super) fn reject(&mut self, reject: SpanReject) {
        self.writer.reject(reject);
    }

    /// Counts `spans` that cannot be taken for one reason.
    pub(super) fn reject_many(&mut self, reject: SpanReject, spans: u64) {
        self.writer.reject_many(reject, spans);
    }

    /// The request in OTLP.
    pub(super) fn finish(self) -> Result<Translated, NoRoom> {
        self.writer.finish()
    }
}
