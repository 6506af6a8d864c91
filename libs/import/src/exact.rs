//! The key that has chance fall as it does in a Collector. All that is known of it is here.

use serde_json::Value;

use crate::{draft::Draft, report::Report};

/// Where it stands.
pub(crate) const PATH: &str = "tail_sampling.compatibility";

/// Has `probabilistic` policies without a salt keep the very traces that a Collector keeps.
pub(crate) fn ask(draft: &mut Draft) {
    let Some(Value::Object(block)) = draft.get("tail_sampling") else { return };
    if !block.get("policies").is_some_and(has_chance) || block.contains_key("compatibility") {
        return;
    }
    let place = draft.origin("tail_sampling").unwrap_or_default();
    // Refinery draws otherwise.
    if !place.path.contains("tail_sampling") {
        return;
    }
    let place = place.key("policies");
    draft.put("tail_sampling", "compatibility", "collector".into(), place);
    draft.move_last("tail_sampling", "policies");
    draft.comment(
        PATH,
        "The very traces that a Collector keeps by chance. Without it, `probabilistic` keeps as many, by\n\
         OpenTelemetry's consistent sampling, and kept spans tell what they count for.",
    );
}

/// Leaves it out where the version does not know the key.
pub(crate) fn withdraw(draft: &mut Draft, report: &mut Report) {
    let place = draft.origin(PATH).unwrap_or_default();
    if draft.remove(PATH) {
        report.lost(
            place,
            "`probabilistic` without `hash_salt` keeps as many traces, but others than a Collector",
            "add `hash_salt: default-hash-seed` to these policies",
        );
    }
}

/// Whether a policy in `value` draws by chance, without a salt.
fn has_chance(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_chance),
        Value::Object(map) => {
            let is_chance = map.get("type").and_then(Value::as_str) == Some("probabilistic");
            let salted = map.get("probabilistic").and_then(|body| body.get("hash_salt"));
            (is_chance && salted.is_none()) || map.values().any(has_chance)
        }
        _ => false,
    }
}
