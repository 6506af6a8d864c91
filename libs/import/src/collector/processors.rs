//! Processors: some that sample, some that are not needed, others that are not here.

use serde_json::Value;

use crate::{
    collector::{
        flow::Flow,
        model::{Collector, kind},
        sampling::Sampling,
    },
    report::{Place, Report},
};

/// Processors that are not needed, and why.
const NOT_NEEDED: [(&str, &str); 3] = [
    ("batch", "`sending_queue.batch` of each exporter puts spans together"),
    (
        "memory_limiter",
        "all memory is bounded: `memory.limit`, `memory.window_cache` and `limits.in_flight`",
    ),
    ("groupbytrace", "whole traces come together in the log, before they are decided"),
];

/// Processors that change spans, and what they do.
const CHANGING: [(&str, &str); 12] = [
    ("transform", "rewrites spans"),
    ("filter", "drops single spans"),
    ("k8sattributes", "adds attributes of the pod to resources"),
    ("resourcedetection", "adds attributes of the host or the cloud to resources"),
    ("redaction", "removes or masks attributes"),
    ("span", "renames spans"),
    ("geoip", "adds attributes of the place of an address"),
    ("dns_lookup", "adds names of addresses"),
    ("groupbyattrs", "moves attributes to resources"),
    ("schema", "renames attributes as another version of the conventions has them"),
    ("coralogix", "adds attributes of its backend"),
    ("sumologic", "renames attributes"),
];

/// Takes what the processors of `flow` do: what samples into `sampling`, and the rest is told.
pub(crate) fn take(
    collector: &Collector,
    flow: &Flow,
    sampling: &mut Sampling,
    report: &mut Report,
) {
    for name in &flow.processors {
        let place = collector.at("processors", name);
        let value = collector.component("processors", name).unwrap_or(&Value::Null);
        match kind(name) {
            "tail_sampling" if sampling.has_block() => report.lost(
                place,
                "there is one block `tail_sampling`, and another one is taken",
                "put the policies of both into one, or run a second process behind this one",
            ),
            "tail_sampling" => {
                report.taken(place.clone(), "as `tail_sampling`");
                sampling.block(value.clone(), place);
            }
            "probabilistic_sampler" if flow.partly.contains(name) => report.lost(
                place,
                "it samples what some of the pipelines have: here all spans have one way, and it is left \
                 out",
                "have a Collector of its own sample them, or give that pipeline a process of its own",
            ),
            "probabilistic_sampler" => sampling.chance(name, value, &place, report),
            of => other(of, value, &place, report),
        }
    }
}

fn other(of: &str, value: &Value, place: &Place, report: &mut Report) {
    const FRONT: &str = "let a Collector in front go on doing it, which sends `otlp` here";
    if let Some((_, why)) = NOT_NEEDED.iter().find(|(known, _)| *known == of) {
        report.not_needed(place.clone(), *why);
        return;
    }
    if let ("attributes" | "resource", Some(actions)) = (of, actions(value)) {
        for (index, action) in actions.iter().enumerate() {
            let list = if of == "resource" { "attributes" } else { "actions" };
            report.lost(place.key(list).item(index), changed(action), FRONT);
        }
        return;
    }
    let what = CHANGING.iter().find(|(known, _)| *known == of).map(|(_, what)| *what);
    let what = what.map_or_else(
        || "nothing here does what this processor does".to_owned(),
        |what| format!("{what}: here they stay as their sender has sent them"),
    );
    report.lost(place.clone(), what, FRONT);
}

fn actions(value: &Value) -> Option<&Vec<Value>> {
    let list = value.get("attributes").or_else(|| value.get("actions"))?.as_array()?;
    (!list.is_empty()).then_some(list)
}

/// What an action on attributes does.
fn changed(action: &Value) -> String {
    let word = |key| action.get(key).and_then(Value::as_str);
    let key = word("key").or_else(|| word("pattern")).unwrap_or("?");
    match word("action").unwrap_or_default() {
        "delete" => format!("deletes the attribute `{key}`: it stays"),
        "hash" => format!("hides the attribute `{key}` behind a hash: it stays in clear"),
        "insert" | "upsert" => format!("sets the attribute `{key}`: it is not set"),
        "update" => format!("changes the attribute `{key}`: it stays as it was sent"),
        "extract" => format!("takes attributes out of `{key}`: they are not set"),
        "convert" => format!("changes the type of the attribute `{key}`: it stays"),
        other => format!("does `{other}` to the attribute `{key}`"),
    }
}
