//! One pass over a span, or over the head of a resource, for all policies of a set.

use wholetrace_proto::{
    otlp::numbers::{resource, resource_spans, span, status},
    tracestate,
    wire::{Cursor, FIXED64, Tag, VARINT, Value, WireError},
};

use crate::policy::{
    attributes::{AskedAttributes, AttributeSource},
    bits::Bits,
    observations::{Observations, STATUS_ERROR, STATUS_OK, STATUS_UNSET, fixed},
    summary::Summary,
};

/// What is learned of a span beside its part in the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Whether the span has no parent.
    pub root: bool,
    /// Whether its bytes are not a span. What stands before the defect has been taken in.
    pub malformed: bool,
}

/// The compiled scan.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    attributes: AskedAttributes,
    statuses: [Bits; 3],
}

impl Scan {
    pub(super) fn new(observations: Observations) -> Self {
        Self {
            attributes: observations.attributes,
            statuses: [fixed(STATUS_UNSET), fixed(STATUS_OK), fixed(STATUS_ERROR)],
        }
    }

    /// What the fields of a `ResourceSpans` tell of every span below it.
    pub(super) fn resource(&self, head: &[u8]) -> Bits {
        let (mut met, mut known) = (Bits::NONE, Bits::NONE);
        if self.attributes.is_empty() {
            return known;
        }
        let mut fields = Cursor::new(head);
        while let Ok(Some(field)) = fields.next_field() {
            let (resource_spans::RESOURCE, Value::Bytes(resource)) = (field.number, field.value)
            else {
                continue;
            };
            let mut fields = Cursor::new(resource);
            while let Ok(Some(field)) = fields.next_field() {
                if let (resource::ATTRIBUTES, Value::Bytes(body)) = (field.number, field.value) {
                    self.attributes.look_at(body, AttributeSource::Resource, &mut met, &mut known);
                }
            }
        }
        known
    }

    /// Folds a span into the summary of its trace.
    pub(super) fn span(&self, body: &[u8], resource: Bits, summary: &mut Summary) -> Observed {
        summary.count_span();
        summary.seen.add(resource);
        let mut found = Found { parent: &[], status: 0, met: Bits::NONE };
        let malformed = self.fields(body, &mut found, summary).is_err();
        if let Some(bits) = usize::try_from(found.status).ok().and_then(|s| self.statuses.get(s)) {
            summary.seen.add(*bits);
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
        summary: &mut Summary,
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
                    self.delimited(u32::from(*tag >> 3), value, found, summary)?;
                    rest = after;
                }
                [START_TIME_TAG, time @ ..] if let Some((ns, after)) = time.split_first_chunk() => {
                    summary.start(u64::from_le_bytes(*ns));
                    rest = after;
                }
                [END_TIME_TAG, time @ ..] if let Some((ns, after)) = time.split_first_chunk() => {
                    summary.end(u64::from_le_bytes(*ns));
                    rest = after;
                }
                _ => rest = self.unusual(rest, found, summary)?,
            }
        }
    }

    /// Takes one field off; gives back what is behind it.
    #[inline(never)]
    fn unusual<'a>(
        &self,
        rest: &'a [u8],
        found: &mut Found<'a>,
        summary: &mut Summary,
    ) -> Result<&'a [u8], WireError> {
        let mut fields = Cursor::new(rest);
        if let Some(field) = fields.next_field()? {
            match (field.number, field.value) {
                (span::START_TIME_UNIX_NANO, Value::Fixed64(ns)) => summary.start(ns),
                (span::END_TIME_UNIX_NANO, Value::Fixed64(ns)) => summary.end(ns),
                (number, Value::Bytes(value)) => self.delimited(number, value, found, summary)?,
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
        summary: &mut Summary,
    ) -> Result<(), WireError> {
        match number {
            span::ATTRIBUTES => {
                let (met, known) = (&mut found.met, &mut summary.seen);
                self.attributes.look_at(value, AttributeSource::Span, met, known);
            }
            span::TRACE_ID => {
                if let Some((high, low)) = value.split_first_chunk()
                    && low.len() == 8
                {
                    summary.id_high(u64::from_be_bytes(*high));
                }
            }
            span::TRACE_STATE => {
                if let Some(rv) = tracestate::read(value).randomness {
                    summary.explicit_randomness(rv);
                }
            }
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
}

/// The tag of `start_time_unix_nano`, a fixed64.
const START_TIME_TAG: u8 = Tag::new(span::START_TIME_UNIX_NANO, FIXED64).byte();
/// The tag of `end_time_unix_nano`, a fixed64.
const END_TIME_TAG: u8 = Tag::new(span::END_TIME_UNIX_NANO, FIXED64).byte();

/// The tag of `Status.code`, a varint.
const CODE_TAG: u8 = Tag::new(status::CODE, VARINT).byte();

/// What is known of a span only once all its fields have been seen.
struct Found<'a> {
    parent: &'a [u8],
    status: u64,
    /// Keys of attributes that were met.
    met: Bits,
}

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
