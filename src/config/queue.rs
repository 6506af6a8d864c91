//! A Collector's `sending_queue` counts requests or spans; here it is bounded in bytes.

use serde_json::Value;
use wholetrace_runtime::problems::Problems;

use super::path::KeyPath;

/// A plain number below this counts requests or spans: nobody bounds a queue by so few bytes, and nobody
/// waits for so many requests.
const COUNTS_BELOW: u64 = 1 << 20;
/// What a span takes in a request, generously.
const SPAN: u64 = 1 << 10;
/// The least and the most that spans in a request are translated to.
const BATCH: std::ops::RangeInclusive<u64> = (64 << 10)..=(1 << 20);

/// Puts bytes in the place of what `queue`, at `path`, counts otherwise.
pub(super) fn translate(queue: &mut Value, path: &KeyPath, problems: &mut Problems) {
    let sizer = taken_sizer(queue, "sizer", path, problems);
    if count(queue.get("queue_size"), sizer.as_deref()).is_some() {
        let unit = if sizer.as_deref() == Some("items") { "spans" } else { "requests" };
        remove(queue, "queue_size");
        problems.warn(
            path.key("queue_size").to_string(),
            format!("counts {unit}; here the queue is bounded in bytes, and the default is used"),
            "what does not fit waits in the log, and nothing is lost: leave it out, or write a size \
             such as `64MiB`",
        );
    }
    let Some(batch) = queue.get_mut("batch").filter(|batch| batch.is_object()) else { return };
    let path = path.key("batch");
    let sizer = taken_sizer(batch, "sizer", &path, problems).or(sizer);
    // It has no effect, which is said of it, whatever it counts.
    if count(batch.get("min_size"), sizer.as_deref()).is_some() {
        batch["min_size"] = Value::from(0);
    }
    let Some(spans) = count(batch.get("max_size"), sizer.as_deref()) else { return };
    if spans == 0 {
        remove(batch, "max_size");
        return;
    }
    let bytes = spans.saturating_mul(SPAN).clamp(*BATCH.start(), *BATCH.end());
    batch["max_size"] = Value::from(bytes);
    problems.warn(
        path.key("max_size").to_string(),
        format!(
            "counts spans; here requests are bounded in bytes, and {}KiB are used",
            bytes >> 10
        ),
        "write a size such as `1MiB`",
    );
}

/// The sizer that `map` has, taken out of it if it counts something else than bytes.
fn taken_sizer(
    map: &mut Value,
    key: &str,
    path: &KeyPath,
    problems: &mut Problems,
) -> Option<String> {
    let sizer = map.get(key)?.as_str()?.to_owned();
    if ["items", "requests"].contains(&sizer.as_str()) {
        remove(map, key);
        let hint = "leave it out: sizes are in bytes here";
        problems.warn(path.key(key).to_string(), format!("`{sizer}` has no effect"), hint);
    }
    Some(sizer)
}

/// The number that `value` is if it counts spans or requests.
fn count(value: Option<&Value>, sizer: Option<&str>) -> Option<u64> {
    let value = value?;
    // As a variable has it.
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    let counts = match sizer {
        Some("bytes") => false,
        Some("items" | "requests") => true,
        _ => number < COUNTS_BELOW,
    };
    counts.then_some(number)
}

fn remove(map: &mut Value, key: &str) {
    KeyPath::default().key(key).remove(map);
}
