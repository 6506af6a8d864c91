//! Splits a request by partition: which byte ranges of it go where. No span is decoded or copied.
//!
//! Spans of one partition that lie side by side, as those of a trace usually do, are one range,
//! tags included: what follows costs by ranges rather than by spans. Every span is looked at once,
//! whether it is one; a bad one is left out and counted.

use std::borrow::Cow;

use bytes::Bytes;
use wholetrace_proto::{
    check::{HeadKind, check_head, check_span},
    otlp::numbers::scope_spans::SPANS,
    reject::SpanReject,
    repair::{repair_head, repair_span},
    set_attribute::{Attribute, append_resource_with},
    spans::{Head, ScopeRef, SpanRef, Visitor, visit},
    wire::{LEN, Tag, put_bytes, varint_len},
};
use wholetrace_spanlog::{Partition, routing::Routing};

use crate::reject::{RejectReason, Rejection, SpanRejects};

mod refusal;

use refusal::Refusal;

/// Ranges end at this size at the latest, so that frames can be closed near their target.
const RUN_BYTES_MAX: usize = 64 << 10;

/// Tags and lengths of one `ResourceSpans` with one `ScopeSpans`, at most.
const ENVELOPE_BYTES: usize = 12;

/// Tag of `ScopeSpans.spans`.
const SPANS_TAG: u8 = Tag::new(SPANS, LEN).byte();

/// The largest request body that can be split: positions have 31 bits.
pub const BODY_BYTES_MAX: usize = 1 << 30;

/// A request, split by partition.
#[derive(Debug)]
pub struct Split {
    body: Bytes,
    /// Heads and spans that are not in the body as they are needed: repaired or joined.
    made: Bytes,
    /// Heads of resources and scopes, as far as they have spans.
    heads: Vec<ByteRange>,
    /// Pairs of resource and scope, as indexes of `heads`.
    groups: Vec<Group>,
    /// By partition, then by group, then as they came.
    runs: Vec<SpanRun>,
    /// Spans in all runs.
    spans: u32,
    /// What was left out.
    rejects: SpanRejects,
    /// What was wrong with the first span left out.
    first_reject: Option<String>,
    /// What each partition gets, one entry for each that gets anything.
    needs: Vec<Need>,
}

/// What a partition gets of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) partition: Partition,
    /// Bytes of its frames if no other request shares them, at most.
    pub(crate) bytes: usize,
}

/// A resource and a scope, as indexes of the heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    pub(crate) resource: u32,
    pub(crate) scope: u32,
}

/// Neighbouring spans of one partition and one group, as `spans` fields of a `ScopeSpans`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpanRun {
    pub(crate) partition: Partition,
    pub(crate) group: u32,
    pub(crate) range: ByteRange,
}

/// A range of a request: of its body or of what was made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    start: u32,
    end: u32,
}

/// Set in both ends of a place in `made`. Ordinary positions are below it: see `BODY_BYTES_MAX`.
const MADE: u32 = 1 << 31;

impl ByteRange {
    fn new(start: usize, end: usize, made: bool) -> Self {
        let flag = if made { MADE } else { 0 };
        let position = |at| u32::try_from(at).unwrap_or(MADE - 1) | flag;
        Self { start: position(start), end: position(end) }
    }

    /// Bytes in it.
    pub(crate) const fn len(self) -> usize {
        (self.end - self.start) as usize
    }
}

impl Split {
    /// Spans that go on.
    #[must_use]
    pub const fn spans(&self) -> u32 {
        self.spans
    }

    /// Spans that do not.
    #[must_use]
    pub const fn rejects(&self) -> &SpanRejects {
        &self.rejects
    }

    /// What was wrong with the first span that does not.
    #[must_use]
    pub fn first_reject(&self) -> Option<&str> {
        self.first_reject.as_deref()
    }

    /// Bytes that the frames of this request alone have, at most: more than the body's where its
    /// heads are repeated for many partitions.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.needs.iter().fold(0, |sum, need| sum.saturating_add(need.bytes))
    }

    /// Bytes that the split itself takes beside the body.
    #[must_use]
    pub fn own_bytes(&self) -> usize {
        self.made.len()
            + self.heads.capacity() * size_of::<ByteRange>()
            + self.groups.capacity() * size_of::<Group>()
            + self.runs.capacity() * size_of::<SpanRun>()
            + self.needs.capacity() * size_of::<Need>()
    }

    /// The bytes at `place`.
    pub(crate) fn bytes(&self, place: ByteRange) -> &[u8] {
        let source = if place.start & MADE == 0 { &self.body } else { &self.made };
        let range = (place.start & !MADE) as usize..(place.end & !MADE) as usize;
        source.get(range).unwrap_or_default()
    }

    pub(crate) fn heads(&self) -> &[ByteRange] {
        &self.heads
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub(crate) fn runs(&self) -> &[SpanRun] {
        &self.runs
    }

    /// What each partition gets of it.
    pub(crate) fn needs(&self) -> &[Need] {
        &self.needs
    }
}

