//! One pass over a span, or over the head of a resource or a scope, for all policies of a set.

use wholetrace_ottl::Context;
use wholetrace_proto::{
    id::{TraceId, TraceKey},
    otlp::numbers::{span, status},
    spans::trace_id,
    tracestate,
    wire::{Cursor, FIXED32, FIXED64, LEN, Tag, VARINT, Value, WireError},
};

use crate::policy::{
    fnv,
    plan::{
        conditions::{AskedCondition, Conditions},
        fact::{Fact, Facts},
        fields::Raw,
        heads::{Asked, Heads},
        keys::{AskedKeys, Told},
        layout::{Counter, Layout, LeastHash, NO_RV, UNTRUE, least_threshold},
        root::joins,
        times::NearTimes,
    },
};

/// The bit of `Span.flags` that says that a tracer sampled it (W3C Trace Context).
const SAMPLED: u32 = 1;

/// `STATUS_CODE_ERROR`.
const STATUS_ERROR: u64 = 2;

/// What is learned of a span beside its part in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Whether the span has no parent, nor the id of its caller's.
    pub root: bool,
    /// Whether its bytes are not a span. What stands before the defect has been taken in.
    pub malformed: bool,
    /// Whether it ends before it starts, or one of its times is not near: see [`NearTimes`].
    pub odd_times: bool,
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
    pub(in crate::policy) asked: Asked,
    /// What each status tells: unset, OK, ERROR.
    statuses: [Facts; 3],
    entries: Box<[AskedEntry]>,
    sampled: Facts,
    root: Facts,
    hashed: Box<[AskedHash]>,
    spans: Option<Counter>,
    errors: Option<Counter>,
}

/// What is known of a span only once all its fields have been seen.
struct Fields<'a> {
    parent: &'a [u8],
    status: u64,
    start: u64,
    end: u64,
    id: TraceId,
    /// As the words of the record have them.
    randomness: u64,
    threshold: u64,
}

