//! One pass over a span, or over the head of a resource, for all policies of a set.

use wholetrace_proto::{
    otlp::numbers::{resource, resource_spans, span, status},
    tracestate,
    wire::{Cursor, FIXED64, Tag, VARINT, Value, WireError},
};

use crate::policy::plan::{
    fact::{Fact, Facts},
    keys::{AskedKeys, AttributeSource, MetKeys},
    layout::{Counter, Layout},
};

/// The bit of `Span.flags` that says that a tracer sampled it (W3C Trace Context).
const SAMPLED: u32 = 1;

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
    /// What the resource tells of all its spans.
    facts: Vec<u64>,
    met: MetKeys,
}

/// What a scan looks for besides attributes.
#[derive(Clone, Debug, Default)]
pub(super) struct ScanParts {
    pub(super) statuses: Vec<(u8, Fact)>,
    pub(super) trace_states: Vec<(String, Vec<String>, Fact)>,
    pub(super) sampled_flag: Option<Fact>,
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
    /// What each status tells: unset, OK, ERROR.
    statuses: [Facts; 3],
    entries: Box<[AskedEntry]>,
    sampled: Facts,
    spans: Option<Counter>,
}

/// What is known of a span only once all its fields have been seen.
struct Found<'a> {
    parent: &'a [u8],
    status: u64,
    start: u64,
    end: u64,
    id_high: u64,
    randomness: u64,
}

/// Where the fields of one span go.
struct Target<'t> {
    facts: &'t mut [u64],
    met: &'t mut MetKeys,
}

impl Scan {
    pub(super) fn new(keys: AskedKeys, parts: ScanParts, spans: Option<Counter>) -> Self {
        let status = |code| parts.statuses.iter().filter(move |(of, _)| *of == code);
        let entry = |(key, values, fact): (String, Vec<String>, Fact)| AskedEntry {
            key: key.into_bytes().into(),
            values: values.into_iter().map(|value| value.into_bytes().into()).collect(),
            told: std::iter::once(fact).collect(),
        };
        Self {
            keys,
            statuses: [0, 1, 2].map(|code| status(code).map(|(_, fact)| *fact).collect()),
            entries: parts.trace_states.into_iter().map(entry).collect(),
            sampled: parts.sampled_flag.into_iter().collect(),
            spans,
        }
    }

    /// Takes the head of a resource, the fields of a `ResourceSpans`: what it tells holds for every
    /// span below it.
    pub(in crate::policy) fn resource(&self, head: &[u8], layout: &Layout, heads: &mut Heads) {
        heads.facts.clear();
        if self.keys.is_empty() {
            return;
        }
        heads.facts.resize(layout.facts, 0);
        heads.met.clear();
        let mut fields = Cursor::new(head);
        while let Ok(Some(field)) = fields.next_field() {
            let (resource_spans::RESOURCE, Value::Bytes(resource)) = (field.number, field.value)
            else {
                continue;
            };
            let mut fields = Cursor::new(resource);
            while let Ok(Some(field)) = fields.next_field() {
                if let (resource::ATTRIBUTES, Value::Bytes(body)) = (field.number, field.value) {
                    let (met, facts) = (&mut heads.met, heads.facts.as_mut_slice());
                    self.keys.look_at(body, AttributeSource::Resource, met, facts);
                }
            }
        }
    }

    /// Folds a span into the record of its trace.
    pub(in crate::policy) fn span(
        &self,
        body: &[u8],
        heads: &mut Heads,
        layout: &Layout,
        record: &mut [u64],
    ) -> Observed {
        let mut found = Found {
            parent: &[],
            status: 0,
            start: u64::MAX,
            end: 0,
            id_high: 0,
            randomness: u64::MAX,
        };
        let facts = layout.facts_mut(record);
        for (known, more) in facts.iter_mut().zip(&heads.facts) {
            *known |= more;
        }
        heads.met.clear();
        let mut target = Target { facts, met: &mut heads.met };
        let malformed = self.fields(body, &mut found, &mut target).is_err();
        if let Some(told) = usize::try_from(found.status).ok().and_then(|s| self.statuses.get(s)) {
            told.add_to(facts);
        }
        if let Some(end) = record.first_mut() {
            *end = (*end).max(found.end);
        }
        let mut fold = |place: Option<usize>, value: u64, fold: fn(u64, u64) -> u64| {
            if let Some(word) = place.and_then(|place| record.get_mut(place)) {
                *word = fold(*word, value);
            }
        };
        fold(layout.start, found.start, u64::min);
        fold(layout.id_high, found.id_high, u64::max);
        fold(layout.randomness, found.randomness, u64::min);
        fold(layout.bytes, body.len() as u64, u64::saturating_add);
        if let Some(counter) = self.spans {
            layout.count(record, counter, 1);
        }
        Observed { root: found.parent.iter().all(|byte| *byte == 0), malformed }
    }

