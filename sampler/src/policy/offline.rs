//! Decides traces that are at hand whole, without a log: for tests of policies and for comparing.

use std::collections::BTreeMap;

use wholetrace_proto::{
    id::TraceKey,
    spans::{self, Head, ScopeRef, SpanRef, Visitor},
    wire::WireError,
};

use crate::policy::{
    budget::Budgets,
    plan::{Heads, Record},
    rule::Trace,
    sampling_decision::{PolicyIndex, SamplingDecision},
    set::{Effect, Policy, PolicySet, Tried},
};

/// What one policy makes of a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Which policy it is.
    pub policy: PolicyIndex,
    /// Whether it discards what it says yes to.
    pub discards: bool,
    /// Whether it is tried only: nobody obeys it.
    pub shadow: bool,
    /// Whether it says yes.
    pub says_yes: bool,
    /// The probability that it says yes to a trace with these contents; `None` where it draws by a
    /// hash of its own, which no threshold tells.
    pub probability: Option<f64>,
}

/// A trace, what is decided about it and what each policy makes of it.
#[derive(Clone, Debug)]
pub struct Examined {
    /// What names the trace.
    pub key: TraceKey,
    /// What is decided.
    pub decision: SamplingDecision,
    /// The answers of all policies, in their order.
    pub answers: Vec<Answer>,
}

/// What `policies` decide about each trace in `traces`, the bytes of an OTLP `TracesData` or of an
/// `ExportTraceServiceRequest`, in the order of their keys, as if budgets had no end. Spans without a
/// trace id are left out.
///
/// # Errors
/// When the bytes are not such a message.
pub fn decide(
    policies: &PolicySet,
    traces: &[u8],
) -> Result<Vec<(TraceKey, SamplingDecision)>, WireError> {
    let records = records(policies, traces)?;
    Ok(records.iter().map(|(key, record)| (*key, policies.decide(*key, record))).collect())
}

/// The same as [`decide`], within what `budgets` allow, with what each policy makes of the traces.
/// Budgets are asked more than once about a trace: those that count will not do.
///
/// # Errors
/// When the bytes are not such a message.
pub fn examine(
    policies: &PolicySet,
    traces: &[u8],
    budgets: &dyn Budgets,
) -> Result<Vec<Examined>, WireError> {
    let examined = |(key, record): (&TraceKey, &Vec<u64>)| Examined {
        key: *key,
        decision: policies.decide_within(*key, record, budgets),
        answers: answers(policies, (*key, record), budgets),
    };
    Ok(records(policies, traces)?.iter().map(examined).collect())
}

fn answers(
    policies: &PolicySet,
    (key, record): (TraceKey, &[u64]),
    budgets: &dyn Budgets,
) -> Vec<Answer> {
    let record = Record { layout: &policies.plan.layout, words: record };
    let trace = Trace { record, key, budgets };
    let answer = |(policy, Policy { rule, effect }): (PolicyIndex, &Policy)| {
        let evaluation = rule.evaluate(&trace);
        Answer {
            policy,
            discards: matches!(effect, Effect::Drop | Effect::Shadow(Tried::Drop)),
            shadow: matches!(effect, Effect::Shadow(_)),
            says_yes: evaluation.says_yes(trace.randomness()),
            probability: evaluation.drawn.is_none().then(|| evaluation.threshold.probability()),
        }
    };
    (0..).zip(&policies.policies).map(answer).collect()
}

/// The record of each trace.
fn records(policies: &PolicySet, traces: &[u8]) -> Result<BTreeMap<TraceKey, Vec<u64>>, WireError> {
    let mut fold = Fold { policies, heads: Heads::default(), records: BTreeMap::new() };
    spans::visit(traces, &mut fold)?;
    Ok(fold.records)
}

struct Fold<'p> {
    policies: &'p PolicySet,
    heads: Heads,
    records: BTreeMap<TraceKey, Vec<u64>>,
}

impl<'a> Visitor<'a> for Fold<'_> {
    fn resource(&mut self, head: Head<'a>) {
        self.policies.resource(&head.bytes(), &mut self.heads);
    }

    fn scope(&mut self, scope: ScopeRef<'a>) {
        if self.policies.wants_scopes() {
            self.policies.scope(&scope.head().bytes(), &mut self.heads);
        }
    }

    fn span(&mut self, span: SpanRef<'a>) {
        if let Some(key) = span.key() {
            let blank = self.policies.blank_record();
            let record = self.records.entry(key).or_insert_with(|| blank.to_vec());
            self.policies.observe(span.body, &mut self.heads, record);
        }
    }
}