/// Splits `body`, an OTLP export request, by `routing`. A span that with its heads is larger than
/// `span_bytes_max` is left out, as is one that no receiver down the line could read. Each resource
/// gets the attribute `mark`, where there is one, whatever it was before.
///
/// # Errors
/// When the request, not just a span of it, is malformed; or has more than [`BODY_BYTES_MAX`].
pub fn split(
    body: Bytes,
    routing: &Routing,
    span_bytes_max: usize,
    mark: Option<Attribute<'_>>,
) -> Result<Split, Rejection> {
    split_with(body, routing, span_bytes_max, mark, false)
}

/// As [`split`], for what a translator has written, which says of it that [`check_span`] takes each
/// span: none is looked into but for its trace.
///
/// # Errors
/// As [`split`].
pub fn split_checked(
    body: Bytes,
    routing: &Routing,
    span_bytes_max: usize,
    mark: Option<Attribute<'_>>,
) -> Result<Split, Rejection> {
    split_with(body, routing, span_bytes_max, mark, true)
}

fn split_with(
    body: Bytes,
    routing: &Routing,
    span_bytes_max: usize,
    mark: Option<Attribute<'_>>,
    checked: bool,
) -> Result<Split, Rejection> {
    if body.len() > BODY_BYTES_MAX {
        let message = format!("the body has more than `{BODY_BYTES_MAX}` bytes: send less at once");
        return Err(Rejection::new(RejectReason::BodyTooLarge, message));
    }
    let mut splitter = Splitter {
        body: &body,
        routing,
        span_bytes_max,
        mark,
        checked,
        resource: Pending::none(),
        scope: Pending::none(),
        last: None,
        made: Vec::new(),
        heads: Vec::new(),
        groups: Vec::new(),
        runs: Vec::new(),
        spans: 0,
        rejects: SpanRejects::default(),
        first_reject: None,
    };
    visit(&body, &mut splitter).map_err(|error| {
        Rejection::new(RejectReason::Malformed, format!("the request is malformed: {error}"))
    })?;
    let Splitter { made, heads, groups, mut runs, spans, rejects, first_reject, .. } = splitter;
    // Stable, and the runs of a request are mostly in order within each partition.
    runs.sort_by_key(|run| (run.partition, run.group));
    let needs = Vec::new();
    let made = made.into();
    let mut split = Split { body, made, heads, groups, runs, spans, rejects, first_reject, needs };
    split.needs = needs_of(&split);
    Ok(split)
}

/// Upper bounds of the frames of `split` alone, by partition.
fn needs_of(split: &Split) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    let mut last = None;
    for run in &split.runs {
        let group = (run.partition, run.group);
        let heads =
            if last.replace(group) == Some(group) { 0 } else { group_bytes(split, run.group) };
        let bytes = run.range.len().saturating_add(heads);
        match needs.last_mut() {
            Some(need) if need.partition == run.partition => {
                need.bytes = need.bytes.saturating_add(bytes);
            }
            _ => needs.push(Need { partition: run.partition, bytes }),
        }
    }
    needs
}

/// What a group adds to a frame beside its spans, at most.
pub(crate) fn group_bytes(split: &Split, group: u32) -> usize {
    let head = |index: u32| split.heads.get(index as usize).map_or(0, |place| place.len());
    split
        .groups
        .get(group as usize)
        .map_or(0, |group| ENVELOPE_BYTES + head(group.resource) + head(group.scope))
}

/// A head of which no span has come yet, or has.
struct Pending<'a> {
    head: Option<Head<'a>>,
    /// Its index in `heads`, once a span needed it.
    index: u32,
    len: usize,
    /// Why all its spans are refused.
    refused: Option<SpanReject>,
}

impl Pending<'_> {
    const fn none() -> Self {
        Self { head: None, index: 0, len: 0, refused: None }
    }
}

/// The last span taken, so that a neighbour of the same trace costs next to nothing.
#[derive(Clone, Copy)]
struct Last {
    key: u64,
    partition: Partition,
}

struct Splitter<'a> {
    body: &'a [u8],
    routing: &'a Routing,
    span_bytes_max: usize,
    mark: Option<Attribute<'a>>,
    /// Whether all spans are known to be good.
    checked: bool,
    resource: Pending<'a>,
    scope: Pending<'a>,
    last: Option<Last>,
    made: Vec<u8>,
    heads: Vec<ByteRange>,
    groups: Vec<Group>,
    runs: Vec<SpanRun>,
    spans: u32,
    rejects: SpanRejects,
    first_reject: Option<String>,
}

impl<'a> Visitor<'a> for Splitter<'a> {
    fn resource(&mut self, head: Head<'a>) {
        self.resource = Pending { head: Some(head), ..Pending::none() };
        self.scope = Pending { head: Some(Head::of(&[])), ..Pending::none() };
    }

    fn scope(&mut self, scope: ScopeRef<'a>) {
        self.scope = Pending { head: Some(scope.head()), ..Pending::none() };
    }

    fn span(&mut self, span: SpanRef<'a>) {
        if let Err(refusal) = self.take(&span) {
            self.rejects.add(refusal.reason(), 1);
            self.first_reject.get_or_insert_with(|| refusal.told_of(&span));
        }
    }
}

