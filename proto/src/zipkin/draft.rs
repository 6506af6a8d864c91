//! A span while it is read, whatever format it comes in.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use super::model::{Annotation, Endpoint, Span, TagValue};
use super::parts::{ADDRESS_KEYS, BinaryAnnotation, Moment, Parts};
use crate::parts::room;
use crate::reject::SpanReject;
use crate::utf8::Text;

/// The latest time, in the year 2262: nanoseconds that receivers with signed numbers can read.
pub(super) const TIME_MAX: u64 = i64::MAX.unsigned_abs();

/// What is known of a span before all of it was read.
#[derive(Debug, Default)]
pub(super) struct Draft<'a> {
    /// All but its ids, and its end.
    pub(super) span: Span<'a>,
    pub(super) trace_id: Option<[u8; 16]>,
    pub(super) id: Option<[u8; 8]>,
    pub(super) parent_id: Option<[u8; 8]>,
    /// Nanoseconds; 0 is not known.
    pub(super) duration: u64,
    /// What spans of version 1 have instead of kinds, endpoints and tags.
    pub(super) v1: Parts<'a>,
}

impl<'a> Draft<'a> {
    /// Forgets the span that it was.
    pub(super) fn clear(&mut self) {
        let Self { span, trace_id, id, parent_id, duration, v1 } = self;
        span.clear();
        v1.clear();
        (*trace_id, *id, *parent_id, *duration) = (None, None, None, 0);
    }

    /// Gives the span its ids: what is still to be made of it is its end, and what is of v1. It stands
    /// at byte `at`.
    pub(super) fn set_ids(&mut self, at: usize) -> Result<(), SpanReject> {
        let Self { span, trace_id, id, parent_id, .. } = self;
        span.trace_id = present(*trace_id, at, "traceId")?;
        span.id = present(*id, at, "id")?;
        span.parent_id = parent_id.filter(|parent| *parent != [0; 8] && *parent != span.id);
        Ok(())
    }

    /// Adds an annotation that `endpoint` wrote, if that is known. It ends at byte `at`.
    pub(super) fn annotate(
        &mut self,
        time: u64,
        value: Text<'a>,
        endpoint: Option<Rc<Endpoint<'a>>>,
        at: usize,
    ) -> Result<(), SpanReject> {
        const FIELD: &str = "annotations";
        match endpoint.filter(|endpoint| !endpoint.is_unknown()) {
            Some(endpoint) => {
                push(&mut self.v1.annotations, Moment { time, value, endpoint }, FIELD, at)
            }
            None => push(&mut self.span.annotations, Annotation { time, value }, FIELD, at),
        }
    }

    /// Adds a binary annotation of v1 that `endpoint` wrote, if that is known. It ends at byte `at`.
    pub(super) fn annotate_binary(
        &mut self,
        key: Text<'a>,
        value: TagValue<'a>,
        endpoint: Option<Rc<Endpoint<'a>>>,
        at: usize,
    ) -> Result<(), SpanReject> {
        let endpoint = endpoint.filter(|endpoint| !endpoint.is_unknown());
        let is_address = is_mark(&value) && endpoint.is_some() && ADDRESS_KEYS.contains(&&*key);
        let value = (!is_address).then_some(value);
        let one = BinaryAnnotation { key, value, endpoint };
        push(&mut self.v1.binary_annotations, one, "binaryAnnotations", at)
    }

    /// Adds a tag, which ends at byte `at`.
    pub(super) fn tag(
        &mut self,
        key: Text<'a>,
        value: Text<'a>,
        at: usize,
    ) -> Result<(), SpanReject> {
        push(&mut self.span.tags, (key, TagValue::Text(value)), "tags", at)
    }
}

/// Whether a value tells of its endpoint alone. That is `true`; some writers have it as text, or have
/// a 1 there, or nothing.
fn is_mark(value: &TagValue<'_>) -> bool {
    match value {
        TagValue::Bool(value) => *value,
        TagValue::Int(number) => *number == 1,
        TagValue::Double(_) => false,
        TagValue::Text(text) => matches!(&**text, b"" | b"1" | b"true"),
    }
}

