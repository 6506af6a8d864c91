//! Refinery: its rules, and its configuration.

mod condition;
mod dynamic;
mod field;
mod rules;
mod settings;

use serde_json::{Map, Value, json};

use crate::{
    document::{CONVERT, Document},
    draft::Draft,
    front::{Selection, Unreadable},
    report::{Place, Report},
};

/// The sampler of traces that no other one is named for.
const DEFAULT: &str = "__default__";

/// Whether `value` is a file of rules; also of version 1, which names a sampler at the top.
pub(crate) fn is_rules(value: &Value) -> bool {
    ["Samplers", "RulesVersion", "Sampler"].iter().any(|key| value.get(key).is_some())
}

/// Makes a configuration of the rules among `documents`, and of what else there is of Refinery.
pub(crate) fn import(
    documents: &[Document],
    selection: &Selection,
    report: &mut Report,
) -> Result<Draft, Unreadable> {
    let (rules, others): (Vec<&Document>, Vec<&Document>) =
        documents.iter().partition(|document| is_rules(&document.value));
    let [document] = rules[..] else {
        let files: Vec<&str> = rules.iter().map(|one| one.place.file.as_str()).collect();
        return Err(Unreadable(format!("{} are all rules: give one of them", files.join(", "))));
    };
    let (name, sampler) = sampler(document, selection, report)?;
    let place = document.place.key("Samplers").key(&name);
    let mut draft = Draft::default();
    draft.head(format!("Does what Refinery does with `{name}` of {}.", document.place.file));
    let policies = rules::policies(sampler, &place, report)?;
    let mut block = Map::new();
    let traces = settings::traces(&others);
    block.insert("decision_wait".to_owned(), traces.wait);
    block.insert("decision_wait_after_root_received".to_owned(), traces.wait_after_root);
    let reason = settings::reason(&others);
    if reason.is_some() {
        block.insert("record_reason".to_owned(), "meta.refinery.reason".into());
    }
    block.insert("record_adjusted_count".to_owned(), true.into());
    let values: Vec<Value> = policies.iter().map(|policy| policy.value.clone()).collect();
    block.insert("policies".to_owned(), Value::Array(values));
    draft.section("tail_sampling", Value::Object(block), place);
    if let Some(place) = reason {
        draft.part("tail_sampling.record_reason".to_owned(), place);
    }
    draft.comment(
        "tail_sampling.record_adjusted_count",
        "Honeycomb counts a span as many times as its attribute `SampleRate` says.",
    );
    for (index, policy) in policies.into_iter().enumerate() {
        let path = format!("tail_sampling.policies[{index}]");
        if !policy.comment.is_empty() {
            draft.comment(&path, policy.comment);
        }
        draft.part(path, policy.place);
    }
    for document in &others {
        settings::take(document, &mut draft, report)?;
    }
    complete(&mut draft, report, &document.place);
    Ok(draft)
}

/// The sampler to take, and its name. The others are told as lost.
fn sampler<'a>(
    document: &'a Document,
    selection: &Selection,
    report: &mut Report,
) -> Result<(String, &'a Value), Unreadable> {
    let file = &document.place.file;
    let Some(samplers) = document.value.get("Samplers").and_then(Value::as_object) else {
        return Err(Unreadable(format!(
            "{file}: `Samplers` is missing. Are these rules of version 1? {CONVERT}"
        )));
    };
    let wanted = selection.environment.as_deref().unwrap_or(DEFAULT);
    let found = samplers.get_key_value(wanted).or_else(|| match samplers.len() {
        1 if selection.environment.is_none() => samplers.iter().next(),
        _ => None,
    });
    let Some((name, sampler)) = found else {
        let names: Vec<String> = samplers.keys().map(|name| format!("`{name}`")).collect();
        return Err(Unreadable(format!(
            "{file}: `Samplers` has no `{wanted}`: there are {}",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        )));
    };
    for other in samplers.keys().filter(|other| *other != name) {
        report.lost(
            document.place.key("Samplers").key(other),
            "the key that a sender shows says which sampler has its traces; here all have one",
            format!(
                "give the environment processes of its own: `wholetrace import --environment {other} \
                 {file}` writes their file"
            ),
        );
    }
    Ok((name.clone(), sampler))
}

/// Adds what Refinery need not say.
fn complete(draft: &mut Draft, report: &mut Report, place: &Place) {
    if !draft.has("receivers") {
        let protocols = json!({ "protocols": {
            "grpc": { "endpoint": "0.0.0.0:4317" }, "http": { "endpoint": "0.0.0.0:8080" },
        } });
        draft.put("receivers", "otlp", protocols, place.clone());
    }
    report.lost(
        place.clone(),
        "events in Honeycomb's own format (`/1/events`, `/1/batch`) are not read",
        "have their senders speak OTLP, Zipkin or Jaeger",
    );
    if !draft.has("exporters") {
        let exporter = settings::honeycomb("https://api.honeycomb.io", "${env:HONEYCOMB_API_KEY}");
        draft.put("exporters", "otlphttp/honeycomb", exporter, place.clone());
    }
    draft.comment(
        "exporters",
        "Any backend that takes OTLP will do: `otlp: { endpoint: HOST:4317 }`.",
    );
    draft.foot("One process (`wholetrace standalone`) does all of it. Where several are to share the work,");
    draft.foot("they do so over Kafka, as gateways and samplers:");
    draft.foot("");
    draft.foot("log:");
    draft.foot("  kafka:");
    draft.foot("    brokers: [kafka-1:9092, kafka-2:9092, kafka-3:9092]");
}
