//! The configuration of Refinery, beside its rules.

use serde_json::{Value, json};

use crate::{
    document::Document,
    draft::Draft,
    front::Unreadable,
    report::{Place, Report},
};

/// Groups of settings by which one knows the file.
const GROUPS: [&str; 6] =
    ["General", "Network", "AccessKeys", "Traces", "Collection", "RefineryTelemetry"];

/// When traces are decided.
pub(crate) struct Traces {
    pub(crate) wait: Value,
    pub(crate) wait_after_root: Value,
}

/// When Refinery decides, as `documents` have it or by default.
pub(crate) fn traces(documents: &[&Document]) -> Traces {
    let of = |key: &str, default: &str| {
        let path = format!("/Traces/{key}");
        let found = documents.iter().find_map(|document| document.value.pointer(&path));
        found.cloned().unwrap_or_else(|| default.into())
    };
    Traces { wait: of("TraceTimeout", "60s"), wait_after_root: of("SendDelay", "2s") }
}

/// The setting that has rules named in kept spans, where `documents` turn it on: the attribute is then
/// `meta.refinery.reason`.
pub(crate) fn reason(documents: &[&Document]) -> Option<Place> {
    const PATH: &str = "/RefineryTelemetry/AddRuleReasonToTrace";
    let is_on = |document: &&&Document| document.value.pointer(PATH) == Some(&Value::Bool(true));
    let document = documents.iter().find(is_on)?;
    Some(document.place.key("RefineryTelemetry").key("AddRuleReasonToTrace"))
}

/// An exporter to Honeycomb.
pub(crate) fn honeycomb(endpoint: &str, key: &str) -> Value {
    json!({ "endpoint": endpoint, "headers": { "x-honeycomb-team": key } })
}

/// Groups of settings that are not needed, and why.
const NOT_NEEDED: [(&str, &str); 15] = [
    ("PrometheusMetrics", "`admin.endpoint` has `/metrics`, always"),
    ("Logger", "the log of the process goes to standard error"),
    ("GRPCServerParameters", "`limits` bounds all connections"),
    ("General", "there is one version of the format"),
    ("PeerManagement", "processes divide the partitions of the log among themselves"),
    ("RedisPeerManagement", "processes divide the partitions of the log among themselves"),
    ("BufferSizes", "what does not fit in memory waits in the log"),
    ("Collection", "memory is bounded: `memory`, `limits.in_flight`"),
    ("StressRelief", "what is too much for now waits in the log, and is decided whole"),
    ("SampleCache", "decisions are remembered: `tail_sampling.decision_cache`"),
    ("HoneycombLogger", "the log of the process goes to standard error"),
    ("StdoutLogger", "the log of the process goes to standard error"),
    ("LegacyMetrics", "`admin.endpoint` has `/metrics`"),
    ("OTelMetrics", "`admin.endpoint` has `/metrics`"),
    ("Debugging", "policies with `shadow: true` are tried only"),
];

/// Takes what a configuration of Refinery says beside the rules.
pub(crate) fn take(
    document: &Document,
    draft: &mut Draft,
    report: &mut Report,
) -> Result<(), Unreadable> {
    let Document { place, value } = document;
    if !GROUPS.iter().any(|group| value.get(group).is_some()) {
        return Err(Unreadable(format!(
            "{}: this is neither rules of Refinery (`Samplers`) nor its configuration",
            place.file
        )));
    }
    let text = |path: &str| value.pointer(path).and_then(Value::as_str);
    let http = text("/Network/ListenAddr").unwrap_or("0.0.0.0:8080");
    let grpc = text("/GRPCServerParameters/ListenAddr").unwrap_or("0.0.0.0:4317");
    let mut protocols = json!({});
    if value.pointer("/GRPCServerParameters/Enabled") != Some(&Value::Bool(false)) {
        protocols["grpc"] = json!({ "endpoint": grpc });
    }
    protocols["http"] = json!({ "endpoint": http });
    draft.put(
        "receivers",
        "otlp",
        json!({ "protocols": protocols }),
        place.key("Network.ListenAddr"),
    );
    let key = text("/AccessKeys/SendKey").unwrap_or("${env:HONEYCOMB_API_KEY}");
    let api = text("/Network/HoneycombAPI").unwrap_or("https://api.honeycomb.io");
    draft.put(
        "exporters",
        "otlphttp/honeycomb",
        honeycomb(api, key),
        place.key("Network.HoneycombAPI"),
    );
    for (group, settings) in value.as_object().into_iter().flatten() {
        for (key, value) in settings.as_object().into_iter().flatten() {
            setting(group, key, value, document, draft, report);
        }
    }
    Ok(())
}

