//! Extensions, and what a Collector tells of itself.

use serde_json::Value;

use crate::{
    collector::{
        credentials::Used,
        model::{Collector, kind},
    },
    draft::Draft,
    report::Report,
};

const ADMIN: &str = "`admin` answers `/livez`, `/readyz` and `/metrics`";

/// Extensions that are not needed, and why.
const NOT_NEEDED: [(&str, &str); 9] = [
    ("health_check", ADMIN),
    ("healthcheckv2", ADMIN),
    ("zpages", ADMIN),
    ("pprof", ADMIN),
    ("file_storage", "the log holds what is not delivered"),
    ("db_storage", "the log holds what is not delivered"),
    ("redis_storage", "the log holds what is not delivered"),
    ("pebble_tail_storage", "the log holds undecided traces"),
    ("memory_ballast", "nothing is collected as garbage"),
];

/// Says what becomes of the extensions of `collector`, and of its `service.telemetry`.
pub(crate) fn take(
    collector: &Collector,
    credentials: &Used,
    draft: &mut Draft,
    report: &mut Report,
) {
    let active = collector.active_extensions();
    for name in collector.names("extensions") {
        let place = collector.at("extensions", name);
        if let Some((_, why)) = NOT_NEEDED.iter().find(|(known, _)| *known == kind(name)) {
            report.not_needed(place, *why);
        } else if credentials.contains(name) {
            // It is told where it is used.
        } else if active.contains(name) {
            report.lost(
                place,
                "there are no extensions here",
                "leave it out, or go on running it beside, in a Collector",
            );
        } else {
            report.not_needed(place, "`service.extensions` does not list it");
        }
    }
    let Some(Value::Object(telemetry)) = collector.service("telemetry") else { return };
    for (key, value) in telemetry {
        let place = collector.place.key("service.telemetry").key(key);
        match key.as_str() {
            "logs" => {
                let level = value.get("level").and_then(Value::as_str).unwrap_or_default();
                let level = level.to_lowercase();
                if ["debug", "info", "warn", "error"].contains(&level.as_str()) {
                    draft.put("logging", "level", Value::String(level), place.key("level"));
                    report.taken(place.key("level"), "as `logging.level`");
                }
                if value.get("encoding").and_then(Value::as_str) == Some("json") {
                    draft.put("logging", "format", "json".into(), place.key("encoding"));
                    report.taken(place.key("encoding"), "as `logging.format`");
                }
            }
            "metrics" => report.not_needed(
                place,
                "`admin.endpoint` has `/metrics`, with names of its own: docs/observing.md",
            ),
            "traces" => report.lost(
                place,
                "the process sends no spans of its own",
                "watch its metrics: docs/observing.md",
            ),
            _ => report.not_needed(place, "metrics and log lines carry no resource"),
        }
    }
}
