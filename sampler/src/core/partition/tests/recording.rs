//! What kept spans are told of their decision, as the decision log has it.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use wholetrace_proto::otlp::{TracesData, any_value::Value};

use super::*;

/// By span: all that it was told of policies, each time that it was handed to the exporter.
fn told(pieces: &[Bytes]) -> BTreeMap<u64, BTreeSet<Vec<String>>> {
    let mut told = BTreeMap::<u64, BTreeSet<Vec<String>>>::new();
    for piece in pieces {
        let message = TracesData::decode(piece.clone()).unwrap();
        let scopes = message.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        for span in scopes.flat_map(|scope| &scope.spans) {
            let id = u64::from_be_bytes(span.span_id.clone().try_into().unwrap());
            let texts = span.attributes.iter().filter_map(|one| match one.value.clone()?.value {
                Some(Value::StringValue(text)) => Some(format!("{}={text}", one.key)),
                _ => None,
            });
            told.entry(id).or_default().insert(texts.collect());
        }
    }
    told
}

/// The decision log tells late spans what those before them were told, also whoever owns the partition
/// by then, and with the policies of then.
#[test]
fn late_spans_are_told_the_policy_within_a_composite_one() {
    let policies = |list: serde_json::Value| {
        compile(serde_json::json!({
            "record_policy": "span", "record_reason": "reason", "policies": list,
        }))
    };
    let shares = policies(serde_json::json!([
        { "name": "shares", "type": "composite", "composite": {
            "max_total_spans_per_second": 1000, "composite_sub_policy": [
                { "name": "errors", "type": "status_code",
                  "status_code": { "status_codes": ["ERROR"] } },
                { "name": "rest", "type": "always_sample" } ] } },
    ]));
    let mut stand = Stand::with(shares, settings(1000), 1 << 20);
    stand.append(1_000_000, &[span(1, 1, true), span(2, 2, false)]);
    stand.append(1_002_000, &[]);
    stand.read(9);
    assert_eq!(stand.exported, [1, 2]);

    stand.policies = policies(serde_json::json!([]));
    stand.change_owner(settings(1000), true);
    stand.append(1_004_000, &[span(2, 4, false), span(1, 3, false)]);
    stand.append(1_006_000, &[]);
    stand.read(9);
    let said = |sub_policy: &str, late: &str| {
        BTreeSet::from([vec![
            "tailsampling.policy=shares".to_owned(),
            format!("tailsampling.composite_policy={sub_policy}"),
            format!("reason=rules/trace/shares:{sub_policy}{late}"),
        ]])
    };
    let late = " - late arriving span";
    let expected = BTreeMap::from([
        (1, said("errors", "")),
        (2, said("rest", "")),
        (3, said("errors", late)),
        (4, said("rest", late)),
    ]);
    assert_eq!(told(&stand.pieces), expected);
}
