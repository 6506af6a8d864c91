//! A loader that knows a little of what the real one knows, and does not change with it.

use serde_json::Value;
use wholetrace_import::Checked;
use wholetrace_runtime::problems::Problem;

/// Keys that the loader refuses or warns of, by the end of their paths.
const REFUSED: [(&str, &str, &str); 3] = [
    (".auth", "requests would go out without credentials", "send them as a header"),
    ("receivers.opencensus", "no component of this type", "spans come as OTLP, Zipkin or Jaeger"),
    ("span_count", "a type that is not supported yet", ""),
];
const IDLE: [&str; 6] = [
    "num_traces",
    "expected_new_traces_per_sec",
    "include_metadata",
    "sample_on_first_match",
    "sending_queue.queue_size",
    "batch.send_batch_size",
];

/// What the loader says of `text`.
pub(crate) fn checked(text: &str) -> Checked {
    let tree: Value =
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut checked = Checked::default();
    visit(&tree, "", &mut checked);
    if checked.errors.is_empty() {
        let mut effective = tree;
        strip(&mut effective);
        checked.effective = effective;
    }
    checked
}

fn visit(value: &Value, path: &str, checked: &mut Checked) {
    // Logins at brokers have that key.
    let is_kafka = path.starts_with("log") || path.contains(".kafka");
    let refused = REFUSED.iter().find(|(end, ..)| path.ends_with(end) && !is_kafka);
    if let Some((_, message, hint)) = refused {
        checked.errors.push(Problem::new(path, *message).hint(*hint));
    }
    if IDLE.iter().any(|end| path.ends_with(end)) {
        checked.warnings.push(Problem::new(path, "has no effect").hint("nothing needs it"));
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                visit(value, &path, checked);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                visit(value, &format!("{path}[{index}]"), checked);
            }
        }
        _ => {}
    }
}

/// Takes out what has no effect.
fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| {
                !IDLE.iter().any(|idle| idle.rsplit('.').next() == Some(key.as_str()))
            });
            map.values_mut().for_each(strip);
            map.retain(|_, value| !value.as_object().is_some_and(serde_json::Map::is_empty));
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
