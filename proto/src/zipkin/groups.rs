//! The spans of a request, by resource and scope.

use std::collections::HashMap;

use super::encode::{Scalar, put_attribute, put_span, put_text};
use super::model::Span;
use super::tags::Tags;
use crate::json::error::{JsonError, ReadError};
use crate::otlp::numbers::{
    instrumentation_scope, resource,
    resource_spans::{RESOURCE, SCOPE_SPANS},
    scope_spans,
    traces_data::RESOURCE_SPANS,
};
use crate::room::Reserved;
use crate::translated::Room;
use crate::wire::nested::{begin_message, end_message, end_message_or_drop};
use crate::wire::{delimited_len, put_bytes, put_delimited_head};

/// A span's text becomes at most so many times as long: an array of `-1` in an annotation takes 13
/// bytes for each 3; one without anything but its ids and `debug`, 105 for 35.
const GROWTH_MAX: usize = 5;

/// What a resource or a scope takes beside its own bytes: an entry of a map, three vectors.
const PLACE_BYTES: usize = 224;

/// Collects spans under their resource and scope.
///
/// Spans whose service name and resource-like tags are equal share a resource. So each span keeps
/// the resource that its own tags describe, whichever span came first.
pub(super) struct Groups<'r> {
    room: Reserved<'r>,
    /// From the encoded resource to its place in `resources`.
    resource_places: HashMap<Vec<u8>, usize>,
    /// From a resource's place (8 bytes) and the encoded scope to the place in `scopes`.
    scope_places: HashMap<Vec<u8>, usize>,
    resources: Vec<Resource>,
    scopes: Vec<Scope>,
    spans: u64,
    /// What the spans, resources and scopes take. Once more while they are put together.
    bytes: usize,
    /// What is there to find them.
    beside: usize,
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
}

impl<'r> Groups<'r> {
    pub(super) fn new(room: &'r mut dyn Room) -> Self {
        Self {
            room: Reserved::new(room),
            resource_places: HashMap::new(),
            scope_places: HashMap::new(),
            resources: Vec::new(),
            scopes: Vec::new(),
            spans: 0,
            bytes: 0,
            beside: 0,
            scratch: Vec::new(),
        }
    }

    /// Adds a span, which was read from `text_bytes` of text.
    pub(super) fn push(&mut self, span: &Span<'_>, text_bytes: usize) -> Result<(), ReadError> {
        self.need(text_bytes.saturating_mul(GROWTH_MAX))?;
        let tags = Tags::of(span);
        let resource = self.resource(&tags);
        let place = self.scope(resource, &tags);
        let Some(Scope { body }) = self.scopes.get_mut(place) else { return Ok(()) };
        let before = body.len();
        let message = begin_message(body, scope_spans::SPANS);
        put_span(body, span, &tags);
        end_message(body, message);
        self.bytes += body.len() - before;
        self.spans += 1;
        Ok(())
    }

    /// Sees to it that there is room for `more` bytes, and then for all of it put together.
    fn need(&mut self, more: usize) -> Result<(), JsonError> {
        let bytes = self.bytes.saturating_add(more);
        self.room.reserve(self.beside.saturating_add(bytes.saturating_mul(2)))
    }

    /// The request, and how many spans it has.
    pub(super) fn finish(mut self) -> Result<(Vec<u8>, u64), JsonError> {
        self.need(0)?;
        let mut out = Vec::with_capacity(self.bytes);
        for resource in &self.resources {
            let scopes = || resource.scopes.iter().filter_map(|place| self.scopes.get(*place));
            let length: usize =
                scopes().map(|scope| delimited_len(SCOPE_SPANS, scope.body.len())).sum();
            put_delimited_head(&mut out, RESOURCE_SPANS, resource.head.len() + length);
            out.extend_from_slice(&resource.head);
            for scope in scopes() {
                put_bytes(&mut out, SCOPE_SPANS, &scope.body);
            }
        }
        Ok((out, self.spans))
    }

    /// The place of the resource of a span with `tags`.
    fn resource(&mut self, tags: &Tags<'_>) -> usize {
        let head = &mut self.scratch;
        head.clear();
        let resource = begin_message(head, RESOURCE);
        for (key, value) in &tags.resource {
            put_attribute(head, resource::ATTRIBUTES, key, &Scalar::Text(value));
        }
        end_message_or_drop(head, resource);
        if let Some(place) = self.resource_places.get(head.as_slice()) {
            return *place;
        }
        let place = self.resources.len();
        self.bytes += head.len();
        self.beside += head.len() + PLACE_BYTES;
        self.resources.push(Resource { head: head.clone(), scopes: Vec::new() });
        self.resource_places.insert(head.clone(), place);
        place
    }

    /// The place of the scope of a span with `tags` in the resource at `resource`.
    fn scope(&mut self, resource: usize, tags: &Tags<'_>) -> usize {
        let key = &mut self.scratch;
        key.clear();
        key.extend_from_slice(&resource.to_le_bytes());
        let head_start = key.len();
        let scope = begin_message(key, scope_spans::SCOPE);
        put_text(key, instrumentation_scope::NAME, tags.scope_name);
        put_text(key, instrumentation_scope::VERSION, tags.scope_version);
        end_message_or_drop(key, scope);
        if let Some(place) = self.scope_places.get(key.as_slice()) {
            return *place;
        }
        let place = self.scopes.len();
        let body = key.get(head_start..).unwrap_or_default().to_vec();
        self.bytes += body.len();
        self.beside += key.len() + PLACE_BYTES;
        self.scopes.push(Scope { body });
        self.scope_places.insert(key.clone(), place);
        if let Some(resource) = self.resources.get_mut(resource) {
            resource.scopes.push(place);
        }
        place
    }
}
