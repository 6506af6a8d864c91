//! What our policies make of a set: whether they load, and which traces they keep.

use std::collections::BTreeSet;

use prost::Message;
use serde_json::Value;
use wholetrace_proto::{id::TraceId, otlp::ExportTraceServiceRequest};
use wholetrace_runtime::problems::Problems;
use wholetrace_sampler::policy::{PolicySet, TailSamplingConfig, offline};

use crate::notation::{Trace, requests};

/// Types of policies that are not there yet. A set with one of them that does not load counts as
/// not supported, and the tests say how many those are.
const NOT_YET: [&str; 0] = [];

/// The policies of a block `tail_sampling`, or why it is refused.
pub(crate) fn load(block: &Value) -> Result<PolicySet, String> {
    let mut block = block.clone();
    if let Value::Object(block) = &mut block {
        block.insert("compatibility".to_owned(), "collector".into());
    }
    let config: TailSamplingConfig =
        serde_json::from_value(block).map_err(|error| error.to_string())?;
    let mut problems = Problems::new();
    let set = PolicySet::compile(&config, "tail_sampling", &mut problems);
    set.ok_or_else(|| problems.to_string())
}

/// The places of those of `traces` that `policies` keep.
pub(crate) fn kept(policies: &PolicySet, traces: &[Trace]) -> BTreeSet<usize> {
    kept_of(policies, traces, &requests(traces))
}

/// The places of those of `traces`, which are what the requests bring, that `policies` keep.
pub(crate) fn kept_of(
    policies: &PolicySet,
    traces: &[Trace],
    requests: &[ExportTraceServiceRequest],
) -> BTreeSet<usize> {
    // Requests one after the other are one message: the lists in them are joined.
    let bytes: Vec<u8> = requests.iter().flat_map(Message::encode_to_vec).collect();
    let decided = offline::decide(policies, &bytes).expect("a request");
    let kept: BTreeSet<_> =
        decided.iter().filter(|(_, decision)| decision.kept).map(|(key, _)| *key).collect();
    let is_kept = |trace: &Trace| kept.contains(&TraceId(trace.id.to_be_bytes()).key());
    traces.iter().enumerate().filter(|(_, trace)| is_kept(trace)).map(|(place, _)| place).collect()
}

/// Whether a policy in `block` is of a type that is not there yet.
pub(crate) fn is_not_yet(block: &Value) -> bool {
    match block {
        Value::Object(map) => {
            let own = map.get("type").and_then(Value::as_str);
            own.is_some_and(|own| NOT_YET.contains(&own)) || map.values().any(is_not_yet)
        }
        Value::Array(list) => list.iter().any(is_not_yet),
        _ => false,
    }
}
