//! Sections and components of a Collector that are not here, and what is instead.

use serde_json::Value;
use wholetrace_gateway::ReceiverKind;
use wholetrace_runtime::problems::{Problem, Problems, did_you_mean};

use super::path::KeyPath;

/// What comes before the `/` in the names of exporters.
const EXPORTERS: [&str; 10] = [
    "otlp",
    "otlphttp",
    "otlp_grpc",
    "otlp_http",
    "kafka",
    "jaeger",
    "zipkin",
    "file",
    "debug",
    "logging",
];

/// Processors that are needed no more.
const DONE_HERE: [&str; 4] = ["batch", "memory_limiter", "groupbytrace", "tail_sampling"];

/// Extensions that give credentials, or ask for them.
const CREDENTIALS: [&str; 9] = [
    "basicauth",
    "bearertokenauth",
    "oauth2client",
    "headers_setter",
    "oidc",
    "sigv4auth",
    "azureauth",
    "googleclientauth",
    "asapclient",
];

/// Tells users of a Collector's configuration where its sections went.
pub(super) fn refuse_sections(tree: &mut Value, problems: &mut Problems) {
    let Value::Object(sections) = tree else { return };
    let mut is_told = false;
    for (name, explain) in [
        ("processors", processors as fn(&[String], &Value) -> (String, String)),
        ("service", service),
        ("extensions", extensions),
        ("connectors", connectors),
    ] {
        if let Some(section) = sections.shift_remove(name) {
            let keys = section.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
            let (message, hint) = explain(&keys.unwrap_or_default(), &section);
            // It is said once.
            let hint = if is_told { hint } else { format!("{IMPORT}. By hand: {hint}") };
            is_told = true;
            problems.error(name, message, hint);
        }
    }
    for name in ["RulesVersion", "Samplers"] {
        if sections.shift_remove(name).is_some() && !is_told {
            is_told = true;
            problems.error(name, "a section of Refinery's rules that is not here", IMPORT);
        }
    }
}

/// What writes a configuration from another one.
const IMPORT: &str =
    "`wholetrace import FILE` writes a configuration from this file, and says what would be lost";

fn processors(names: &[String], _: &Value) -> (String, String) {
    let (done, others): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| DONE_HERE.contains(&kind(name)));
    let (sampling, done): (Vec<&String>, Vec<&String>) =
        done.into_iter().partition(|name| kind(name) == "tail_sampling");
    let mut hints = Vec::new();
    if !sampling.is_empty() {
        hints.push("move the block `tail_sampling` to the top of the file".to_owned());
    }
    if sampling.len() > 1 {
        hints.push("one of them: each other one needs a process of its own".to_owned());
    }
    if !done.is_empty() {
        hints.push(format!("leave {} out: that is done here anyway", quoted(&done)));
    }
    if !others.is_empty() {
        hints.push(format!(
            "{} will not happen here: what it changes or removes stays as the sender sent it, unless \
             a Collector in front goes on doing it",
            quoted(&others)
        ));
    }
    if hints.is_empty() {
        hints.push("leave it out".to_owned());
    }
    ("a section of the Collector that is not here".to_owned(), hints.join("; "))
}

fn service(_: &[String], section: &Value) -> (String, String) {
    let message = "a section of the Collector that is not needed here".to_owned();
    let mut hints = Vec::new();
    let none = serde_json::Map::new();
    let pipelines = section.get("pipelines").and_then(Value::as_object).unwrap_or(&none);
    let (traces, others): (Vec<_>, Vec<_>) =
        pipelines.iter().partition(|(name, _)| kind(name) == "traces");
    let sides = |pipeline: &Value| {
        ["receivers", "processors", "exporters"].map(|side| pipeline.get(side).cloned())
    };
    let differ =
        traces.windows(2).any(|pair| matches!(pair, [(_, a), (_, b)] if sides(a) != sides(b)));
    if differ {
        let names: Vec<&String> = traces.iter().map(|(name, _)| *name).collect();
        hints.push(format!(
            "the pipelines {} differ, and here all receivers feed the policies and each kept trace \
             goes to all exporters: give each pipeline a process and a file of its own",
            quoted(&names)
        ));
    } else {
        hints.push(
            "leave it out: all receivers feed the policies, each kept trace goes to all exporters"
                .to_owned(),
        );
    }
    if !others.is_empty() {
        let names: Vec<&String> = others.iter().map(|(name, _)| *name).collect();
        hints.push(format!("{} stay with a Collector: there are only traces here", quoted(&names)));
    }
    if section.get("telemetry").is_some() {
        hints.push("instead of `telemetry` there are `logging` and `admin`".to_owned());
    }
    (message, hints.join("; "))
}

