//! One pass over a span, or over the head of a resource or a scope, for all policies of a set.

use std::num::NonZeroU32;

use wholetrace_ottl::Context;
use wholetrace_proto::{
    id::TraceKey,
    otlp::numbers::{resource_spans, scope_spans, span, status},
    spans::trace_id,
    tracestate,
    wire::{Cursor, FIXED64, Tag, VARINT, Value, WireError},
};

use crate::policy::{
    fnv,
    plan::{
        conditions::{AskedCondition, Conditions, Surroundings},
        fact::{Fact, Facts},
        fields::{CONTEXTS, Found, Raw, place_of},
        keys::{AskedKeys, MetKeys, Told},
        layout::{Counter, Layout, LeastHash, UNTRUE, least_randomness, least_threshold},
    },
};

/// The bit of `Span.flags` that says that a tracer sampled it (W3C Trace Context).
const SAMPLED: u32 = 1;

/// `STATUS_CODE_ERROR`.
const STATUS_ERROR: u64 = 2;

/// What is learned of a span beside its part in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Whether the span has no parent.
    pub root: bool,
    /// Whether its bytes are not a span. What stands before the defect has been taken in.
    pub malformed: bool,
}

/// What the heads of the resource and the scope tell of the spans that follow them, to one policy
/// set; and room to work in.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    resource: HeadContext,
    scope: HeadContext,
    met: MetKeys,
    /// Fields of the span and of the event that are looked at.
    span: Found,
    event: Found,
    /// Places of the events in the span.
    events: Vec<Raw>,
    counts: Vec<Counter>,
    /// A number for the name of the service.
    service: Option<NonZeroU32>,
    failures: u64,
}

/// What a head tells.
#[derive(Clone, Debug, Default)]
struct HeadContext {
    /// Of all spans that follow.
    facts: Vec<u64>,
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
}

/// What a scan looks for besides attributes.
#[derive(Clone, Debug, Default)]
pub(super) struct ScanParts {
    pub(super) statuses: Vec<(u8, Fact)>,
    pub(super) trace_states: Vec<(String, Vec<String>, Fact)>,
    pub(super) sampled_flag: Option<Fact>,
    pub(super) conditions: Vec<AskedCondition>,
    pub(super) root: Option<Fact>,
    pub(super) hashed: Vec<AskedHash>,
    /// The slot of the service's name in resources.
    pub(super) service: Option<u16>,
}

/// A field of which the least hash is asked.
#[derive(Clone, Debug)]
pub(super) struct AskedHash {
    pub(super) number: LeastHash,
    /// Where its values are found, by context: the first that is there counts.
    pub(super) slots: Vec<(usize, u16)>,
    /// Whether only spans without a parent count.
    pub(super) roots: bool,
}

/// Values of an entry of the tracestate that are asked for.
#[derive(Clone, Debug)]
struct AskedEntry {
    key: Box<[u8]>,
    values: Box<[Box<[u8]>]>,
    told: Facts,
}

/// The compiled scan.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Scan {
    keys: AskedKeys,
    conditions: Conditions,
    /// What each status tells: unset, OK, ERROR.
    statuses: [Facts; 3],
    entries: Box<[AskedEntry]>,
    sampled: Facts,
    root: Facts,
    hashed: Box<[AskedHash]>,
    service: Option<u16>,
    spans: Option<Counter>,
    errors: Option<Counter>,
}

/// What is known of a span only once all its fields have been seen.
struct Fields<'a> {
    parent: &'a [u8],
    status: u64,
    start: u64,
    end: u64,
    id_high: u64,
    /// As the words of the record have them.
    randomness: u64,
    threshold: u64,
}

/// The span that is scanned, and where its fields go.
struct Target<'t, 'a> {
    body: &'a [u8],
    facts: &'t mut [u64],
    heads: &'t mut Heads,
    fields: Fields<'a>,
}

