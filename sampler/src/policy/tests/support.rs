//! Spans and policies in a few words.

use std::cell::RefCell;

use prost::Message;
use wholetrace_proto::{
    id::TraceId,
    otlp::{AnyValue, KeyValue, Resource, Span, Status, any_value},
    tracestate::{self, Kept, Threshold},
    wire::put_bytes,
};
use wholetrace_runtime::problems::Problems;

use crate::policy::{
    budget::{Asked, Budgets, Unlimited},
    config::TailSamplingConfig,
    plan::Heads,
    sampling_decision::SamplingDecision,
    set::PolicySet,
};

pub(in crate::policy) const UNSET: i32 = 0;
pub(in crate::policy) const OK: i32 = 1;
pub(in crate::policy) const ERROR: i32 = 2;

/// The policies of a YAML list.
pub(in crate::policy) fn policies(yaml: &str) -> PolicySet {
    let config = config(&format!("policies:\n{yaml}"));
    let mut problems = Problems::new();
    let set = PolicySet::compile(&config, "tail_sampling", &mut problems);
    set.unwrap_or_else(|| panic!("{problems}"))
}

/// The one policy of a type with the settings of a YAML flow mapping.
pub(in crate::policy) fn policy(kind: &str, settings: &str) -> PolicySet {
    policies(&format!("  - {{ name: it, type: {kind}, {kind}: {settings} }}"))
}

pub(in crate::policy) fn config(yaml: &str) -> TailSamplingConfig {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

/// All errors and all warnings that a configuration meets, each as a line.
pub(in crate::policy) fn problems(yaml: &str) -> (Vec<String>, Vec<String>) {
    let mut problems = Problems::new();
    let set = PolicySet::compile(&config(yaml), "tail_sampling", &mut problems);
    assert_eq!(set.is_none(), problems.has_errors());
    let lines = |found: &[wholetrace_runtime::problems::Problem]| {
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    (lines(problems.errors()), lines(problems.warnings()))
}

/// A trace: its id, and its spans with the attributes of their resources.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Trace {
    pub(in crate::policy) id: u128,
    pub(in crate::policy) spans: Vec<(Vec<KeyValue>, Span)>,
}

impl Trace {
    pub(in crate::policy) fn new(id: u128) -> Self {
        Self { id, spans: Vec::new() }
    }

    /// With one more span.
    pub(in crate::policy) fn span(mut self, span: Span) -> Self {
        self.spans.push((Vec::new(), Span { trace_id: self.id.to_be_bytes().into(), ..span }));
        self
    }

    /// With the last span's resource having this attribute.
    pub(in crate::policy) fn of(mut self, attribute: KeyValue) -> Self {
        if let Some((resource, _)) = self.spans.last_mut() {
            resource.push(attribute);
        }
        self
    }

    pub(in crate::policy) fn record(&self, policies: &PolicySet) -> Vec<u64> {
        let mut record = policies.blank_record().to_vec();
        let mut heads = Heads::default();
        for (resource, span) in &self.spans {
            policies.resource(&head(resource), &mut heads);
            let observed = policies.observe(&span.encode_to_vec(), &mut heads, &mut record);
            assert!(!observed.malformed);
        }
        record
    }

    pub(in crate::policy) fn decision(&self, policies: &PolicySet) -> SamplingDecision {
        self.decision_within(policies, &Unlimited)
    }

    pub(in crate::policy) fn decision_within(
        &self,
        policies: &PolicySet,
        budgets: &dyn Budgets,
    ) -> SamplingDecision {
        let key = TraceId(self.id.to_be_bytes()).key();
        policies.decide_within(key, &self.record(policies), budgets)
    }

    pub(in crate::policy) fn is_kept(&self, policies: &PolicySet) -> bool {
        self.decision(policies).kept
    }
}

/// A trace with a span for each tracestate.
pub(in crate::policy) fn came(id: u128, states: &[&str]) -> Trace {
    states.iter().fold(Trace::new(id), |trace, state| {
        trace.span(Span { trace_state: (*state).to_owned(), ..Span::default() })
    })
}

/// Whether a trace is kept, whether its probability is known, and its threshold.
pub(in crate::policy) fn verdict(policies: &PolicySet, trace: &Trace) -> (bool, bool, u64) {
    let decision = trace.decision(policies);
    (decision.kept, decision.probability_known, decision.threshold)
}

/// What the spans of a kept trace say when they leave.
pub(in crate::policy) fn leave(policies: &PolicySet, trace: &Trace) -> Vec<String> {
    let decision = trace.decision(policies);
    assert!(decision.kept, "{trace:?}");
    trace.spans.iter().map(|(_, span)| leaves_with(span, &decision)).collect()
}

/// The tracestate that a span of a kept trace leaves with.
pub(in crate::policy) fn leaves_with(span: &Span, decision: &SamplingDecision) -> String {
    let threshold = Threshold::new(decision.threshold).filter(|_| decision.probability_known);
    let probability = if decision.stated_randomness { Kept::AtStated } else { Kept::At };
    let body = span.encode_to_vec();
    let mut out = Vec::new();
    match tracestate::rewrite(&body, threshold.map_or(Kept::Unknown, probability)) {
        Some(rewrite) => rewrite.append_to(&mut out),
        None => return span.trace_state.clone(),
    }
    Span::decode(&*out).unwrap().trace_state
}

/// A trace of one span with nothing in it, whose randomness is 0: consistent sampling never
/// keeps it.
pub(in crate::policy) fn dull() -> Trace {
    Trace::new(7 << 100).span(Span::default())
}

/// The head of a resource.
pub(in crate::policy) fn head(attributes: &[KeyValue]) -> Vec<u8> {
    let resource = Resource { attributes: attributes.to_vec(), ..Resource::default() };
    let mut head = Vec::new();
    put_bytes(&mut head, 1, &resource.encode_to_vec());
    put_bytes(&mut head, 3, b"https://schema");
    head
}

pub(in crate::policy) fn status(code: i32) -> Span {
    let status = Status { code, ..Status::default() };
    Span { status: Some(status), ..Span::default() }
}

/// A span from one time to another, in nanoseconds.
pub(in crate::policy) fn times(start: u64, end: u64) -> Span {
    Span { start_time_unix_nano: start, end_time_unix_nano: end, ..Span::default() }
}

pub(in crate::policy) fn with(attributes: Vec<KeyValue>) -> Span {
    Span { attributes, ..Span::default() }
}

pub(in crate::policy) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

pub(in crate::policy) fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// Budgets as a test wants them: so much of each is left.
#[derive(Debug)]
struct Room {
    thresholds: Vec<Threshold>,
    asked: RefCell<Vec<Asked>>,
}

impl Budgets for Room {
    fn ask(&self, asked: Asked) -> Threshold {
        self.asked.borrow_mut().push(asked);
        asked.part(self.thresholds[usize::from(asked.budget.0)])
    }
}

/// What is decided where so much of each budget is left, and what was asked for.
pub(in crate::policy) fn within(
    policies: &PolicySet,
    trace: &Trace,
    thresholds: &[f64],
) -> (SamplingDecision, Vec<Asked>) {
    let thresholds = thresholds.iter().map(|left| Threshold::of_probability(*left)).collect();
    let room = Room { thresholds, asked: RefCell::default() };
    let key = TraceId(trace.id.to_be_bytes()).key();
    let decision = policies.decide_within(key, &trace.record(policies), &room);
    (decision, room.asked.into_inner())
}
