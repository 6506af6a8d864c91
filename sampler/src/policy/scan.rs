//! One pass over a span, or over the head of a resource, for all policies of a set.

use wholetrace_proto::{
    tracestate,
    wire::{Cursor, Value, WireError},
};

use crate::policy::{
    attributes::{AskedAttributes, Place},
    bits::Bits,
    observations::{Observations, STATUS_ERROR, STATUS_OK, STATUS_UNSET, fixed},
    summary::Summary,
};

/// Numbers of the fields of `Span` that policies look at.
mod field {
    pub(super) const TRACE_ID: u32 = 1;
    pub(super) const TRACE_STATE: u32 = 3;
    pub(super) const PARENT_SPAN_ID: u32 = 4;
    pub(super) const START_TIME: u32 = 7;
    pub(super) const END_TIME: u32 = 8;
    pub(super) const ATTRIBUTES: u32 = 9;
    pub(super) const STATUS: u32 = 15;
    /// In `ResourceSpans`.
    pub(super) const RESOURCE: u32 = 1;
    /// In `Resource`.
    pub(super) const RESOURCE_ATTRIBUTES: u32 = 1;
    /// In `Status`.
    pub(super) const CODE: u32 = 3;
}

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
            let (field::RESOURCE, Value::Bytes(resource)) = (field.number, field.value) else {
                continue;
            };
            let mut fields = Cursor::new(resource);
            while let Ok(Some(field)) = fields.next_field() {
                if let (field::RESOURCE_ATTRIBUTES, Value::Bytes(body)) =
                    (field.number, field.value)
                {
                    self.attributes.look_at(body, Place::Resource, &mut met, &mut known);
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

    #[inline]
    fn fields<'a>(
        &self,
        body: &'a [u8],
        found: &mut Found<'a>,
        summary: &mut Summary,
    ) -> Result<(), WireError> {
        let mut fields = Cursor::new(body);
        while let Some(field) = fields.next_field()? {
            match (field.number, field.value) {
                (field::ATTRIBUTES, Value::Bytes(attribute)) => {
                    let (met, known) = (&mut found.met, &mut summary.seen);
                    self.attributes.look_at(attribute, Place::Span, met, known);
                }
                (field::TRACE_ID, Value::Bytes(id)) => {
                    if let Some(high) = id.first_chunk()
                        && id.len() == 16
                    {
                        summary.id_high(u64::from_be_bytes(*high));
                    }
                }
                (field::TRACE_STATE, Value::Bytes(state)) => {
                    if let Some(rv) = tracestate::read(state).randomness {
                        summary.explicit_randomness(rv);
                    }
                }
                (field::PARENT_SPAN_ID, Value::Bytes(id)) => found.parent = id,
                (field::START_TIME, Value::Fixed64(ns)) => summary.start(ns),
                (field::END_TIME, Value::Fixed64(ns)) => summary.end(ns),
                (field::STATUS, Value::Bytes(status)) => {
                    if let Some(code) = status_code(status)? {
                        found.status = code;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What is known of a span only once all its fields have been seen.
struct Found<'a> {
    parent: &'a [u8],
    status: u64,
    /// Keys of attributes that were met.
    met: Bits,
}

fn status_code(status: &[u8]) -> Result<Option<u64>, WireError> {
    let mut code = None;
    let mut fields = Cursor::new(status);
    while let Some(field) = fields.next_field()? {
        if let (field::CODE, Value::Varint(number)) = (field.number, field.value) {
            code = Some(number);
        }
    }
    Ok(code)
}