impl Scan {
    pub(super) fn new(
        keys: AskedKeys,
        conditions: Conditions,
        parts: ScanParts,
        [spans, errors]: [Option<Counter>; 2],
    ) -> Self {
        let status = |code| parts.statuses.iter().filter(move |(of, _)| *of == code);
        let entry = |(key, values, fact): (String, Vec<String>, Fact)| AskedEntry {
            key: key.into_bytes().into(),
            values: values.into_iter().map(|value| value.into_bytes().into()).collect(),
            told: std::iter::once(fact).collect(),
        };
        Self {
            keys,
            conditions,
            statuses: [0, 1, 2].map(|code| status(code).map(|(_, fact)| *fact).collect()),
            entries: parts.trace_states.into_iter().map(entry).collect(),
            sampled: parts.sampled_flag.into_iter().collect(),
            root: parts.root.into_iter().collect(),
            hashed: parts.hashed.into(),
            service: parts.service,
            spans,
            errors,
        }
    }

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

    /// Folds a span into the record of its trace.
    #[inline]
    pub(in crate::policy) fn span(
        &self,
        body: &[u8],
        heads: &mut Heads,
        layout: &Layout,
        record: &mut [u64],
    ) -> Observed {
        if self.conditions.is_empty() && self.hashed.is_empty() {
            self.scan::<false>(body, heads, layout, record)
        } else {
            self.scan::<true>(body, heads, layout, record)
        }
    }

    /// The pass itself; `CONDITIONS` is whether there are any.
    fn scan<const CONDITIONS: bool>(
        &self,
        body: &[u8],
        heads: &mut Heads,
        layout: &Layout,
        record: &mut [u64],
    ) -> Observed {
        let facts = layout.facts_mut(record);
        for known in [&heads.resource.facts, &heads.scope.facts] {
            facts.iter_mut().zip(known).for_each(|(fact, more)| *fact |= more);
        }
        heads.met.clear();
        if CONDITIONS {
            self.conditions.fields.begin(Context::Span, body, body, &mut heads.span);
            heads.events.clear();
        }
        let fields = Fields {
            parent: &[],
            status: 0,
            start: u64::MAX,
            end: 0,
            id_high: 0,
            randomness: u64::MAX,
            threshold: 0,
        };
        let mut target = Target { body, facts, heads, fields };
        let malformed = self.fields::<CONDITIONS>(&mut target).is_err();
        let Target { facts, fields, .. } = target;
        if let Some(told) = usize::try_from(fields.status).ok().and_then(|s| self.statuses.get(s)) {
            told.add_to(facts);
        }
        let root = fields.parent.iter().all(|byte| *byte == 0);
        if root {
            self.root.add_to(facts);
        }
        let is_error = fields.status == STATUS_ERROR;
        if CONDITIONS {
            self.judge(body, root, heads, layout, record);
            self.hash(body, root, heads, layout, record);
        }
        fields.fold(body.len(), layout, record);
        if let Some(counter) = self.spans {
            layout.count(record, counter, 1);
        }
        if let (Some(counter), true) = (self.errors, is_error) {
            layout.count(record, counter, 1);
        }
        if let Some(service) = heads.service {
            layout.add_service(record, service.get());
        }
        Observed { root, malformed }
    }

    /// Evaluates the conditions on a span and on its events.
    fn judge(
        &self,
        body: &[u8],
        root: bool,
        heads: &mut Heads,
        layout: &Layout,
        record: &mut [u64],
    ) {
        let mut counts = std::mem::take(&mut heads.counts);
        let mut failures = 0;
        let facts = layout.facts_mut(record);
        if self.conditions.judges(Context::Span) {
            let around = heads.around(body, None);
            let count = |counter| counts.push(counter);
            failures += self.conditions.tell(Context::Span, &around, root, facts, count);
        }
        if self.conditions.judges(Context::SpanEvent) {
            let mut found = std::mem::take(&mut heads.event);
            for (index, event) in (0..).zip(&heads.events) {
                let Raw::Bytes { start, end } = *event else { continue };
                let event = body.get(start as usize..end as usize).unwrap_or_default();
                self.read_event(event, index, &mut found);
                let around = heads.around(body, Some((event, &found)));
                let count = |counter| counts.push(counter);
                failures += self.conditions.tell(Context::SpanEvent, &around, root, facts, count);
            }
            heads.event = found;
        }
        heads.failures += failures;
        Conditions::count(layout, record, &counts);
        counts.clear();
        heads.counts = counts;
    }

