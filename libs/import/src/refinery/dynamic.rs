//! Samplers with a rate for each key. All that is known of our policy for them is here.

use serde_json::{Map, Value, json};

use crate::report::{Place, Report};

/// Samplers with a goal, and the key that has it.
const GOALS: [(&str, &str, &str); 5] = [
    ("DynamicSampler", "SampleRate", RATE),
    ("EMADynamicSampler", "GoalSampleRate", RATE),
    ("EMAThroughputSampler", "GoalThroughputPerSec", THROUGHPUT),
    ("WindowedThroughputSampler", "GoalThroughputPerSec", THROUGHPUT),
    ("TotalThroughputSampler", "GoalThroughputPerSec", THROUGHPUT),
];

const RATE: &str = "goal_sample_rate";
const THROUGHPUT: &str = "goal_throughput_per_sec";

/// The policy that does what a sampler of type `kind` does; `None` if that has no goal.
pub(crate) fn policy(
    kind: &str,
    settings: &Value,
    place: &Place,
    report: &mut Report,
) -> Option<Value> {
    let (_, goal, ours) = GOALS.iter().find(|(name, ..)| *name == kind)?;
    let mut body = Map::new();
    body.insert(
        "fields".to_owned(),
        settings.get("FieldList").cloned().unwrap_or_else(|| json!([])),
    );
    body.insert((*ours).to_owned(), settings.get(goal).cloned().unwrap_or_else(|| json!(1)));
    for (key, value) in settings.as_object().into_iter().flatten() {
        let place = place.key(key);
        match key.as_str() {
            "FieldList" => {}
            key if key == *goal => {}
            "UseTraceLength" if *value == json!(true) => report.lost(
                place,
                "the number of spans is no part of the key",
                "put policies with `span_count` in front, for traces of many spans",
            ),
            "UseClusterSize" => report.not_needed(place, "goals hold for the whole fleet"),
            _ => report.not_needed(place, "rates follow what comes, at a pace of their own"),
        }
    }
    Some(json!({ "name": "goal", "type": "dynamic", "dynamic": body }))
}