fn extensions(names: &[String], _: &Value) -> (String, String) {
    let (credentials, others): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| CREDENTIALS.contains(&kind(name)));
    let mut hints = Vec::new();
    if !credentials.is_empty() {
        hints.push(format!(
            "{}: exporters send credentials as `headers: {{ authorization: \"Basic ${{env:CREDENTIALS}}\" \
             }}` (or `Bearer …`), and receivers ask for those of `authentication.tenants`",
            quoted(&credentials)
        ));
    }
    if !others.is_empty() || credentials.is_empty() {
        hints.push(format!(
            "leave {} out: `admin` has health and metrics, `log` keeps what is not delivered",
            if others.is_empty() { "it".to_owned() } else { quoted(&others) }
        ));
    }
    ("a section of the Collector that is not here".to_owned(), hints.join("; "))
}

fn connectors(_: &[String], _: &Value) -> (String, String) {
    let message = "a section of the Collector that is not here".to_owned();
    let hint = "what counts all spans (`spanmetrics`, `servicegraph`) belongs into a Collector in \
                front: behind this only kept traces are left";
    (message, hint.to_owned())
}

/// Names unknown components one by one: the sections refuse themselves whole.
pub(super) fn refuse_components(tree: &mut Value, problems: &mut Problems) {
    let receivers: Vec<&str> = ReceiverKind::ALL.iter().map(|kind| kind.name()).collect();
    for (section, types) in [("receivers", &receivers[..]), ("exporters", &EXPORTERS)] {
        let Some(Value::Object(components)) = tree.get_mut(section) else { continue };
        components.retain(|name, _| {
            let kind = kind(name);
            let known = types.contains(&kind);
            if !known {
                let hint = instead(section, kind).map_or_else(
                    || {
                        did_you_mean(kind, types.iter().copied()).map_or_else(
                            || format!("there are: {}", types.join(", ")),
                            |meant| format!("did you mean `{meant}`?"),
                        )
                    },
                    str::to_owned,
                );
                let path = KeyPath::default().key(section).key(name);
                let message = "no component of this type";
                problems.push_error(Problem::new(path.to_string(), message).hint(hint));
            }
            known
        });
    }
}

/// What to write in the place of a component that Collectors have.
fn instead(section: &str, kind: &str) -> Option<&'static str> {
    Some(match (section, kind) {
        ("exporters", "jaeger_thrift" | "jaeger_thrift_http") => {
            "Jaeger takes OTLP on port 4317: write `otlp/jaeger: { endpoint: \"HOST:4317\" }`"
        }
        ("exporters", "opencensus" | "datadog" | "awsxray" | "googlecloud") => {
            "kept traces leave as OTLP: write `otlp: { endpoint: \"HOST:4317\" }` for a backend that \
             takes it, or for a Collector behind that has this exporter"
        }
        ("exporters", "loadbalancing") => {
            "it is not needed: whole traces come together here, whichever process takes their spans"
        }
        ("receivers", "opencensus" | "skywalking" | "datadog") => {
            "spans come as OTLP, Zipkin or Jaeger: send them so (OpenTelemetry SDKs do), or keep a Collector \
             with this receiver in front that sends `otlp` to here"
        }
        (
            _,
            "prometheus"
            | "prometheusremotewrite"
            | "loki"
            | "elasticsearch"
            | "hostmetrics"
            | "filelog"
            | "spanmetrics"
            | "servicegraph"
            | "statsd"
            | "fluentforward"
            | "syslog"
            | "kubeletstats",
        ) => "there are only traces here: leave it with a Collector",
        _ => return None,
    })
}

/// The type of a component, of its name.
fn kind(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

fn quoted(names: &[&String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
