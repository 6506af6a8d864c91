//! One check for each decoder: what must hold for any bytes. The fuzz targets call them, and so
//! does a short run in the test suite.

use std::borrow::Cow;

use prost::Message;
use wholetrace_proto::{
    assemble::Assembler,
    check::{HeadKind, check_head, check_span},
    id::TraceKey,
    otlp::{
        KeyValue, ResourceSpans, ScopeSpans, Span, TracesData,
        numbers::{
            INSTRUMENTATION_LIBRARY_SPANS, resource_spans::SCOPE_SPANS, scope_spans::SPANS,
            span::TRACE_STATE, traces_data::RESOURCE_SPANS,
        },
    },
    record::{
        DeadLetter, Decision, DecisionBatch, PolicyBits, encode_decisions_of, encode_replayed,
        read_replayed,
    },
    reject::SpanReject,
    repair::{repair_head, repair_span},
    set_attribute::{Attribute, AttributeValue, append_scope_with, append_with_true},
    spans::{Head, ScopeRef, SpanRef, Visitor, count, visit},
    split::split_at,
    tracestate::{Kept, Threshold, read, rewrite},
    wire::{Cursor, Field, Value, WireError, put_bytes},
};

/// The cursor moves forward with each field and stays inside, and its fields touch each other.
pub(crate) fn wire(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let mut end = 0;
    while let Ok(Some(field)) = cursor.next_field() {
        assert_eq!(field.range.start, end, "fields leave no gap");
        assert!(field.range.end > end && field.range.end <= data.len());
        end = field.range.end;
    }
}

/// What decodes is walked, what is walked and passes the checks decodes, and joining it again
/// loses nothing.
pub(crate) fn spans(data: &[u8]) {
    let mut walked = Walked { out: Assembler::new(), malformed: false, exempt: false, valid: true };
    let walk = visit(data, &mut walked);
    let decoded = TracesData::decode(data);
    let exempt = walked.exempt
        || matches!(walk, Err(WireError::GroupDepth { .. }))
        // The decoder takes them for an unknown field, whatever is in it.
        || has_old_spans(data);
    if decoded.is_ok() && !exempt {
        assert_eq!(walk, Ok(()));
        assert!(!walked.malformed && walked.valid);
    }
    if walk.is_ok() && !walked.malformed && walked.valid && !exempt {
        assert!(decoded.is_ok(), "accepted, but {decoded:?}");
    }
    let joined = walked.out.to_vec();
    assert_eq!(joined.len(), walked.out.encoded_len());
    let mut again = Assembler::new();
    if visit(&joined, &mut again).is_ok() {
        assert_eq!(again.spans(), walked.out.spans());
        assert_eq!(again.to_vec(), joined);
        divided(&joined, again.spans());
    } else {
        panic!("what was joined cannot be walked");
    }
}

/// Whether there are spans where senders of old put them.
fn has_old_spans(data: &[u8]) -> bool {
    fn any(data: &[u8], mut is: impl FnMut(&Field<'_>) -> bool) -> bool {
        let mut cursor = Cursor::new(data);
        std::iter::from_fn(|| cursor.next_field().ok()?).any(|field| is(&field))
    }
    any(data, |field| match field.value {
        Value::Bytes(body) => any(body, |field| field.number == INSTRUMENTATION_LIBRARY_SPANS),
        _ => false,
    })
}

/// Divided anywhere, no span is lost.
fn divided(message: &[u8], spans: usize) {
    for first in [0, spans / 2, spans] {
        let (a, b) = split_at(message, first).expect("what was joined can be walked");
        assert_eq!(count(&a), Ok(first));
        assert_eq!(count(&b), Ok(spans - first));
    }
}

struct Walked<'a> {
    out: Assembler<'a>,
    malformed: bool,
    /// Nested too deep: limits differ.
    exempt: bool,
    valid: bool,
}

impl Walked<'_> {
    fn note<T>(&mut self, result: Result<T, SpanReject>) -> Option<T> {
        use SpanReject::{Malformed, Nesting};
        match result {
            Ok(value) => return Some(value),
            Err(Nesting { .. }) => self.exempt = true,
            Err(Malformed(_)) => self.malformed = true,
            Err(_) => {}
        }
        None
    }

    fn head(&mut self, kind: HeadKind, head: &Head<'_>) {
        let bytes = head.bytes();
        assert_eq!(bytes.len(), head.len());
        assert_eq!(head.range().is_some(), matches!(bytes, Cow::Borrowed(_)));
        let checked = check_head(kind, &bytes);
        if let Some(valid) = self.note(checked) {
            self.valid &= valid;
        }
    }
}