/// The span that is scanned, and where its fields go.
struct Target<'t, 'a> {
    body: &'a [u8],
    facts: &'t mut [u64],
    heads: &'t mut Heads,
    /// Behind a reference: to move them out would be to copy in larger pieces what was just written in
    /// small ones, for which a processor waits.
    fields: &'t mut Fields<'a>,
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
            asked: Asked { keys, conditions, service: parts.service },
            statuses: [0, 1, 2].map(|code| status(code).map(|(_, fact)| *fact).collect()),
            entries: parts.trace_states.into_iter().map(entry).collect(),
            sampled: parts.sampled_flag.into_iter().collect(),
            root: parts.root.into_iter().collect(),
            hashed: parts.hashed.into(),
            spans,
            errors,
        }
    }

    /// Folds a span into the record of its trace.
    #[inline]
    pub(in crate::policy) fn span(
        &self,
        body: &[u8],
        near: NearTimes,
        heads: &mut Heads,
        layout: &Layout,
        record: &mut [u64],
    ) -> Observed {
        if self.asked.conditions.is_empty() && self.hashed.is_empty() {
            self.scan::<false>(body, near, heads, layout, record)
        } else {
            self.scan::<true>(body, near, heads, layout, record)
        }
    }

    /// The pass itself; `CONDITIONS` is whether there are any.
    fn scan<const CONDITIONS: bool>(
        &self,
        body: &[u8],
        near: NearTimes,
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
            self.asked.conditions.fields.begin(Context::Span, body, body, &mut heads.span);
            heads.events.clear();
        }
        let mut fields = Fields {
            parent: &[],
            status: 0,
            start: 0,
            end: 0,
            id: TraceId([0; 16]),
            randomness: NO_RV,
            threshold: 0,
        };
        let mut target = Target { body, facts, heads, fields: &mut fields };
        let malformed = self.fields::<CONDITIONS>(&mut target).is_err();
        let facts = layout.facts_mut(record);
        if let Some(told) = usize::try_from(fields.status).ok().and_then(|s| self.statuses.get(s)) {
            told.add_to(facts);
        }
        let root = is_zero(fields.parent) && !joins(body);
        if root {
            self.root.add_to(facts);
        }
        let is_error = fields.status == STATUS_ERROR;
        if CONDITIONS {
            self.judge(body, root, heads, layout, record);
            self.hash(body, root, heads, layout, record);
        }
        let odd_times = fields.fold(body.len(), near, layout, record);
        if let Some(counter) = self.spans {
            layout.count(record, counter, 1);
        }
        if let (Some(counter), true) = (self.errors, is_error) {
            layout.count(record, counter, 1);
        }
        if let Some(service) = heads.service {
            layout.add_service(record, service.get());
        }
        Observed { root, malformed, odd_times }
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
        if self.asked.conditions.judges(Context::Span) {
            let around = heads.around(body, None);
            let count = |counter| counts.push(counter);
            failures += self.asked.conditions.tell(Context::Span, &around, root, facts, count);
        }
        if self.asked.conditions.judges(Context::SpanEvent) {
            let mut found = std::mem::take(&mut heads.event);
            for (index, event) in (0..).zip(&heads.events) {
                let Raw::Bytes { start, end } = *event else { continue };
                let event = body.get(start as usize..end as usize).unwrap_or_default();
                self.asked.read_event(event, index, &mut found);
                let around = heads.around(body, Some((event, &found)));
                let count = |counter| counts.push(counter);
                failures +=
                    self.asked.conditions.tell(Context::SpanEvent, &around, root, facts, count);
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

    /// Walks the fields of a span. Nearly all of them have a tag and a length or a number of one byte
    /// each, or are times or flags; those are taken apart here, all others are left to the cursor.
    #[inline]
    fn fields<const CONDITIONS: bool>(&self, target: &mut Target<'_, '_>) -> Result<(), WireError> {
        let mut rest = target.body;
        loop {
            match rest {
                [tag, length, value @ ..]
                    if is_short(*tag, *length) && usize::from(*length) <= value.len() =>
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
                [tag, value, after @ ..] if is_small(*tag, *value) => {
                    self.number::<CONDITIONS>(u32::from(*tag >> 3), u64::from(*value), target);
                    rest = after;
                }
                [FLAGS_TAG_LOW, FLAGS_TAG_HIGH, flags @ ..]
                    if let Some((flags, after)) = flags.split_first_chunk() =>
                {
                    self.flags::<CONDITIONS>(u32::from_le_bytes(*flags), target);
                    rest = after;
                }
                [] => return Ok(()),
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
                    self.flags::<CONDITIONS>(flags, target);
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
    fn flags<const CONDITIONS: bool>(&self, flags: u32, target: &mut Target<'_, '_>) {
        if flags & SAMPLED != 0 {
            self.sampled.add_to(target.facts);
        }
        self.number::<CONDITIONS>(span::FLAGS, u64::from(flags), target);
    }

    #[inline(always)]
    fn number<const CONDITIONS: bool>(&self, number: u32, value: u64, target: &mut Target<'_, '_>) {
        match number {
            span::START_TIME_UNIX_NANO => target.fields.start = value,
            span::END_TIME_UNIX_NANO => target.fields.end = value,
            _ => {}
        }
        if CONDITIONS {
            let found = &mut target.heads.span;
            self.asked.conditions.fields.field(Context::Span, number, Raw::Number(value), found);
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
            self.asked.conditions.fields.field(Context::Span, number, raw, &mut target.heads.span);
        }
        match number {
            // As the cursor says it of the bytes that begin with this field.
            0 => return Err(WireError::FieldNumber { at: 0 }),
            span::ATTRIBUTES => {
                if let Some(candidate) = self.asked.keys.candidate(value) {
                    let Heads { met, span: found, .. } = &mut *target.heads;
                    let told = &mut Told { facts: target.facts, met, buffer: target.body, found };
                    self.asked.keys.look_up(candidate, Context::Span, told);
                }
            }
            span::TRACE_ID => {
                // Of several the first counts, which is of the key.
                if target.fields.id.is_zero()
                    && let Ok(id) = TraceId::from_slice(value)
                {
                    target.fields.id = id;
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
        target.fields.randomness = entry.randomness.unwrap_or(NO_RV);
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
    /// Folds what was found into the record. Whether the times are odd.
    #[inline]
    fn fold(&self, bytes: usize, near: NearTimes, layout: &Layout, record: &mut [u64]) -> bool {
        let times = near.words(self.start, self.end);
        if let Some([end, id_high]) = record.first_chunk_mut() {
            *end = (*end).max(times.end);
            if *id_high != self.id.high() {
                *id_high = self.id.key().longer(*id_high, self.id.high());
            }
        }
        if let Some(start) = word(record, layout.start) {
            *start = (*start).min(times.start);
        }
        layout.add_randomness(record, self.randomness);
        if let Some(threshold) = word(record, layout.threshold) {
            *threshold = least_threshold(*threshold, self.threshold);
        }
        if let Some(sum) = word(record, layout.bytes) {
            *sum = sum.saturating_add(bytes as u64);
        }
        times.odd
    }
}

/// A word of a record, if it has that one.
#[inline]
fn word(record: &mut [u64], place: Option<usize>) -> Option<&mut u64> {
    record.get_mut(place?)
}

/// Whether these begin a length-delimited field of number 0 to 15, shorter than 128 bytes. Asked for
/// each field of each span, so all at once: the bits of the wire type, and the highest of both.
#[inline(always)]
const fn is_short(tag: u8, length: u8) -> bool {
    u16::from_le_bytes([tag, length]) & 0x8087 == LEN as u16
}

/// Whether these are a varint field of number 1 to 15 with a value below 128.
#[inline(always)]
const fn is_small(tag: u8, value: u8) -> bool {
    u16::from_le_bytes([tag, value]) & 0x8087 == VARINT as u16 && tag != 0
}

/// Whether an id is absent or has no bit that is set. Nearly all ids of spans have 8 bytes.
#[inline(always)]
fn is_zero(id: &[u8]) -> bool {
    match <[u8; 8]>::try_from(id) {
        Ok(id) => id == [0; 8],
        Err(_) => id.iter().all(|byte| *byte == 0),
    }
}

/// The tag of `start_time_unix_nano`, a fixed64.
const START_TIME_TAG: u8 = Tag::new(span::START_TIME_UNIX_NANO, FIXED64).byte();
/// The tag of `end_time_unix_nano`, a fixed64.
const END_TIME_TAG: u8 = Tag::new(span::END_TIME_UNIX_NANO, FIXED64).byte();

/// The tag of `flags`, a fixed32, in two bytes.
const FLAGS_TAG_LOW: u8 = (span::FLAGS << 3 | FIXED32) as u8 | 0x80;
const FLAGS_TAG_HIGH: u8 = (span::FLAGS >> 4) as u8;

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

#[test]
fn short_fields_are_told_by_two_bytes() {
    for tag in 0..=u8::MAX {
        for length in 0..=u8::MAX {
            let one_byte = tag < 0x80 && length < 0x80;
            assert_eq!(is_short(tag, length), one_byte && tag & 7 == 2, "{tag:#x} {length:#x}");
            let small = one_byte && tag & 7 == 0 && tag > 0;
            assert_eq!(is_small(tag, length), small, "{tag:#x} {length:#x}");
        }
    }
}
