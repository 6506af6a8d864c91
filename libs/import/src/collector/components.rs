//! Receivers and exporters, as they stand.

use serde_json::{Map, Value};

use crate::{
    collector::{
        credentials::{self, Side, Used},
        flow::Flow,
        kafka,
        model::{Collector, kind},
    },
    draft::Draft,
    report::{Place, Report},
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
        let mut value = settings(collector.component("receivers", name));
        if let Some(Value::Object(protocols)) = value.get_mut("protocols") {
            // A protocol that is only named has its defaults.
            protocols.values_mut().for_each(name_it);
        }
        if kind(name) == "jaeger" {
            remote_sampling(&mut value, &place, report);
        }
        credentials::take(collector, Side::Receiver, &place, &mut value, &mut used, draft, report);
        match kind(name) {
            "kafka" if !kafka::receiver(&mut value, &place, report) => continue,
            "kafka" => {}
            _ => report.taken(place.clone(), ""),
        }
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
            "kafka" => {
                if kafka::exporter(&mut value, &place, report) {
                    draft.put("exporters", name, value, place);
                }
            }
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

/// Older Collectors answer Jaeger's clients, too: of a file, or of what another collector says.
fn remote_sampling(value: &mut Value, place: &Place, report: &mut Report) {
    let Some(settings) = value.as_object_mut() else { return };
    let Some(Value::Object(mut sampling)) = settings.shift_remove("remote_sampling") else {
        return;
    };
    if !sampling.contains_key("strategy_file") {
        return report.lost(
            place.key("remote_sampling"),
            "questions of Jaeger's clients are not passed on to another collector",
            "have its answers in a file, as `remote_sampling.strategy_file`",
        );
    }
    // There it is where to pass questions on to.
    sampling.shift_remove("endpoint");
    if let Some(endpoint) = sampling.shift_remove("host_endpoint") {
        sampling.insert("endpoint".to_owned(), endpoint);
    }
    settings.insert("remote_sampling".to_owned(), Value::Object(sampling));
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
