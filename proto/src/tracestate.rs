//! Consistent probability sampling in the W3C tracestate: the `ot` entry with the threshold `th`
//! and the randomness `rv`.
//!
//! A span is kept where its randomness is not below the threshold, and a threshold written on a
//! kept span tells what the span counts for. Thresholds are only ever raised, `rv` is never
//! touched, and where the probability is not known nothing is written.

mod entry;
mod threshold;

use std::ops::Range;

use crate::{
    id::TraceKey,
    otlp::numbers::span::TRACE_STATE,
    spans::trace_id,
    wire::{Cursor, Value, put_delimited_head},
};

pub use entry::{OtEntry, read, value_of};
pub use threshold::Threshold;

use entry::{MEMBERS_MAX, NewEntry, is_entry, key_of, members};

/// What the stage that kept a span says about the probability of keeping it.
///
/// The spans of a trace need not agree on its randomness: a service that loses the tracestate loses
/// `rv`, and a head sampler may state another one. A threshold tells the probability of those spans
/// alone that carry the randomness it was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Where the randomness in the id is not below this. [`Threshold::ALWAYS`] leaves what came as
    /// it is, whatever the randomness.
    At(Threshold),
    /// Where the randomness that `rv` states is not below this.
    AtStated(Threshold),
    /// The probability cannot be stated: a threshold that came does not hold any more.
    Unknown,
}

impl Kept {
    /// The threshold; `None` where the probability cannot be stated.
    const fn threshold(self) -> Option<Threshold> {
        match self {
            Self::At(threshold) | Self::AtStated(threshold) => Some(threshold),
            Self::Unknown => None,
        }
    }

    /// The threshold that a span was kept by which states its randomness, or does not; `None` where
    /// its own randomness played no part, so that its probability cannot be stated.
    fn of_span(self, states: bool) -> Option<Threshold> {
        let compared = states == matches!(self, Self::AtStated(_));
        self.threshold().filter(|threshold| compared || *threshold == Threshold::ALWAYS)
    }
}

/// How the bytes of a kept span change. Made by [`rewrite`]; holds no copy of the span.
#[derive(Clone, Debug)]
pub struct Rewrite<'a> {
    body: &'a [u8],
    /// The tracestate as it came.
    state: &'a [u8],
    /// The field it came in; empty, at the end of the body, when there was none.
    field: Range<usize>,
    /// Whether there are more such fields: the last counts, all are replaced.
    repeated: bool,
    entry: NewEntry,
}

/// What becomes of the tracestate of a kept span with the bytes `body`; `None` when it stays as
/// it is, as most do that are kept for sure, and for malformed spans.
///
/// * The new threshold is the larger of the one that came and the own, for each span by itself.
/// * A threshold that came and is above the span's randomness cannot be true, so nobody knows with
///   what probability the span came here: it is erased, and none is written. So it is for a span with
///   another randomness than its trace was kept by.
/// * `rv`, other sub-keys of `ot` and the entries of other vendors stay, in their order. An `ot`
///   entry of more than 256 characters loses sub-keys that nobody here knows, from its end.
/// * What is no entry, or no sub-key, is left out: for one such, readers drop the whole tracestate.
#[must_use]
pub fn rewrite(body: &[u8], kept: Kept) -> Option<Rewrite<'_>> {
    let Judged { state, field, repeated, came, outgoing, .. } = Judged::of(body, kept)?;
    let same = outgoing == came.threshold && (outgoing.is_some() || !came.names_threshold);
    if same || (kept.threshold() == Some(Threshold::ALWAYS) && came.threshold.is_none()) {
        return None;
    }
    Some(Rewrite { body, state, field, repeated, entry: NewEntry::new(state, outgoing) })
}

