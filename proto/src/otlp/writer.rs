//! Writes a request in OTLP for a translator: span by span, under resources and scopes that are
//! told apart by what they say.

use self::places::Places;
use super::message::{Memory, MessageWriter};
use super::numbers::{
    resource_spans::{RESOURCE, SCOPE_SPANS},
    scope_spans::{SCOPE, SPANS},
    traces_data::RESOURCE_SPANS,
};
use crate::reject::{Rejected, SpanReject};
use crate::room::{NoRoom, Room};
use crate::translated::Translated;
use crate::wire::{delimited_len, put_bytes, put_delimited_head};

mod places;

/// What a resource or a scope takes beside its own bytes: an entry of a map, four vectors.
const PLACE_BYTES: usize = 224;

/// The most bytes of the tag and the length of a resource or a scope.
const HEAD_BYTES_MAX: usize = 1 + 10;

/// Collects spans under their resources and scopes.
///
/// Resources with the same fields are one, and so are scopes of one resource. So each span keeps the
/// resource that its own sender described, whichever span came first.
///
/// It asks for room as it writes, so that no translator has to know how much larger than its text
/// a request becomes: for what is written, and as much again for the moment in which it is put
/// together.
pub(crate) struct Writer<'r> {
    memory: Memory<'r>,
    /// From the encoded resource to its place in `resources`.
    resource_places: Places,
    /// From a resource's place (8 bytes) and the encoded scope to the place in `scopes`.
    scope_places: Places,
    resources: Vec<Resource>,
    scopes: Vec<Scope>,
    spans: u64,
    rejected: Rejected,
    scratch: Vec<u8>,
}

struct Resource {
    /// The fields of `ResourceSpans` without the scopes.
    head: Vec<u8>,
    /// Places in `scopes`.
    scopes: Vec<usize>,
}

struct Scope {
    /// The fields of `ScopeSpans`: the scope, then the spans.
    body: Vec<u8>,
    spans: u64,
}

/// A resource of a [`Writer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResourceId(usize);

/// A scope of a [`Writer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScopeId(usize);

impl<'r> Writer<'r> {
    /// One that takes its memory of `room`.
    pub(crate) fn new(room: &'r mut dyn Room) -> Self {
        Self {
            memory: Memory::new(room),
            resource_places: Places::default(),
            scope_places: Places::default(),
            resources: Vec::new(),
            scopes: Vec::new(),
            spans: 0,
            rejected: Rejected::default(),
            scratch: Vec::new(),
        }
    }

    /// The resource with the fields that `write` writes.
    pub(crate) fn resource(
        &mut self,
        write: impl FnOnce(&mut MessageWriter<'_, 'r>),
    ) -> Result<ResourceId, NoRoom> {
        self.scratch.clear();
        self.write_head(RESOURCE, write)?;
        let head = &self.scratch;
        if let Some(place) = self.resource_places.find(head) {
            return Ok(ResourceId(place));
        }
        let (place, head) = (self.resources.len(), head.clone());
        self.memory.add(head.len(), head.len() + PLACE_BYTES);
        self.memory.reserve(0)?;
        self.resource_places.add(&head);
        self.resources.push(Resource { head, scopes: Vec::new() });
        Ok(ResourceId(place))
    }

    /// The scope of `resource` with the fields that `write` writes.
    pub(crate) fn scope(
        &mut self,
        resource: ResourceId,
        write: impl FnOnce(&mut MessageWriter<'_, 'r>),
    ) -> Result<ScopeId, NoRoom> {
        self.scratch.clear();
        self.scratch.extend_from_slice(&resource.0.to_le_bytes());
        let before = self.scratch.len();
        self.write_head(SCOPE, write)?;
        let key = &self.scratch;
        if let Some(place) = self.scope_places.find(key) {
            return Ok(ScopeId(place));
        }
        let (place, key) = (self.scopes.len(), key.clone());
        let body = key.get(before..).unwrap_or_default().to_vec();
        self.memory.add(body.len(), key.len() + PLACE_BYTES);
        self.memory.reserve(0)?;
        self.scope_places.add(&key);
        self.scopes.push(Scope { body, spans: 0 });
        if let Some(resource) = self.resources.get_mut(resource.0) {
            resource.scopes.push(place);
        }
        Ok(ScopeId(place))
    }

    /// Writes a message as field `number` behind what is in the scratch; nothing when it is empty.
    fn write_head(
        &mut self,
        number: u32,
        write: impl FnOnce(&mut MessageWriter<'_, 'r>),
    ) -> Result<(), NoRoom> {
        let mut writer = MessageWriter::new(&mut self.scratch, &mut self.memory);
        let message = writer.begin_message(number);
        write(&mut writer);
        writer.end_message_or_drop(message);
        self.memory.reserve(self.scratch.len())
    }

    /// Writes a span of `scope` by `write`. If that refuses the span, what it wrote is taken back
    /// and the span is counted as rejected.
    pub(crate) fn span(
        &mut self,
        scope: ScopeId,
        write: impl FnOnce(&mut MessageWriter<'_, 'r>) -> Result<(), SpanReject>,
    ) -> Result<(), NoRoom> {
        let Some(scope) = self.scopes.get_mut(scope.0) else { return Ok(()) };
        let before = scope.body.len();
        let mut writer = MessageWriter::new(&mut scope.body, &mut self.memory);
        let message = writer.begin_long_message(SPANS);
        let written = write(&mut writer);
        writer.end_message(message);
        let bytes = scope.body.len().saturating_sub(before);
        self.memory.reserve(bytes)?;
        match written {
            Ok(()) => {
                self.memory.add(bytes, 0);
                scope.spans += 1;
                self.spans += 1;
            }
            Err(reject) => {
                scope.body.truncate(before);
                self.rejected.add(reject, 1);
            }
        }
        Ok(())
    }

    /// How many spans are written.
    pub(crate) const fn spans(&self) -> u64 {
        self.spans
    }

    /// Counts a span that was refused before any of it was written.
    pub(crate) fn reject(&mut self, reject: SpanReject) {
        self.rejected.add(reject, 1);
    }

    /// Counts `spans` that were refused for one reason.
    pub(crate) fn reject_many(&mut self, reject: SpanReject, spans: u64) {
        self.rejected.add(reject, spans);
    }

    /// The request. Resources and scopes without spans are not in it.
    pub(crate) fn finish(mut self) -> Result<Translated, NoRoom> {
        self.memory.reserve(0)?;
        // With the tag and the length of each.
        let heads = (self.resources.len() + self.scopes.len()) * HEAD_BYTES_MAX;
        let mut bytes = Vec::with_capacity(self.memory.messages() + heads);
        for resource in &self.resources {
            let scopes = || {
                let scopes = resource.scopes.iter().filter_map(|place| self.scopes.get(*place));
                scopes.filter(|scope| scope.spans > 0)
            };
            let length: usize =
                scopes().map(|scope| delimited_len(SCOPE_SPANS, scope.body.len())).sum();
            if length == 0 {
                continue;
            }
            put_delimited_head(&mut bytes, RESOURCE_SPANS, resource.head.len() + length);
            bytes.extend_from_slice(&resource.head);
            for scope in scopes() {
                put_bytes(&mut bytes, SCOPE_SPANS, &scope.body);
            }
        }
        // Fields are written as they have to be, and translators give this none but spans with ids.
        let checked = self.spans > 0;
        Ok(Translated { bytes, spans: self.spans, checked, rejected: self.rejected })
    }
}

#[cfg(test)]
mod tests;
