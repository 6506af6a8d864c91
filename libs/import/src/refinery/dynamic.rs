//! Samplers with a rate for each key. All that is known of our policy for them is here.

use serde_json::{Map, Value, json};

use crate::{
    document::words,
    refinery::field::Field,
    report::{Place, Report},
};

/// Samplers with a goal, and the key that has it.
const GOALS: [(&str, &str, &str); 5] = [
    ("DynamicSampler", "SampleRate", RATE),
    ("EMADynamicSampler", "GoalSampleRate", RATE),
    ("EMAThroughputSampler", "GoalThroughputPerSec", THROUGHPUT),
    ("WindowedThroughputSampler", "GoalThroughputPerSec", THROUGHPUT),
    ("TotalThroughputSampler", "GoalThroughputPerSec", THROUGHPUT),
];

/// How many keys can have a rate of their own.
const KEYS: std::ops::RangeInclusive<u64> = 1..=1000;

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
    if *ours == THROUGHPUT && settings.get("UseClusterSize") != Some(&json!(true)) {
        report.lost(
            place.key(goal),
            "each node of Refinery keeps so much, and here all processes do together",
            "multiply it with the number of nodes",
        );
    }
    for (key, value) in settings.as_object().into_iter().flatten() {
        let place = place.key(key);
        match key.as_str() {
            "FieldList" => fields(value, &place, report),
            "MaxKeys" if value.as_u64().is_some_and(|keys| KEYS.contains(&keys)) => {
                body.insert("max_keys".to_owned(), value.clone());
            }
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

/// Tells of fields that are in no key here: they are no attributes.
fn fields(list: &Value, place: &Place, report: &mut Report) {
    for (index, field) in words(Some(list)).iter().enumerate() {
        let name = field.strip_prefix("root.").unwrap_or(field);
        if name != "name" && !Field::is_attribute(name) {
            report.lost(
                place.item(index),
                format!("`{field}` is no attribute: it tells no traces apart"),
                "name an attribute that does, or put policies for its values in front",
            );
        }
    }
}
