//! The head of a resource or a scope: what it tells holds for every span below it.

use std::num::NonZeroU32;

use wholetrace_ottl::Context;
use wholetrace_proto::{
    otlp::numbers::{resource_spans, scope_spans},
    wire::{Cursor, Value},
};

use crate::policy::{
    fnv,
    plan::{
        conditions::{Conditions, Surroundings},
        fields::{CONTEXTS, Found, Raw, place_of},
        keys::{AskedKeys, MetKeys, Told},
        layout::{Counter, Layout},
    },
};

/// What the heads of the resource and the scope tell of the spans that follow them, to one policy
/// set; and room to work in.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    pub(super) resource: HeadContext,
    pub(super) scope: HeadContext,
    pub(super) met: MetKeys,
    /// Fields of the span and of the event that are looked at.
    pub(super) span: Found,
    pub(super) event: Found,
    /// Places of the events in the span.
    pub(super) events: Vec<Raw>,
    pub(super) counts: Vec<Counter>,
    /// A number for the name of the service.
    pub(super) service: Option<NonZeroU32>,
    pub(super) failures: u64,
}

/// What a head tells.
#[derive(Clone, Debug, Default)]
pub(super) struct HeadContext {
    /// Of all spans that follow.
    pub(super) facts: Vec<u64>,
    /// Its bytes, if conditions read from them.
    bytes: Vec<u8>,
    found: Found,
}

impl Heads {
    /// How many conditions had no answer since this was asked: a converter that cannot take the value
    /// that it meets, say.
    pub const fn take_failures(&mut self) -> u64 {
        std::mem::replace(&mut self.failures, 0)
    }

    /// What conditions see of the span with the bytes `span`, or of an event of it.
    pub(super) fn around<'v>(
        &'v self,
        span: &'v [u8],
        event: Option<(&'v [u8], &'v Found)>,
    ) -> Surroundings<'v> {
        let mut around: Surroundings<'v> = [(&[], &self.span); CONTEXTS];
        around[place_of(Context::Resource)] = (&self.resource.bytes, &self.resource.found);
        around[place_of(Context::Scope)] = (&self.scope.bytes, &self.scope.found);
        around[place_of(Context::Span)] = (span, &self.span);
        if let Some(event) = event {
            around[place_of(Context::SpanEvent)] = event;
        }
        around
    }
}

/// What is asked of resources, scopes, spans and events alike.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Asked {
    pub(super) keys: AskedKeys,
    pub(super) conditions: Conditions,
    /// The slot of the service's name in resources.
    pub(super) service: Option<u16>,
}

impl Asked {
    /// Whether the heads of scopes are to be told.
    pub(in crate::policy) fn wants_scopes(&self) -> bool {
        self.conditions.looks_at(Context::Scope)
    }

    /// Takes the head of a resource, the fields of a `ResourceSpans`: what it tells holds for every
    /// span below it.
    pub(in crate::policy) fn resource(&self, head: &[u8], layout: &Layout, heads: &mut Heads) {
        heads.resource.facts.clear();
        heads.scope.facts.clear();
        let conditions = self.conditions.looks_at(Context::Resource);
        if self.keys.is_empty() && !conditions {
            return;
        }
        let fields = [resource_spans::RESOURCE, resource_spans::SCHEMA_URL];
        self.head(Context::Resource, head, fields, layout, heads);
        heads.service = self.service.and_then(|slot| self.service_of(slot, heads));
        if self.conditions.judges(Context::Resource) {
            let facts = &mut std::mem::take(&mut heads.resource.facts);
            heads.failures += self.judge_head(Context::Resource, heads, facts);
            heads.resource.facts = std::mem::take(facts);
        }
    }

    /// Takes the head of a scope, the fields of a `ScopeSpans`.
    pub(in crate::policy) fn scope(&self, head: &[u8], layout: &Layout, heads: &mut Heads) {
        let fields = [scope_spans::SCOPE, scope_spans::SCHEMA_URL];
        self.head(Context::Scope, head, fields, layout, heads);
        if self.conditions.judges(Context::Scope) {
            let facts = &mut std::mem::take(&mut heads.scope.facts);
            heads.failures += self.judge_head(Context::Scope, heads, facts);
            heads.scope.facts = std::mem::take(facts);
        }
    }

    /// A number for the name of the resource's service, if it has one.
    fn service_of(&self, slot: u16, heads: &Heads) -> Option<NonZeroU32> {
        let HeadContext { bytes, found, .. } = &heads.resource;
        let fields = &self.conditions.fields;
        let name = match fields.value(place_of(Context::Resource), slot, &found.raws, bytes) {
            wholetrace_ottl::Value::Str(name) if !name.is_empty() => name,
            _ => return None,
        };
        NonZeroU32::new((fnv::hash(name) >> 32) as u32).or(Some(NonZeroU32::MIN))
    }

    fn judge_head(&self, context: Context, heads: &Heads, facts: &mut [u64]) -> u64 {
        let around = heads.around(&[], None);
        self.conditions.tell(context, &around, false, facts, |_| {})
    }

    /// Reads a head whose message is in the field `message`.
    fn head(
        &self,
        context: Context,
        head: &[u8],
        [message, schema_url]: [u32; 2],
        layout: &Layout,
        heads: &mut Heads,
    ) {
        let Heads { resource, scope, met, .. } = heads;
        let own = if context == Context::Scope { scope } else { resource };
        own.facts.clear();
        own.facts.resize(layout.facts, 0);
        own.bytes.clear();
        if self.conditions.looks_at(context) {
            own.bytes.extend_from_slice(head);
        }
        let fields = &self.conditions.fields;
        fields.begin(context, head, &head[..0], &mut own.found);
        met.clear();
        let mut outer = Cursor::new(head);
        while let Ok(Some(field)) = outer.next_field() {
            let (number, Value::Bytes(body)) = (field.number, field.value) else { continue };
            if number == message {
                let facts = own.facts.as_mut_slice();
                fields.walk(context, (head, body), &mut own.found, |attribute, found| {
                    if let Some(candidate) = self.keys.candidate(attribute) {
                        let told = &mut Told { facts, met, buffer: head, found };
                        self.keys.look_up(candidate, context, told);
                    }
                });
            } else if number == schema_url {
                fields.outer(context, number, Raw::part(head, body), &mut own.found);
            }
        }
    }

    /// Finds the fields of an event that conditions read; it is the one of this index in its span.
    pub(super) fn read_event(&self, event: &[u8], index: u64, found: &mut Found) {
        let fields = &self.conditions.fields;
        // Attributes of events show no facts: only conditions read them.
        let mut met = MetKeys::default();
        fields.walk(Context::SpanEvent, (event, event), found, |attribute, found| {
            if let Some(candidate) = self.keys.candidate(attribute) {
                let told = &mut Told { facts: &mut [], met: &mut met, buffer: event, found };
                self.keys.look_up(candidate, Context::SpanEvent, told);
            }
        });
        fields.index(index, found);
    }
}
