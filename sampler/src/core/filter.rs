//! Filters the kept spans out of one frame.

use std::borrow::Cow;

use bytes::Bytes;
use wholetrace_proto::{
    assemble::Assembler,
    id::{TraceId, TraceKey},
    set_attribute::{Attribute, AttributeValue, append_scope_with, append_with},
    spans::{Head, ScopeRef, SpanRef, Visitor, trace_id, visit},
    tracestate::{self, Kept},
    wire::WireError,
};
use wholetrace_spanlog::{LogTime, Position};

use crate::{
    core::{
        decision::{
            policy_names::PolicyNumber,
            table::{DecisionTable, PackedDecision},
        },
        recent_spans::{Fingerprint, Place, RecentSpans},
    },
    policy::{
        RecordPolicy, Recording, is_root,
        recording::{CACHED_DECISION, COMPOSITE_POLICY, LATE_FRAGMENT, POLICY, SAMPLE_RATE},
    },
};

/// What a span may take in a piece beside its body and its heads: tags, lengths, a threshold, a
/// mark.
const OVERHEAD: usize = 96;

/// How kept spans are cut out of frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pieces<'r> {
    /// Bytes of a piece, unless one span alone is larger.
    pub(crate) max_bytes: usize,
    /// What the spans are told of their decision.
    pub(crate) recording: &'r Recording,
}

/// Spans that one policy has kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeptBy {
    pub(crate) policy: PolicyNumber,
    pub(crate) spans: u64,
    /// Bytes of the spans, as they came.
    pub(crate) bytes: u64,
}

/// What a frame has left after sampling.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filtered {
    /// The kept spans; each piece is a valid `TracesData` message.
    pub(crate) pieces: Vec<(Bytes, u32)>,
    /// Bytes of all pieces.
    pub(crate) bytes: usize,
    /// Spans in all pieces.
    pub(crate) kept: u64,
    /// Whose they are, in the order of the frame.
    pub(crate) kept_by: Vec<KeptBy>,
    /// Spans that the policies do not want.
    pub(crate) not_sampled: u64,
    /// Root spans among them that came after the decision.
    pub(crate) late_roots: u64,
    /// Spans of kept traces that stand earlier in the log as well, byte by byte.
    pub(crate) repeated: u64,
    /// Spans for which there is no decision. They are kept: this must not happen (I3), but a
    /// span too many is better than one too few.
    pub(crate) undecided: u64,
}

/// Cuts the kept spans of the frame `payload` of time `time` into `pieces`. What has come before, as
/// far as `recent` is asked for frames at a position, is left out.
///
/// # Errors
/// Malformed bytes: of the whole frame nothing can be exported.
pub(crate) fn filter(
    payload: &[u8],
    time: LogTime,
    decided: &DecisionTable,
    pieces: Pieces<'_>,
    recent: Option<(&mut RecentSpans, Position)>,
) -> Result<Filtered, WireError> {
    let mut filter = Filter {
        decided,
        time,
        pieces,
        recent: recent.filter(|(recent, _)| recent.is_on()),
        index: 0,
        heads: [None; 2],
        resource: None,
        scope: None,
        has_resource: false,
        has_scope: false,
        scope_told: None,
        last: None,
        piece: Assembler::new(),
        spans: 0,
        filtered: Filtered::default(),
    };
    visit(payload, &mut filter)?;
    filter.finish_piece();
    Ok(filter.filtered)
}

/// What a span may be told of its decision.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Why {
    policy: PolicyNumber,
    /// Whether it came after the decision.
    cached: bool,
}

/// Attributes to set: at most six.
struct Marks<'a> {
    list: [Attribute<'a>; 6],
    count: usize,
}

impl<'a> Marks<'a> {
    const fn new() -> Self {
        Self { list: [Attribute { key: "", value: AttributeValue::True }; 6], count: 0 }
    }

    fn push(&mut self, key: &'a str, value: AttributeValue<'a>) {
        if let Some(place) = self.list.get_mut(self.count) {
            *place = Attribute { key, value };
            self.count += 1;
        }
    }

    fn get(&self) -> &[Attribute<'a>] {
        self.list.get(..self.count).unwrap_or_default()
    }

    fn max_len(&self) -> usize {
        self.get().iter().map(Attribute::max_len).sum()
    }
}

