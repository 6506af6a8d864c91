//! Receivers and exporters, as they stand.

use serde_json::{Map, Value};

use crate::{
    collector::{
        credentials::{self, Side, Used},
        flow::Flow,
        model::{Collector, kind},
    },
    draft::Draft,
    report::Report,
};

/// Copies the receivers and exporters of `flow` into `draft`. Gives the extensions that they had their
/// credentials from.
pub(crate) fn take(
    collector: &Collector,
    flow: &Flow,
    draft: &mut Draft,
    report: &mut Report,
) -> Used {
    let mut used = Used::default();
    for name in &flow.receivers {
        let place = collector.at("receivers", name);
        if kind(name) == "kafka" {
            report.lost(
                place,
                "spans that others have written to a topic are not read",
                "have them sent as OTLP; or let a Collector in front read the topic, and send `otlp` here",
            );
            continue;
        }
        let mut value = settings(collector.component("receivers", name));
        if let Some(Value::Object(protocols)) = value.get_mut("protocols") {
            // A protocol that is only named has its defaults.
            protocols.values_mut().for_each(name_it);
        }
        credentials::take(collector, Side::Receiver, &place, &mut value, &mut used, draft, report);
        report.taken(place.clone(), "");
        draft.put("receivers", name, value, place);
    }
    for name in &flow.exporters {
        let place = collector.at("exporters", name);
        let mut value = settings(collector.component("exporters", name));
        match kind(name) {
            "loadbalancing" => report.lost(
                place,
                "leads to a tier that no file is given of: what that does is not here",
                "give the file of that tier, too: `wholetrace import FILE NEXT`",
            ),
            "kafka" => report.lost(
                place,
                "spans are not written to a topic of Kafka for others",
                "give the file of who reads it, if that samples; or export `otlp` to a Collector behind \
                 that writes them",
            ),
            "nop" => report.not_needed(place, "it does nothing"),
            _ => {
                let side = Side::Exporter;
                credentials::take(collector, side, &place, &mut value, &mut used, draft, report);
                report.taken(place.clone(), "");
                draft.put("exporters", name, value, place);
            }
        }
    }
    used
}

/// The settings of a component; one that is only named has none.
fn settings(value: Option<&Value>) -> Value {
    let mut value = value.cloned().unwrap_or(Value::Null);
    name_it(&mut value);
    value
}

fn name_it(value: &mut Value) {
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
}