    /// Walks the fields of a span. Nearly all of them have a tag and a length of one byte each, or
    /// are times; those are taken apart here, all others are left to the cursor.
    #[inline]
    fn fields<'a>(
        &self,
        body: &'a [u8],
        found: &mut Found<'a>,
        target: &mut Target<'_>,
    ) -> Result<(), WireError> {
        let mut rest = body;
        loop {
            match rest {
                [] => return Ok(()),
                // A length-delimited field of number 1 to 15, shorter than 128 bytes.
                [tag @ 0x08..0x80, length @ 0..0x80, value @ ..]
                    if *tag & 7 == 2 && usize::from(*length) <= value.len() =>
                {
                    let (value, after) = value.split_at(usize::from(*length));
                    self.delimited(u32::from(*tag >> 3), value, found, target)?;
                    rest = after;
                }
                [START_TIME_TAG, time @ ..] if let Some((ns, after)) = time.split_first_chunk() => {
                    found.start(u64::from_le_bytes(*ns));
                    rest = after;
                }
                [END_TIME_TAG, time @ ..] if let Some((ns, after)) = time.split_first_chunk() => {
                    found.end = found.end.max(u64::from_le_bytes(*ns));
                    rest = after;
                }
                _ => rest = self.unusual(rest, found, target)?,
            }
        }
    }

    /// Takes one field off; gives back what is behind it.
    #[inline(never)]
    fn unusual<'a>(
        &self,
        rest: &'a [u8],
        found: &mut Found<'a>,
        target: &mut Target<'_>,
    ) -> Result<&'a [u8], WireError> {
        let mut fields = Cursor::new(rest);
        if let Some(field) = fields.next_field()? {
            match (field.number, field.value) {
                (span::START_TIME_UNIX_NANO, Value::Fixed64(ns)) => found.start(ns),
                (span::END_TIME_UNIX_NANO, Value::Fixed64(ns)) => found.end = found.end.max(ns),
                (span::FLAGS, Value::Fixed32(flags)) if flags & SAMPLED != 0 => {
                    self.sampled.add_to(target.facts);
                }
                (number, Value::Bytes(value)) => self.delimited(number, value, found, target)?,
                _ => {}
            }
        }
        Ok(rest.get(fields.position()..).unwrap_or_default())
    }

    #[inline(always)]
    fn delimited<'a>(
        &self,
        number: u32,
        value: &'a [u8],
        found: &mut Found<'a>,
        target: &mut Target<'_>,
    ) -> Result<(), WireError> {
        match number {
            span::ATTRIBUTES => {
                let (met, facts) = (&mut *target.met, &mut *target.facts);
                self.keys.look_at(value, AttributeSource::Span, met, facts);
            }
            span::TRACE_ID => {
                if let Some((high, low)) = value.split_first_chunk()
                    && low.len() == 8
                {
                    found.id_high = found.id_high.max(u64::from_be_bytes(*high));
                }
            }
            span::TRACE_STATE => self.trace_state(value, found, target),
            span::PARENT_SPAN_ID => found.parent = value,
            span::STATUS => {
                if let Some(code) = status_code(value)? {
                    found.status = code;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn trace_state(&self, value: &[u8], found: &mut Found<'_>, target: &mut Target<'_>) {
        if let Some(rv) = tracestate::read(value).randomness {
            found.randomness = found.randomness.min(rv);
        }
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

impl Found<'_> {
    /// Takes a start time in; 0 says that the sender did not know it.
    #[inline]
    fn start(&mut self, unix_ns: u64) {
        if unix_ns != 0 {
            self.start = self.start.min(unix_ns);
        }
    }
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