/// The head is looked for when the first span is kept: of most scopes none is.
#[derive(Clone, Copy)]
enum Scope<'f> {
    Told(ScopeRef<'f>),
    Found(Head<'f>),
}

struct Filter<'s, 'f> {
    decided: &'s DecisionTable,
    time: LogTime,
    pieces: Pieces<'s>,
    /// The spans that were released before, and the position of the frame.
    recent: Option<(&'s mut RecentSpans, Position)>,
    /// How many spans were met.
    index: u32,
    /// The fingerprints of the resource and of the scope, once they were asked for.
    heads: [Option<Fingerprint>; 2],
    /// Whose the spans to come are.
    resource: Option<Head<'f>>,
    scope: Option<Scope<'f>>,
    /// Whether the piece under way has got their heads.
    has_resource: bool,
    has_scope: bool,
    /// What the scope under way is told of decisions, if scopes are told.
    scope_told: Option<Why>,
    last: Option<(TraceKey, Option<(PackedDecision, LogTime)>)>,
    piece: Assembler<'f>,
    spans: u32,
    filtered: Filtered,
}

impl<'s, 'f> Filter<'s, 'f> {
    /// The decision over a trace, and when it was made.
    fn decision(&mut self, key: TraceKey) -> Option<(PackedDecision, LogTime)> {
        if let Some((last, decision)) = self.last
            && last == key
        {
            return decision;
        }
        let decision = self.decided.find(key, self.time);
        self.last = Some((key, decision));
        decision
    }

    /// The same span with the longest id of its trace, where it has a shorter one.
    fn with_long_id(&self, body: &[u8], key: TraceKey) -> Option<Vec<u8>> {
        let id = trace_id(body);
        let own = TraceId::from_slice(id).ok().filter(|own| own.is_short())?;
        let high = key.longer(own.high(), self.decided.id_high(key, self.time));
        if high == own.high() {
            return None;
        }
        let mut long = body.to_vec();
        let start = id.as_ptr().addr() - body.as_ptr().addr();
        long.get_mut(start..start + id.len())?.copy_from_slice(&key.trace_id(high).0);
        Some(long)
    }

    fn keep(&mut self, body: &'f [u8], key: TraceKey, decision: Option<(PackedDecision, LogTime)>) {
        let (decision, decided_at) = decision.unzip();
        let policy = decision.map_or(PolicyNumber::NONE, PackedDecision::policy);
        self.count_kept(policy, body.len());
        let why = Why { policy, cached: decided_at.is_some_and(|at| at <= self.time) };
        let probability = decision.map_or(Kept::Unknown, PackedDecision::probability);
        let late = decision.is_some_and(PackedDecision::is_late_fragment);

        let told = (self.pieces.recording.policy == RecordPolicy::Scope).then_some(why);
        self.has_scope &= told == self.scope_told;
        let marks = self.marks(body, why, probability, late);
        let scope_marks = told.map_or(Marks::new(), |why| self.why(why));
        let (resource, scope) = (self.resource.unwrap_or(Head::of(&[])), self.scope_head());
        let heads = if self.has_resource { 0 } else { resource.len() }
            + if self.has_scope { 0 } else { scope.len() + scope_marks.max_len() };
        let size = heads + body.len() + marks.max_len() + OVERHEAD;
        if self.spans > 0 && self.piece.encoded_len() + size > self.pieces.max_bytes {
            self.finish_piece();
        }
        if !std::mem::replace(&mut self.has_resource, true) {
            self.piece.resource(resource);
        }
        if !std::mem::replace(&mut self.has_scope, true) {
            self.scope_told = told;
            match scope_marks.get() {
                [] => self.piece.scope(scope),
                marks => self.piece.scope_with(|out| append_scope_with(&scope.bytes(), marks, out)),
            }
        }
        let long = self.with_long_id(body, key);
        let named = long.as_deref().unwrap_or(body);
        match (tracestate::rewrite(named, probability), marks.get()) {
            (Some(rewrite), []) => self.piece.span_with(|out| rewrite.append_to(out)),
            (None, []) if long.is_none() => self.piece.span(body),
            (None, []) => self.piece.span_with(|out| out.extend_from_slice(named)),
            (rewrite, marks) => {
                let mut rewritten = Cow::Borrowed(named);
                if let Some(rewrite) = rewrite {
                    rewritten = Cow::Owned(Vec::new());
                    rewrite.append_to(rewritten.to_mut());
                }
                self.piece.span_with(|out| append_with(&rewritten, marks, out));
            }
        }
        self.spans += 1;
    }

    /// Whether a kept span has come before.
    fn has_come(&mut self, body: &[u8]) -> bool {
        let scope = if self.recent.is_some() { self.scope_head() } else { return false };
        let Some((recent, position)) = &mut self.recent else { return false };
        let [of_resource, of_scope] = &mut self.heads;
        let resource = self.resource.unwrap_or(Head::of(&[]));
        let heads = [(of_resource, resource), (of_scope, scope)]
            .map(|(known, head)| *known.get_or_insert_with(|| recent.fingerprint(&head.bytes())));
        let place = Place { position: *position, index: self.index };
        let fingerprint = recent.fingerprint(body).under(heads);
        recent.has_come(fingerprint, place)
    }

    fn count_kept(&mut self, policy: PolicyNumber, bytes: usize) {
        let bytes = bytes as u64;
        match self.filtered.kept_by.last_mut() {
            Some(last) if last.policy == policy => {
                last.spans += 1;
                last.bytes += bytes;
            }
            _ => self.filtered.kept_by.push(KeptBy { policy, spans: 1, bytes }),
        }
    }

    /// What a span is told in its attributes.
    fn marks(&self, body: &[u8], why: Why, probability: Kept, late: bool) -> Marks<'s> {
        let Recording { policy, reason, adjusted_count } = self.pieces.recording;
        let mut marks = match policy {
            RecordPolicy::Span => self.why(why),
            RecordPolicy::None | RecordPolicy::Scope => Marks::new(),
        };
        if let Some(key) = reason
            && let Some(reason) = self.decided.policies().reason(why.policy, why.cached)
        {
            marks.push(key, AttributeValue::Text(reason));
        }
        if late {
            marks.push(LATE_FRAGMENT, AttributeValue::True);
        }
        if *adjusted_count && let Some(count) = tracestate::adjusted_count(body, probability) {
            marks.push(SAMPLE_RATE, AttributeValue::Int(count));
        }
        marks
    }

    fn why(&self, why: Why) -> Marks<'s> {
        let mut marks = Marks::new();
        if let Some(name) = self.decided.policies().name(why.policy) {
            marks.push(POLICY, AttributeValue::Text(name));
        }
        if let Some(name) = self.decided.policies().sub_policy(why.policy) {
            marks.push(COMPOSITE_POLICY, AttributeValue::Text(name));
        }
        if why.cached {
            marks.push(CACHED_DECISION, AttributeValue::True);
        }
        marks
    }

    fn scope_head(&mut self) -> Head<'f> {
        let head = match self.scope {
            Some(Scope::Told(scope)) => scope.head(),
            Some(Scope::Found(head)) => return head,
            None => Head::of(&[]),
        };
        self.scope = Some(Scope::Found(head));
        head
    }

    fn finish_piece(&mut self) {
        if self.spans == 0 {
            return;
        }
        (self.has_resource, self.has_scope) = (false, false);
        let bytes = std::mem::take(&mut self.piece).to_vec();
        self.filtered.bytes += bytes.len();
        self.filtered.kept += u64::from(self.spans);
        self.filtered.pieces.push((Bytes::from(bytes), self.spans));
        self.spans = 0;
    }
}

impl<'f> Visitor<'f> for Filter<'_, 'f> {
    fn resource(&mut self, head: Head<'f>) {
        self.resource = Some(head);
        self.scope = None;
        (self.has_resource, self.has_scope) = (false, false);
        self.heads = [None; 2];
    }

    fn scope(&mut self, scope: ScopeRef<'f>) {
        self.scope = Some(Scope::Told(scope));
        self.has_scope = false;
        self.heads[1] = None;
    }

    fn span(&mut self, span: SpanRef<'f>) {
        let Some(key) = span.key() else { return };
        self.index += 1;
        let decision = self.decision(key);
        match decision {
            Some((decision, decided_at)) if !decision.kept() => {
                self.filtered.not_sampled += 1;
                self.filtered.late_roots += u64::from(decided_at < self.time && is_root(span.body));
            }
            Some(_) if self.has_come(span.body) => self.filtered.repeated += 1,
            Some(_) => self.keep(span.body, key, decision),
            None => {
                self.filtered.undecided += 1;
                self.keep(span.body, key, None);
            }
        }
    }
}

#[cfg(test)]
mod tests;
