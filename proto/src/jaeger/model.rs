//! A Jaeger span, whatever format it came in.

use std::collections::HashMap;
use std::ops::Range;

use crate::otlp::message::{MessageWriter, Scalar};
use crate::parts::room;
use crate::reject::SpanReject;
use crate::texts::Utf8;

/// The flag of a span whose trace was sampled where it began.
pub(super) const FLAG_SAMPLED: u32 = 1;

/// The flag of a span whose trace somebody wants to see.
pub(super) const FLAG_DEBUG: u32 = 2;

/// The value of a tag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Text(Utf8<'a>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The text, where it is text.
    pub(super) const fn text(self) -> Option<Utf8<'a>> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A tag of a span or a process, or a field of a log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tag<'a> {
    pub(super) key: Utf8<'a>,
    pub(super) value: Value<'a>,
}

impl Tag<'_> {
    /// Writes it as field `number`, an attribute.
    #[inline]
    pub(super) fn put(&self, out: &mut MessageWriter<'_, '_>, number: u32) {
        put_attribute(out, number, self.key, self.value);
    }

    /// Whether that is its name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.key.bytes() == name.as_bytes()
    }
}

/// Writes an attribute as field `number`.
#[inline]
pub(super) fn put_attribute(
    out: &mut MessageWriter<'_, '_>,
    number: u32,
    key: Utf8<'_>,
    value: Value<'_>,
) {
    let value = match value {
        Value::Text(text) => return out.text_attribute(number, key.bytes(), text.bytes()),
        Value::Bool(value) => Scalar::Bool(value),
        Value::Int(value) => Scalar::Int(value),
        Value::Double(value) => Scalar::Double(value),
        Value::Bytes(bytes) => Scalar::Bytes(bytes),
    };
    out.scalar_attribute(number, key.bytes(), &value);
}

/// Who sends spans.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Process<'a> {
    pub(super) service_name: Utf8<'a>,
    pub(super) tags: Vec<Tag<'a>>,
}

/// Checks that there is room for one tag of a process more beside `tags` others.
pub(super) fn process_room(tags: usize, at: usize) -> Result<(), SpanReject> {
    room(tags, "tags of the process", at)
}

/// Checks that there is room for one part of a span more beside `parts` others.
pub(super) fn span_room(parts: usize, at: usize) -> Result<(), SpanReject> {
    room(parts, "tags, logs and references", at)
}

/// Something that happened during a span.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Log {
    /// Nanoseconds since 1970.
    pub(super) time: i128,
    /// Places in the fields of the span.
    pub(super) fields: Range<usize>,
}

/// How a span refers to another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ReferenceKind {
    #[default]
    ChildOf,
    FollowsFrom,
}

impl ReferenceKind {
    /// The kind of this number, in all formats. One that is not known is no claim on a parent.
    pub(super) const fn of(number: i64) -> Self {
        match number {
            0 => Self::ChildOf,
            _ => Self::FollowsFrom,
        }
    }
}

/// Another span that a span refers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    pub(super) kind: ReferenceKind,
}

/// A span. Its vectors are for the next one too.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Span<'a> {
    /// Not zero.
    pub(super) trace_id: [u8; 16],
    /// Not zero.
    pub(super) id: [u8; 8],
    /// The parent where it is not among the references; zero is none.
    pub(super) parent_id: [u8; 8],
    pub(super) name: Utf8<'a>,
    pub(super) references: Vec<Reference>,
    pub(super) flags: u32,
    /// Nanoseconds since 1970, as they came.
    pub(super) start: i128,
    /// Nanoseconds, as they came.
    pub(super) duration: i128,
    pub(super) tags: Vec<Tag<'a>>,
    pub(super) logs: Vec<Log>,
    /// Of all logs.
    pub(super) fields: Vec<Tag<'a>>,
    pub(super) warnings: Vec<Utf8<'a>>,
    pub(super) process_id: Utf8<'a>,
}