/// How many spans a kept span with the bytes `body` stands for, itself included: the reciprocal of
/// the probability that its threshold states, after it is [rewritten](rewrite). A span that came
/// without a threshold counts as one that was sampled nowhere before. `None` when the probability
/// is not known, and for malformed spans.
///
/// Of the two whole numbers next to the reciprocal it is the one or the other, by the randomness of
/// the trace, so that over many traces the counts add up to the truth.
#[must_use]
pub fn adjusted_count(body: &[u8], kept: Kept) -> Option<u64> {
    let Judged { came, randomness, outgoing, .. } = Judged::of(body, kept)?;
    let threshold = match outgoing {
        Some(threshold) => threshold,
        None if kept.threshold() == Some(Threshold::ALWAYS) && !came.names_threshold => {
            return Some(1);
        }
        None => return None,
    };
    let all = Threshold::NEVER.get();
    // Those that are kept are drawn evenly from as many.
    let kept = all.checked_sub(threshold.get()).filter(|kept| *kept > 0)?;
    let drawn = randomness?.checked_sub(threshold.get())?;
    Some(all / kept + u64::from(drawn < all % kept))
}

/// What a span says about sampling, and what it is to say.
struct Judged<'a> {
    /// The tracestate as it came.
    state: &'a [u8],
    /// The field it came in; empty, at the end of the body, when there was none.
    field: Range<usize>,
    /// Whether there are more such fields.
    repeated: bool,
    came: OtEntry,
    randomness: Option<u64>,
    outgoing: Option<Threshold>,
}

impl<'a> Judged<'a> {
    fn of(body: &'a [u8], kept: Kept) -> Option<Self> {
        let (mut state, mut field, mut repeated) = (&body[..0], body.len()..body.len(), false);
        let mut fields = Cursor::new(body);
        while let Some(found) = fields.next_field().ok()? {
            if let (TRACE_STATE, Value::Bytes(bytes)) = (found.number, found.value) {
                repeated |= !field.is_empty();
                (state, field) = (bytes, found.range);
            }
        }
        let came = read(state);
        let randomness =
            came.randomness.or_else(|| TraceKey::of(trace_id(body)).map(TraceKey::randomness));
        let holds = |threshold: &Threshold| randomness.is_some_and(|drawn| threshold.keeps(drawn));
        let outgoing = match (kept.of_span(came.randomness.is_some()), came.threshold) {
            (None, _) | (Some(Threshold::ALWAYS), None) => None,
            (Some(_), Some(untrue)) if !holds(&untrue) => None,
            (Some(own), came) => Some(came.map_or(own, |came| came.max(own))).filter(holds),
        };
        Some(Self { state, field, repeated, came, randomness, outgoing })
    }
}

impl Rewrite<'_> {
    /// Appends the bytes of the span as it is to be forwarded.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        if self.repeated {
            self.append_fields(out);
            self.append_state(out);
            return;
        }
        out.extend_from_slice(self.body.get(..self.field.start).unwrap_or_default());
        self.append_state(out);
        out.extend_from_slice(self.body.get(self.field.end..).unwrap_or_default());
    }

    fn append_fields(&self, out: &mut Vec<u8>) {
        let mut fields = Cursor::new(self.body);
        while let Ok(Some(field)) = fields.next_field() {
            if field.number != TRACE_STATE {
                out.extend_from_slice(self.body.get(field.range).unwrap_or_default());
            }
        }
    }

    /// Appends the field with the new tracestate: the `ot` entry first, as the last one changed.
    fn append_state(&self, out: &mut Vec<u8>) {
        let entry = self.entry.as_bytes();
        let room = MEMBERS_MAX - usize::from(!entry.is_empty());
        let others = || {
            let members = members(self.state).filter(|member| is_entry(member));
            members.filter(|member| key_of(member) != b"ot").take(room)
        };
        let all = || std::iter::once(entry).filter(|entry| !entry.is_empty()).chain(others());
        let (bytes, count) =
            all().fold((0, 0), |(bytes, count), one| (bytes + one.len(), count + 1));
        if count == 0 {
            return;
        }
        put_delimited_head(out, TRACE_STATE, bytes + count - 1);
        for (index, member) in all().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(member);
        }
    }
}

#[cfg(test)]
mod tests;