fn present<const N: usize>(
    id: Option<[u8; N]>,
    at: usize,
    name: &str,
) -> Result<[u8; N], SpanReject> {
    match id {
        Some(id) if id != [0; N] => Ok(id),
        Some(_) => Err(SpanReject::of_value(SpanReject::Id, at, name, "0", "not zero")),
        None => Err(SpanReject::of_value(SpanReject::Id, at, name, "", "given")),
    }
}

/// Adds `one`, which ends at byte `at`, to the `list` of `field`, where it may have more.
fn push<T>(list: &mut Vec<T>, one: T, field: &'static str, at: usize) -> Result<(), SpanReject> {
    room(list.len(), field, at)?;
    list.push(one);
    Ok(())
}

/// Nanoseconds of so many microseconds: none before 1970, and none after what can be told.
pub(super) fn nanoseconds(microseconds: i64) -> u64 {
    u64::try_from(microseconds).unwrap_or(0).saturating_mul(1_000).min(TIME_MAX)
}

/// Gives the span, which took `duration` nanoseconds, its end; of its tags of one name, the last
/// stays.
pub(super) fn complete(span: &mut Span<'_>, duration: u64) {
    if span.start == TIME_MAX {
        // So long it took all the same.
        span.start = TIME_MAX.saturating_sub(duration).max(1);
    }
    span.end = span.start.saturating_add(duration).min(TIME_MAX);
    keep_last_of_each(&mut span.tags);
}

/// Leaves of the tags of one name the last.
pub(super) fn keep_last_of_each<N, V>(tags: &mut Vec<(Cow<'_, N>, V)>)
where
    N: ToOwned + AsRef<[u8]> + ?Sized,
{
    // Up to so many are compared with each other. They hardly ever are more.
    const FEW: usize = 24;
    if differ_at_a_glance(tags) {
        return;
    }
    if tags.len() <= FEW {
        let mut at = 0;
        while let Some(tag) = tags.get(at) {
            if tags.iter().skip(at + 1).any(|later| name_of(later) == name_of(tag)) {
                tags.remove(at);
            } else {
                at += 1;
            }
        }
        return;
    }
    let last: HashMap<&[u8], usize> =
        tags.iter().zip(0..).map(|(tag, at)| (name_of(tag), at)).collect();
    let is_last: Vec<bool> =
        tags.iter().zip(0..).map(|(tag, at)| last.get(name_of(tag)) == Some(&at)).collect();
    let mut is_last = is_last.into_iter();
    tags.retain(|_| is_last.next().unwrap_or(true));
}

/// Whether no two names are the same, as far as their lengths and ends show it: of names that differ
/// these nearly always do.
fn differ_at_a_glance<N, V>(tags: &[(Cow<'_, N>, V)]) -> bool
where
    N: ToOwned + AsRef<[u8]> + ?Sized,
{
    let mut seen = 0_u64;
    tags.iter().all(|tag| {
        let name = name_of(tag);
        let end = name.last().map_or(0, |end| usize::from(*end));
        let bit = 1_u64 << ((name.len() * 8 + end) % 64);
        let is_new = seen & bit == 0;
        seen |= bit;
        is_new
    })
}

fn name_of<'t, N, V>((name, _): &'t (Cow<'_, N>, V)) -> &'t [u8]
where
    N: ToOwned + AsRef<[u8]> + ?Sized,
{
    (**name).as_ref()
}

#[cfg(test)]
mod tests {
    use super::super::model::Tag;
    use super::*;

    #[test]
    fn the_last_of_a_name_stays_however_many_there_are() {
        for names in [3_usize, 40] {
            let all = (0..2).flat_map(|value| (0..names).map(move |name| (name, value)));
            let tag = |(name, value): (usize, i64)| {
                (name.to_string().into_bytes().into(), TagValue::Int(value))
            };
            let mut tags: Vec<Tag<'_>> = all.map(tag).collect();
            keep_last_of_each(&mut tags);
            assert_eq!(tags, (0..names).map(|name| tag((name, 1))).collect::<Vec<_>>());
        }
    }
}