fn setting(
    group: &str,
    key: &str,
    value: &Value,
    document: &Document,
    draft: &mut Draft,
    report: &mut Report,
) {
    let place = document.place.key(group).key(key);
    match (group, key) {
        ("Network", "ListenAddr") | ("GRPCServerParameters", "ListenAddr" | "Enabled") => {
            report.taken(place, "as `receivers.otlp`");
        }
        ("Network", "HoneycombAPI") | ("AccessKeys", "SendKey") => {
            report.taken(place, "as `exporters.otlphttp/honeycomb`");
        }
        ("Network", "PeerListenAddr") => {
            report.not_needed(place, "spans go through the log, not from process to process");
        }
        ("AccessKeys", "ReceiveKeys" | "AcceptOnlyListedKeys") => report.lost(
            place,
            "everybody may send: keys in the header `x-honeycomb-team` are not looked at",
            "list tokens under `authentication.tenants`, which senders show as `Authorization: Bearer`",
        ),
        ("Traces", "TraceTimeout") => report.taken(place, "as `tail_sampling.decision_wait`"),
        ("Traces", "SendDelay") => {
            report.taken(place, "as `tail_sampling.decision_wait_after_root_received`");
        }
        ("Traces", _) => report.not_needed(place, "no trace is too large, and none is decided early"),
        ("PrometheusMetrics", "ListenAddr") => {
            report.taken(place.clone(), "as `admin.endpoint`");
            draft.put("admin", "endpoint", value.clone(), place);
        }
        ("Logger", "Level") => {
            let level = value.as_str().unwrap_or_default().to_lowercase();
            if ["debug", "info", "warn", "error"].contains(&level.as_str()) {
                report.taken(place.clone(), "as `logging.level`");
                draft.put("logging", "level", level.into(), place);
            }
        }
        ("RefineryTelemetry", "AddRuleReasonToTrace") => rule_reason(value, place, report),
        ("Debugging", "DryRun") if *value == Value::Bool(true) => report.lost(
            place,
            "nothing is dropped in a dry run, and here it is",
            "put `shadow: true` to each policy, and one of type `always_sample` behind them",
        ),
        ("IDFields", _) => report.lost(
            place,
            "ids stand where OTLP has them, whatever fields are called",
            "have senders speak OTLP, Zipkin or Jaeger",
        ),
        _ => match NOT_NEEDED.iter().find(|(known, _)| *known == group) {
            Some((_, why)) => report.not_needed(place, *why),
            None => report.lost(place, "there is nothing like it here", ""),
        },
    }
}

fn rule_reason(value: &Value, place: Place, report: &mut Report) {
    if *value != Value::Bool(true) {
        return report.not_needed(place, "kept spans are told no reason, unless one asks for it");
    }
    report.taken(
        place.clone(),
        "as `tail_sampling.record_reason`: `rules/trace/` and the name of a policy, also for rules with \
         `Scope: span` or with a sampler of their own, and where there are no rules",
    );
    report.lost(
        place,
        "`meta.refinery.send_reason` is not written: all traces wait for their time or their root",
        "look for ` - late arriving span` at the end of the reason, where it says `trace_send_late_span`",
    );
}
