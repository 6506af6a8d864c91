//! A span while it is read, whatever format it comes in.

use std::borrow::Cow;
use std::collections::HashMap;

use super::model::{Annotation, Endpoint, Span, TagValue};
use super::parts::{ADDRESS_KEYS, BinaryAnnotation, Moment, Parts};
use crate::parts::room;
use crate::reject::SpanReject;

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
    /// The span with its ids, and what is still to be made of it. It stands at byte `at`.
    pub(super) fn finish(self, at: usize) -> Result<(Span<'a>, u64, Parts<'a>), SpanReject> {
        let Self { mut span, trace_id, id, parent_id, duration, v1 } = self;
        span.trace_id = present(trace_id, at, "traceId")?;
        span.id = present(id, at, "id")?;
        span.parent_id = parent_id.filter(|parent| *parent != [0; 8] && *parent != span.id);
        Ok((span, duration, v1))
    }

    /// Adds an annotation that `endpoint` wrote, if that is known. It ends at byte `at`.
    pub(super) fn annotate(
        &mut self,
        time: u64,
        value: Cow<'a, str>,
        endpoint: Endpoint<'a>,
        at: usize,
    ) -> Result<(), SpanReject> {
        const FIELD: &str = "annotations";
        if endpoint == Endpoint::default() {
            return push(&mut self.span.annotations, Annotation { time, value }, FIELD, at);
        }
        push(&mut self.v1.annotations, Moment { time, value, endpoint }, FIELD, at)
    }

    /// Adds a binary annotation of v1 that `endpoint` wrote, if that is known. It ends at byte `at`.
    pub(super) fn annotate_binary(
        &mut self,
        key: Cow<'a, str>,
        value: TagValue<'a>,
        endpoint: Endpoint<'a>,
        at: usize,
    ) -> Result<(), SpanReject> {
        let endpoint = Some(endpoint).filter(|endpoint| *endpoint != Endpoint::default());
        let is_address = is_mark(&value) && endpoint.is_some() && ADDRESS_KEYS.contains(&&*key);
        let value = (!is_address).then_some(value);
        let one = BinaryAnnotation { key, value, endpoint };
        push(&mut self.v1.binary_annotations, one, "binaryAnnotations", at)
    }

    /// Adds a tag, which ends at byte `at`.
    pub(super) fn tag(
        &mut self,
        key: Cow<'a, str>,
        value: Cow<'a, str>,
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
        TagValue::Text(text) => matches!(&**text, "" | "1" | "true"),
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
pub(super) fn keep_last_of_each<V>(tags: &mut Vec<(Cow<'_, str>, V)>) {
    // Up to so many are compared with each other. They hardly ever are more.
    const FEW: usize = 24;
    if tags.len() <= FEW {
        let mut at = 0;
        while let Some((name, _)) = tags.get(at) {
            if tags.iter().skip(at + 1).any(|(later, _)| later == name) {
                tags.remove(at);
            } else {
                at += 1;
            }
        }
        return;
    }
    let last: HashMap<&str, usize> =
        tags.iter().zip(0..).map(|((name, _), at)| (&**name, at)).collect();
    let is_last: Vec<bool> =
        tags.iter().zip(0..).map(|((name, _), at)| last.get(&**name) == Some(&at)).collect();
    let mut is_last = is_last.into_iter();
    tags.retain(|_| is_last.next().unwrap_or(true));
}
