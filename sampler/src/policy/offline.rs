//! Decides traces that are at hand whole, without a log: for tests of policies and for comparing.

use std::collections::BTreeMap;

use wholetrace_proto::{
    id::TraceKey,
    spans::{self, Head, SpanRef, Visitor},
    wire::WireError,
};

use crate::policy::{
    bits::Bits, sampling_decision::SamplingDecision, set::PolicySet, summary::Summary,
};

/// What `policies` decide about each trace in `traces`, the bytes of an OTLP `TracesData` or of an
/// `ExportTraceServiceRequest`, in the order of their keys. Spans without a trace id are left out.
///
/// # Errors
/// When the bytes are not such a message.
pub fn decide(
    policies: &PolicySet,
    traces: &[u8],
) -> Result<Vec<(TraceKey, SamplingDecision)>, WireError> {
    let mut fold = Fold { policies, resource: Bits::NONE, summaries: BTreeMap::new() };
    spans::visit(traces, &mut fold)?;
    let decided = fold.summaries.iter();
    Ok(decided.map(|(key, summary)| (*key, policies.decide(*key, summary))).collect())
}

struct Fold<'p> {
    policies: &'p PolicySet,
    resource: Bits,
    summaries: BTreeMap<TraceKey, Summary>,
}

impl<'a> Visitor<'a> for Fold<'_> {
    fn resource(&mut self, head: Head<'a>) {
        self.resource = self.policies.resource_bits(&head.bytes());
    }

    fn span(&mut self, span: SpanRef<'a>) {
        if let Some(key) = span.key() {
            let summary = self.summaries.entry(key).or_default();
            self.policies.observe(span.body, self.resource, summary);
        }
    }
}
