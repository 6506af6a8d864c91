//! Configurations inside of resources of Kubernetes.

use serde_json::Value;

use crate::{
    document::{Document, parsed},
    front::Unreadable,
    report::Report,
};

/// Lists within lists that are looked into.
const DEPTH_MAX: usize = 4;

/// The configurations in `documents`: those that are one, and those that resources are around.
pub(crate) fn unwrapped(
    documents: Vec<Document>,
    report: &mut Report,
) -> Result<Vec<Document>, Unreadable> {
    let mut found = Vec::new();
    for document in documents {
        unwrap(document, DEPTH_MAX, &mut found, report)?;
    }
    Ok(found)
}

fn unwrap(
    document: Document,
    depth: usize,
    found: &mut Vec<Document>,
    report: &mut Report,
) -> Result<(), Unreadable> {
    let Document { place, value } = document;
    let is_resource = value.get("apiVersion").is_some_and(Value::is_string);
    let Some(kind) = value.get("kind").and_then(Value::as_str).filter(|_| is_resource) else {
        found.push(Document { place, value });
        return Ok(());
    };
    match kind {
        "ConfigMap" | "Secret" => {
            let texts = ["data", "stringData"]
                .into_iter()
                .filter_map(|key| Some((key, value.get(key)?.as_object()?.iter())));
            for (section, entries) in texts {
                for (key, text) in entries {
                    let Some(text) = text.as_str() else { continue };
                    // Other keys hold whatever they hold.
                    let values = parsed(text).unwrap_or_default();
                    let ours = values.into_iter().filter(is_configuration);
                    let place = place.key(section).key(key);
                    found.extend(ours.map(|value| Document { place: place.clone(), value }));
                }
            }
        }
        "OpenTelemetryCollector" => {
            let place = place.key("spec.config");
            match value.pointer("/spec/config") {
                Some(Value::String(text)) => {
                    let values = parsed(text).map_err(|error| {
                        let (file, path) = (&place.file, &place.path);
                        Unreadable(format!("{file}: `{path}` is not YAML: {error}"))
                    })?;
                    let documents = values.into_iter();
                    found.extend(documents.map(|value| Document { place: place.clone(), value }));
                }
                Some(value) => found.push(Document { place, value: value.clone() }),
                None => {}
            }
        }
        "List" if depth > 0 => {
            let items = value.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            for (index, value) in items.into_iter().enumerate() {
                let place = place.key("items").item(index);
                unwrap(Document { place, value }, depth - 1, found, report)?;
            }
        }
        _ => report
            .not_needed(place, format!("a `{kind}` of Kubernetes: `deploy/kubernetes` has ours")),
    }
    Ok(())
}

/// Whether it looks like a configuration that can be read.
fn is_configuration(value: &Value) -> bool {
    let known = ["receivers", "exporters", "processors", "service", "Samplers", "RulesVersion"];
    known.iter().any(|key| value.get(key).is_some())
}