impl Span<'_> {
    /// Forgets the span that it was.
    pub(super) fn clear(&mut self) {
        let Self { references, tags, logs, fields, warnings, .. } = self;
        references.clear();
        tags.clear();
        logs.clear();
        fields.clear();
        warnings.clear();
        (self.trace_id, self.id, self.parent_id) = ([0; 16], [0; 8], [0; 8]);
        (self.name, self.process_id) = (Utf8::default(), Utf8::default());
        (self.flags, self.start, self.duration) = (0, 0, 0);
    }

    /// Checks that there is room for one part more, which ends at byte `at`.
    pub(super) fn room(&self, at: usize) -> Result<(), SpanReject> {
        span_room(self.parts(), at)
    }

    /// How many tags, logs with their fields, references and warnings it has.
    pub(super) const fn parts(&self) -> usize {
        let Self { references, tags, logs, fields, warnings, .. } = self;
        tags.len() + logs.len() + fields.len() + references.len() + warnings.len()
    }

    /// The parent, and nothing for a root.
    pub(super) fn parent(&self) -> Option<[u8; 8]> {
        if self.parent_id != [0; 8] && self.parent_id != self.id {
            return Some(self.parent_id);
        }
        let first = |kind| {
            let mut references = self.references.iter();
            references.find(|one| one.kind == kind && self.is_parent(one))
        };
        let found = first(ReferenceKind::ChildOf).or_else(|| first(ReferenceKind::FollowsFrom));
        found.map(|reference| reference.span_id)
    }

    fn is_parent(&self, reference: &Reference) -> bool {
        let Reference { trace_id, span_id, .. } = reference;
        *span_id != [0; 8] && *span_id != self.id && is_same_trace(trace_id, &self.trace_id)
    }

    /// The references that are more than to say that `parent` is the parent.
    pub(super) fn links(&self, parent: Option<[u8; 8]>) -> impl Iterator<Item = &Reference> {
        self.references.iter().filter(move |one| {
            let is_said = one.kind == ReferenceKind::ChildOf
                && Some(one.span_id) == parent
                && is_same_trace(&one.trace_id, &self.trace_id);
            !is_said && one.span_id != [0; 8] && one.trace_id != [0; 16]
        })
    }
}

/// Whether two ids are of one trace: one of them may have lost its high half on the way.
fn is_same_trace(one: &[u8; 16], other: &[u8; 16]) -> bool {
    let (one, other) = (u128::from_be_bytes(*one), u128::from_be_bytes(*other));
    one == other || ((one ^ other) << 64 == 0 && (one >> 64 == 0 || other >> 64 == 0))
}

/// Keeps of the tags of one name the last.
pub(super) fn keep_last_of_each(tags: &mut Vec<Tag<'_>>) {
    if !differ_at_a_glance(tags) {
        *tags = last_of_each(tags).collect();
    }
}

/// Of the tags of one name the last.
pub(super) fn last_of_each<'a>(tags: &[Tag<'a>]) -> impl Iterator<Item = Tag<'a>> {
    let all_differ = differ_at_a_glance(tags);
    let last: Option<HashMap<&[u8], usize>> = (!all_differ && tags.len() > FEW)
        .then(|| tags.iter().zip(0..).map(|(tag, at)| (tag.key.bytes(), at)).collect());
    tags.iter().zip(0..).filter_map(move |(tag, at)| {
        let is_last = match &last {
            _ if all_differ => true,
            Some(last) => last.get(tag.key.bytes()) == Some(&at),
            None => !tags.iter().skip(at + 1).any(|later| later.key == tag.key),
        };
        is_last.then_some(*tag)
    })
}

/// Up to so many tags are compared with each other. They hardly ever are more.
const FEW: usize = 24;

/// Whether there are few tags and no two names are the same. Only those are compared whose lengths and
/// ends do not show it.
fn differ_at_a_glance(tags: &[Tag<'_>]) -> bool {
    let mut seen = 0_u64;
    tags.len() <= FEW
        && tags.iter().zip(0..).all(|(tag, at)| {
            let key = tag.key.bytes();
            let end = key.last().map_or(0, |end| usize::from(*end));
            let bit = 1_u64 << ((key.len() * 11 + end) % 64);
            let may_be_known = seen & bit != 0;
            seen |= bit;
            !may_be_known || !tags.iter().take(at).any(|earlier| earlier.key == tag.key)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_name_counts_however_many_there_are() {
        for names in [3_usize, 40] {
            let names: Vec<String> = (0..names).map(|name| name.to_string()).collect();
            let mut tags: Vec<Tag<'_>> = Vec::new();
            for value in 0..2 {
                let tag = |name| Tag { key: Utf8::from(name), value: Value::Int(value) };
                tags.extend(names.iter().map(|name| tag(name.as_str())));
            }
            keep_last_of_each(&mut tags);
            let left: Vec<_> = tags.iter().map(|tag| tag.value).collect();
            assert_eq!(left, vec![Value::Int(1); names.len()]);
        }
    }

    #[test]
    fn an_id_without_its_high_half_is_of_the_same_trace() {
        let id = |high: u8, low: u8| [[high; 8], [low; 8]].concat().try_into().unwrap();
        for (one, other, is_same) in [
            (id(1, 2), id(1, 2), true),
            (id(1, 2), id(0, 2), true),
            (id(0, 2), id(1, 2), true),
            (id(1, 2), id(3, 2), false),
            (id(0, 2), id(0, 3), false),
        ] {
            assert_eq!(is_same_trace(&one, &other), is_same, "{one:?} {other:?}");
        }
    }
}