impl<'a> Visitor<'a> for Walked<'a> {
    fn resource(&mut self, head: Head<'a>) {
        self.head(HeadKind::Resource, &head);
        self.out.resource(head);
    }

    fn scope(&mut self, scope: ScopeRef<'a>) {
        let head = scope.head();
        self.head(HeadKind::Scope, &head);
        self.out.scope(head);
    }

    fn span(&mut self, span: SpanRef<'a>) {
        match check_span(span.body) {
            Err(SpanReject::IdLength { .. } | SpanReject::ZeroId { .. })
            | Err(SpanReject::RepeatedId { .. }) => self.exempt = true,
            checked => {
                if let Some(checked) = self.note(checked) {
                    self.valid &= checked.text_valid;
                    assert_eq!(span.key(), Some(checked.trace_id.key()));
                }
            }
        }
        self.out.span(span.body);
    }
}

/// What passes the check decodes once its text is repaired, to the ids that the check told: also
/// where a span stands in a request, deeper by what is above it.
pub(crate) fn span(data: &[u8]) {
    let repaired = repair_span(data);
    assert_eq!(repaired.len(), data.len());
    match check_span(data) {
        Ok(checked) => {
            assert_eq!(checked.text_valid, matches!(repaired, Cow::Borrowed(_)));
            assert_eq!(check_span(&repaired).map(|checked| checked.text_valid), Ok(true));
            let traces = [SPANS, SCOPE_SPANS, RESOURCE_SPANS].iter().fold(
                repaired.into_owned(),
                |body, number| {
                    let mut out = Vec::new();
                    put_bytes(&mut out, *number, &body);
                    out
                },
            );
            let traces = TracesData::decode(&*traces).expect("a span that passed the check");
            let span = &traces.resource_spans[0].scope_spans[0].spans[0];
            assert_eq!(span.trace_id, checked.trace_id.0);
            assert_eq!(span.span_id, checked.span_id.0);
        }
        Err(SpanReject::Malformed(error)) => {
            assert!(Span::decode(data).is_err(), "refused for {error}, but it decodes");
        }
        Err(_) => {}
    }
    flag(data);
    scope(data);
    let _ = ResourceSpans::decode(&*repair_head(HeadKind::Resource, data));
    let _ = ScopeSpans::decode(&*repair_head(HeadKind::Scope, data));
}

/// A flag is set once, and nothing else in the span changes.
fn flag(data: &[u8]) {
    let mut out = Vec::new();
    append_with_true(data, "late", &mut out);
    let (Ok(mut before), Ok(mut after)) = (Span::decode(data), Span::decode(&*out)) else { return };
    let flags = |span: &Span| span.attributes.iter().filter(|one| one.key == "late").count();
    assert_eq!(flags(&after), 1);
    for span in [&mut before, &mut after] {
        span.attributes.retain(|one| one.key != "late");
    }
    assert_eq!(before, after);
}

/// An attribute of a scope is set once, and nothing else changes.
fn scope(data: &[u8]) {
    let mut out = Vec::new();
    let attribute = Attribute { key: "policy", value: AttributeValue::Text("errors") };
    append_scope_with(data, &[attribute], &mut out);
    let (Ok(mut before), Ok(mut after)) = (ScopeSpans::decode(data), ScopeSpans::decode(&*out))
    else {
        return;
    };
    let is_policy = |one: &KeyValue| one.key == "policy";
    let attributes = after.scope.iter().flat_map(|scope| &scope.attributes);
    assert_eq!(attributes.filter(|one| is_policy(one)).count(), 1);
    for message in [&mut before, &mut after] {
        message.scope.get_or_insert_default().attributes.retain(|one| !is_policy(one));
    }
    // Numbers that are none are not equal to themselves.
    assert_eq!(before.encode_to_vec(), after.encode_to_vec());
}

