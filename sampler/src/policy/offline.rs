//! Decides traces that are at hand whole, without a log: for tests of policies and for comparing.

use std::collections::BTreeMap;

use wholetrace_proto::{
    id::TraceKey,
    spans::{self, Head, SpanRef, Visitor},
    wire::WireError,
};

use crate::policy::{plan::Heads, sampling_decision::SamplingDecision, set::PolicySet};

/// What `policies` decide about each trace in `traces`, the bytes of an OTLP `TracesData` or of an
/// `ExportTraceServiceRequest`, in the order of their keys. Spans without a trace id are left out.
///
/// # Errors
/// When the bytes are not such a message.
pub fn decide(
    policies: &PolicySet,
    traces: &[u8],
) -> Result<Vec<(TraceKey, SamplingDecision)>, WireError> {
    let mut fold = Fold { policies, heads: Heads::default(), records: BTreeMap::new() };
    spans::visit(traces, &mut fold)?;
    let decided = fold.records.iter();
    Ok(decided.map(|(key, record)| (*key, policies.decide(*key, record))).collect())
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

    fn span(&mut self, span: SpanRef<'a>) {
        if let Some(key) = span.key() {
            let blank = self.policies.blank_record();
            let record = self.records.entry(key).or_insert_with(|| blank.to_vec());
            self.policies.observe(span.body, &mut self.heads, record);
        }
    }
}