    /// Takes the values of fields that tell kinds of traces apart.
    fn hash(&self, body: &[u8], root: bool, heads: &Heads, layout: &Layout, record: &mut [u64]) {
        let around = heads.around(body, None);
        for asked in self.hashed.iter().filter(|asked| root || !asked.roots) {
            let bytes = asked.slots.iter().find_map(|(context, slot)| {
                let (buffer, found) = around.get(*context)?;
                match found.raws.get(usize::from(*slot))? {
                    Raw::Bytes { start, end } => buffer.get(*start as usize..*end as usize),
                    _ => None,
                }
            });
            if let Some(bytes) = bytes {
                // The upper half, as the last step of the hash mixes upwards.
                layout.least(record, asked.number, (fnv::hash(bytes) >> 32) as u32);
            }
        }
    }

    fn read_event(&self, event: &[u8], index: u64, found: &mut Found) {
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

    /// Walks the fields of a span. Nearly all of them have a tag and a length of one byte each, or
    /// are times; those are taken apart here, all others are left to the cursor.
    #[inline]
    fn fields<const CONDITIONS: bool>(&self, target: &mut Target<'_, '_>) -> Result<(), WireError> {
        let mut rest = target.body;
        loop {
            match rest {
                [] => return Ok(()),
                // A length-delimited field of number 1 to 15, shorter than 128 bytes.
                [tag @ 0x08..0x80, length @ 0..0x80, value @ ..]
                    if *tag & 7 == 2 && usize::from(*length) <= value.len() =>
                {
                    let (value, after) = value.split_at(usize::from(*length));
                    self.delimited::<CONDITIONS>(u32::from(*tag >> 3), value, target)?;
                    rest = after;
                }
                [START_TIME_TAG, time @ ..] if let Some((ns, after)) = time.split_first_chunk() => {
                    let ns = u64::from_le_bytes(*ns);
                    self.number::<CONDITIONS>(span::START_TIME_UNIX_NANO, ns, target);
                    rest = after;
                }
                [END_TIME_TAG, time @ ..] if let Some((ns, after)) = time.split_first_chunk() => {
                    let ns = u64::from_le_bytes(*ns);
                    self.number::<CONDITIONS>(span::END_TIME_UNIX_NANO, ns, target);
                    rest = after;
                }
                _ => rest = self.unusual::<CONDITIONS>(rest, target)?,
            }
        }
    }

    /// Takes one field off; gives back what is behind it.
    #[inline(never)]
    fn unusual<'a, const CONDITIONS: bool>(
        &self,
        rest: &'a [u8],
        target: &mut Target<'_, 'a>,
    ) -> Result<&'a [u8], WireError> {
        let mut fields = Cursor::new(rest);
        if let Some(field) = fields.next_field()? {
            match (field.number, field.value) {
                (span::START_TIME_UNIX_NANO | span::END_TIME_UNIX_NANO, Value::Fixed64(ns)) => {
                    self.number::<CONDITIONS>(field.number, ns, target);
                }
                (span::FLAGS, Value::Fixed32(flags)) => {
                    if flags & SAMPLED != 0 {
                        self.sampled.add_to(target.facts);
                    }
                    self.number::<CONDITIONS>(span::FLAGS, u64::from(flags), target);
                }
                (number, Value::Varint(value)) => {
                    self.number::<CONDITIONS>(number, value, target);
                }
                (number, Value::Bytes(value)) => {
                    self.delimited::<CONDITIONS>(number, value, target)?;
                }
                _ => {}
            }
        }
        Ok(rest.get(fields.position()..).unwrap_or_default())
    }

    #[inline(always)]
    fn number<const CONDITIONS: bool>(&self, number: u32, value: u64, target: &mut Target<'_, '_>) {
        match number {
            // 0 says that the sender did not know it.
            span::START_TIME_UNIX_NANO if value != 0 => {
                target.fields.start = target.fields.start.min(value);
            }
            span::END_TIME_UNIX_NANO => target.fields.end = target.fields.end.max(value),
            _ => {}
        }
        if CONDITIONS {
            let found = &mut target.heads.span;
            self.conditions.fields.field(Context::Span, number, Raw::Number(value), found);
        }
    }

    #[inline(always)]
    fn delimited<'a, const CONDITIONS: bool>(
        &self,
        number: u32,
        value: &'a [u8],
        target: &mut Target<'_, 'a>,
    ) -> Result<(), WireError> {
        if CONDITIONS {
            let raw = Raw::part(target.body, value);
            self.conditions.fields.field(Context::Span, number, raw, &mut target.heads.span);
        }
        match number {
            span::ATTRIBUTES => {
                if let Some(candidate) = self.keys.candidate(value) {
                    let Heads { met, span: found, .. } = &mut *target.heads;
                    let told = &mut Told { facts: target.facts, met, buffer: target.body, found };
                    self.keys.look_up(candidate, Context::Span, told);
                }
            }
            span::TRACE_ID => {
                if let Some((high, low)) = value.split_first_chunk()
                    && low.len() == 8
                {
                    target.fields.id_high = target.fields.id_high.max(u64::from_be_bytes(*high));
                }
            }
            span::TRACE_STATE => self.trace_state(value, target),
            span::PARENT_SPAN_ID => target.fields.parent = value,
            span::EVENTS if CONDITIONS => target.heads.events.push(Raw::part(target.body, value)),
            span::STATUS => {
                if let Some(code) = status_code(value)? {
                    target.fields.status = code;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn trace_state(&self, value: &[u8], target: &mut Target<'_, '_>) {
        let entry = tracestate::read(value);
        // Of several such fields the last counts.
        target.fields.randomness = entry.randomness.unwrap_or(u64::MAX);
        target.fields.threshold = entry.threshold.map_or(0, |came| {
            let id = || TraceKey::of(trace_id(target.body)).map(TraceKey::randomness);
            let randomness = entry.randomness.or_else(id);
            if randomness.is_some_and(|drawn| came.keeps(drawn)) { came.get() } else { UNTRUE }
        });
        for asked in &self.entries {
            if !asked.told.are_in(target.facts)
                && let Some(value) = tracestate::value_of(value, &asked.key)
                && asked.values.iter().any(|asked| **asked == *value)
            {
                asked.told.add_to(target.facts);
            }
        }
    }
}

impl Fields<'_> {
    /// Folds what was found into the record.
    #[inline]
    fn fold(&self, bytes: usize, layout: &Layout, record: &mut [u64]) {
        if let Some(end) = record.first_mut() {
            *end = (*end).max(self.end);
        }
        if let Some(start) = word(record, layout.start) {
            *start = (*start).min(self.start);
        }
        if let Some(id_high) = word(record, layout.id_high) {
            *id_high = (*id_high).max(self.id_high);
        }
        if let Some(randomness) = word(record, layout.randomness) {
            *randomness = least_randomness(*randomness, self.randomness);
        }
        if let Some(threshold) = word(record, layout.threshold) {
            *threshold = least_threshold(*threshold, self.threshold);
        }
        if let Some(sum) = word(record, layout.bytes) {
            *sum = sum.saturating_add(bytes as u64);
        }
    }
}

impl Heads {
    /// What conditions see of the span with the bytes `span`, or of an event of it.
    fn around<'v>(
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

/// A word of a record, if it has that one.
#[inline]
fn word(record: &mut [u64], place: Option<usize>) -> Option<&mut u64> {
    record.get_mut(place?)
}

/// The tag of `start_time_unix_nano`, a fixed64.
const START_TIME_TAG: u8 = Tag::new(span::START_TIME_UNIX_NANO, FIXED64).byte();
/// The tag of `end_time_unix_nano`, a fixed64.
const END_TIME_TAG: u8 = Tag::new(span::END_TIME_UNIX_NANO, FIXED64).byte();

/// The tag of `Status.code`, a varint.
const CODE_TAG: u8 = Tag::new(status::CODE, VARINT).byte();

fn status_code(status: &[u8]) -> Result<Option<u64>, WireError> {
    // Most statuses say nothing, or the code alone.
    match status {
        [] => return Ok(None),
        [CODE_TAG, code @ 0..0x80] => return Ok(Some(u64::from(*code))),
        _ => {}
    }
    let mut code = None;
    let mut fields = Cursor::new(status);
    while let Some(field) = fields.next_field()? {
        if let (status::CODE, Value::Varint(number)) = (field.number, field.value) {
            code = Some(number);
        }
    }
    Ok(code)
}