/// A batch that is read is written back to one that reads the same.
pub(crate) fn decisions(data: &[u8]) {
    let Ok(batch) = DecisionBatch::read(data) else { return };
    let decisions: Vec<Decision> = batch.decisions().collect();
    assert_eq!(decisions.len(), batch.len());
    // Eleven bytes are the least that a decision takes.
    assert!(decisions.len() <= data.len() / 11);
    let policies: Vec<&str> = batch.policies().collect();
    let hash = batch.policies_hash();
    let written = encode_decisions_of(hash, &policies, batch.claim(), &decisions);
    let again = DecisionBatch::read(&written).unwrap();
    assert_eq!(again.policies_hash(), hash);
    let named = |decision: &Decision, names: &[&str]| {
        let name = |policy: u16| names[usize::from(policy)].to_owned();
        let sets = [&decision.also, &decision.shadow];
        let said = sets.map(|set| set.iter().map(name).collect::<Vec<_>>());
        let sub_policy = decision.sub_policy.map(|sub| (name(sub.name), sub.of_decider));
        let (also, shadow) = (PolicyBits::NONE, PolicyBits::NONE);
        let rest = Decision { policy: 0, sub_policy: None, also, shadow, ..decision.clone() };
        (rest, name(decision.policy), sub_policy, said)
    };
    let names: Vec<&str> = again.policies().collect();
    let read: Vec<_> = again.decisions().map(|decision| named(&decision, &names)).collect();
    let before: Vec<_> = decisions.iter().map(|decision| named(decision, &policies)).collect();
    assert_eq!(read, before);
}

/// A dead letter that is read is written back to one that reads the same, and so are the positions of
/// those that were replayed.
pub(crate) fn dead_letter(data: &[u8]) {
    if let Ok(letter) = DeadLetter::read(data) {
        assert_eq!(DeadLetter::read(&letter.encode()), Ok(letter));
    }
    if let Ok(Some(positions)) = read_replayed(data) {
        assert_eq!(read_replayed(&encode_replayed(&positions)), Ok(Some(positions)));
    }
}

/// Rewriting never lowers a threshold, writes none where an untrue one came, leaves `rv` alone, keeps
/// the entry short, writes entries alone, and changes nothing else in the span. The first byte
/// chooses what is done.
pub(crate) fn tracestate(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    let own = Threshold::of_probability(f64::from(*choice) / 256.0);
    let all = [Kept::Unknown, Kept::At(Threshold::ALWAYS), Kept::At(own), Kept::AtStated(own)];
    for kept in all {
        let Some(change) = rewrite(body, kept) else { continue };
        let mut out = Vec::new();
        change.append_to(&mut out);
        let (came, went) = (state_of(body), state_of(&out));
        let (before, after) = (read(&came), read(&went));
        assert_eq!(before.randomness, after.randomness, "rv is never changed");
        let drawn = after.randomness.or_else(|| {
            TraceKey::of(wholetrace_proto::spans::trace_id(body)).map(TraceKey::randomness)
        });
        if let Some(threshold) = after.threshold {
            assert!(kept != Kept::Unknown && drawn.is_some_and(|drawn| threshold.keeps(drawn)));
            assert!(before.threshold.is_none_or(|came| came <= threshold && keeps(came, drawn)));
        }
        let entry = went.split(|byte| *byte == b',').find(|one| one.starts_with(b"ot="));
        assert!(entry.is_none_or(|entry| entry.len() <= 3 + 256));
        assert!(went.is_empty() || went.split(|byte| *byte == b',').all(is_entry), "{went:?}");
        // What was erased is not there to be seen the second time.
        let erased = before.threshold.is_some_and(|came| !keeps(came, drawn));
        assert!(erased || rewrite(&out, kept).is_none(), "a second time changes nothing");
        if let (Ok(before), Ok(after)) = (Span::decode(body), Span::decode(&*out)) {
            let trace_state = before.trace_state.clone();
            assert_eq!(Span { trace_state, ..after }, before);
        }
    }
}

/// Whether `member` of a tracestate is a key and a value of printable ASCII.
fn is_entry(member: &[u8]) -> bool {
    let mut parts = member.split(|byte| *byte == b'=');
    let (key, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let printable = member.iter().all(|byte| (b' '..=b'~').contains(byte));
    !key.is_empty() && !value.is_empty() && parts.next().is_none() && printable
}

fn keeps(threshold: Threshold, drawn: Option<u64>) -> bool {
    drawn.is_some_and(|drawn| threshold.keeps(drawn))
}

/// The tracestate of a span, as far as it is well-formed.
fn state_of(body: &[u8]) -> Vec<u8> {
    let (mut fields, mut state) = (Cursor::new(body), Vec::new());
    while let Ok(Some(field)) = fields.next_field() {
        if let (TRACE_STATE, Ok(bytes)) = (field.number, field.bytes("Span")) {
            state = bytes.to_vec();
        }
    }
    state
}