impl<'a> Splitter<'a> {
    fn take(&mut self, span: &SpanRef<'a>) -> Result<(), Refusal> {
        let (key, text_valid) = self.look(span)?;
        self.open_group();
        if let Some(reject) = &self.resource.refused {
            return Err(Refusal::Resource(reject.clone()));
        }
        if let Some(reject) = &self.scope.refused {
            return Err(Refusal::Scope(reject.clone()));
        }
        let heads = self.resource.len + self.scope.len + ENVELOPE_BYTES;
        let room = self.span_bytes_max.saturating_sub(heads);
        let partition = match self.last {
            Some(last) if last.key == key => last.partition,
            _ => self.routing.partition(key),
        };
        let place = if text_valid {
            let end = span.range().end;
            let start = self.start_of(span).ok_or(Refusal::Span(SpanReject::Padding))?;
            ByteRange::new(start, end, false)
        } else {
            let start = self.made.len();
            put_bytes(&mut self.made, SPANS, &repair_span(span.body));
            ByteRange::new(start, self.made.len(), true)
        };
        if place.len() > room {
            let bytes = heads.saturating_add(place.len());
            let most = self.span_bytes_max;
            return Err(Refusal::Span(SpanReject::TooLarge { bytes, most }));
        }
        self.last = Some(Last { key, partition });
        self.spans = self.spans.saturating_add(1);
        self.push(partition, place, room.min(RUN_BYTES_MAX));
        Ok(())
    }

    /// The key of the span's trace, and whether all its text is UTF-8.
    fn look(&self, span: &SpanRef<'_>) -> Result<(u64, bool), Refusal> {
        if let Some(key) = span.key().filter(|_| self.checked) {
            let is_good = || check_span(span.body).is_ok_and(|checked| checked.text_valid);
            debug_assert!(is_good(), "a translator wrote a span that is none");
            return Ok((key.0, true));
        }
        let checked = check_span(span.body).map_err(Refusal::Span)?;
        Ok((checked.trace_id.key().0, checked.text_valid))
    }

    /// Adds a span: to the last run if it goes on there and stays within `most` bytes.
    fn push(&mut self, partition: Partition, place: ByteRange, most: usize) {
        let group = u32::try_from(self.groups.len()).unwrap_or(u32::MAX).saturating_sub(1);
        if let Some(run) = self.runs.last_mut()
            && run.partition == partition
            && run.group == group
            && run.range.end == place.start
            && run.range.len() + place.len() <= most
        {
            run.range.end = place.end;
            return;
        }
        self.runs.push(SpanRun { partition, group, range: place });
    }

    /// Sees to it that the last of `groups` is that of the resource and scope at hand.
    fn open_group(&mut self) {
        if self.resource.head.is_none() && self.scope.head.is_none() {
            return;
        }
        if let Some(head) = self.resource.head.take() {
            self.resource = self.keep(HeadKind::Resource, head);
        }
        if let Some(head) = self.scope.head.take() {
            self.scope = self.keep(HeadKind::Scope, head);
        }
        self.groups.push(Group { resource: self.resource.index, scope: self.scope.index });
    }

    /// Keeps a head: where it lies, or, if it has several parts, bad text or is to be marked, made
    /// anew.
    fn keep(&mut self, kind: HeadKind, head: Head<'a>) -> Pending<'a> {
        let bytes = head.bytes();
        let (refused, repaired) = match check_head(kind, &bytes) {
            Ok(true) => (None, Cow::Borrowed(&*bytes)),
            Ok(false) => (None, repair_head(kind, &bytes)),
            Err(error) => (Some(error), Cow::Borrowed(&*bytes)),
        };
        let start = self.made.len();
        let place = match (head.range(), &repaired, self.mark) {
            (_, _, Some(mark)) if kind == HeadKind::Resource => {
                append_resource_with(&repaired, &[mark], &mut self.made);
                ByteRange::new(start, self.made.len(), true)
            }
            (Some(range), Cow::Borrowed(_), _) => ByteRange::new(range.start, range.end, false),
            _ => {
                self.made.extend_from_slice(&repaired);
                ByteRange::new(start, self.made.len(), true)
            }
        };
        let index = u32::try_from(self.heads.len()).unwrap_or(u32::MAX);
        self.heads.push(place);
        Pending { head: None, index, len: place.len(), refused }
    }

    /// Where the field of `span` starts, its tag included. `None` when tag or length are written
    /// in more bytes than anybody writes them.
    fn start_of(&self, span: &SpanRef<'_>) -> Option<usize> {
        let body = span.range().start;
        let usual = body.checked_sub(1 + varint_len(span.body.len() as u64))?;
        if self.body.get(usual) == Some(&SPANS_TAG) {
            return Some(usual);
        }
        // A padded length: its bytes but the last have the top bit set, the tag has not.
        let mut at = body.checked_sub(2)?;
        while self.body.get(at)? & 0x80 != 0 {
            at = at.checked_sub(1)?;
        }
        (self.body.get(at) == Some(&SPANS_TAG)).then_some(at)
    }
}

#[cfg(test)]
mod tests;
