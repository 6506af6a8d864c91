//! What is found out of a trace, for people. It is made from the JSON, which may be that of another
//! process.

use std::fmt::Write as _;

use serde_json::Value;

/// The width of what stands before each line's text.
const LABEL: usize = 14;

/// The answer in words; `more` says what to do where it is not whole.
pub(super) fn of(answer: &Value, more: &str) -> String {
    let verdict = text(&answer["verdict"]);
    let mut lines = Lines(format!("trace {}: {}\n", text(&answer["trace_id"]), said(verdict)));
    if !answer["first_seen"].is_null() {
        let (seen, partition) = (text(&answer["first_seen"]), &answer["partition"]);
        lines.add("first seen", &format!("{seen}, in partition {partition}"));
    }
    match verdict {
        "undecided" => undecided(answer, &mut lines),
        "unknown" => unknown(answer, &mut lines),
        _ => decided(&answer["decision"], &mut lines),
    }
    for (label, key) in [("spans", "spans"), ("late spans", "late_spans")] {
        if let Some(words) = spans(&answer[key]) {
            lines.add(label, &words);
        }
    }
    if answer["spans"].is_null() && answer["late_spans"].is_null() && verdict != "unknown" {
        lines.add("spans", "the span log has none of them any more");
    }
    for export in list(&answer["exports"]) {
        exported(export, &mut lines);
    }
    for other in list(&answer["other_decisions"]) {
        other_decision(other, &mut lines);
    }
    if answer["complete"] == false {
        let words = format!("not all of the log was read in time, there may be more: {more}");
        lines.add("but", &words);
    }
    lines.0
}

fn said(verdict: &str) -> &str {
    if verdict == "not_sampled" { "not kept" } else { verdict }
}

struct Lines(String);

impl Lines {
    fn add(&mut self, label: &str, words: &str) {
        let _ = writeln!(self.0, "  {label:<LABEL$}{words}");
    }
}

fn undecided(answer: &Value, lines: &mut Lines) {
    let Some(due) = answer["due_at"].as_str() else {
        return lines.add("decided", "not yet");
    };
    let read = text(&answer["log"]["spans_read_to"]);
    // Both are times of one form: as texts they are in their order.
    if due <= read {
        let words = format!("not yet: it was due by {due}, and its sampler has not come so far");
        lines.add("decided", &words);
    } else {
        lines.add("decided", &format!("not yet: by {due}"));
    }
}

fn unknown(answer: &Value, lines: &mut Lines) {
    let log = &answer["log"];
    if answer["complete"] == false {
        return;
    }
    let mut since = |label: &str, what: &str, key: &str| {
        let words = match log[key].as_str() {
            Some(time) => format!("not in the log's memory, which goes back to {time}"),
            None => format!("not in the log's memory, which holds no {what} of its partition"),
        };
        lines.add(label, &words);
    };
    since("decisions", "decisions", "decisions_since");
    since("spans", "spans", "spans_since");
}

fn decided(decision: &Value, lines: &mut Lines) {
    let mut at = text(&decision["decided_at"]).to_owned();
    if let Some(owner) = decision["owner"].as_str() {
        let _ = write!(at, ", by owner {owner} in term {}", decision["term"]);
    }
    lines.add("decided", &at);
    let policy = match (decision["policy"].as_str(), decision["kept"] == true) {
        (Some(policy), kept) => {
            let within = decision["sub_policy"].as_str();
            let within = within.map_or(String::new(), |name| format!(", in it `{name}`"));
            format!("`{policy}` {}{within}", if kept { "keeps it" } else { "drops it" })
        }
        (None, true) => "it is kept without a policy".to_owned(),
        (None, false) => "no policy wanted it".to_owned(),
    };
    lines.add("policy", &policy);
    for (key, words) in [("also", "wanted it too"), ("shadow", "only tried, would keep it")] {
        let names: Vec<String> =
            list(&decision[key]).iter().map(|name| format!("`{}`", text(name))).collect();
        if !names.is_empty() {
            lines.add("others", &format!("{words}: {}", names.join(", ")));
        }
    }
    lines.add("threshold", &threshold(decision));
    if decision["late_fragment"] == true {
        let words = "all that was seen of it had ended long before: it may be the rest of a trace \
                     whose decision is forgotten";
        lines.add("late", words);
    }
}

/// The threshold, and what it was compared with.
fn threshold(decision: &Value) -> String {
    let Some(threshold) = decision["threshold"].as_str() else {
        return "none: the share of such traces that is kept cannot be stated".to_owned();
    };
    let share = decision["probability"].as_f64().unwrap_or_default() * 100.0;
    if share >= 100.0 {
        return format!("{threshold}: every such trace is kept");
    }
    if share <= 0.0 {
        return "no such trace is kept".to_owned();
    }
    let share = format!("{share:.4}");
    let share = share.trim_end_matches('0').trim_end_matches('.');
    let compared = match decision["randomness"].as_str() {
        // Digits of a fraction both: as texts they are in their order.
        Some(randomness) if randomness >= threshold => {
            format!("the randomness of its id is {randomness}, which is not below")
        }
        Some(randomness) => format!("the randomness of its id is {randomness}, which is below"),
        None => "its spans state their randomness".to_owned(),
    };
    format!("{threshold}: {share} % of such traces are kept; {compared}")
}

fn spans(spans: &Value) -> Option<String> {
    let count = spans["count"].as_u64()?;
    let noun = if count == 1 { "span" } else { "spans" };
    let mut words = format!("{count} {noun}, {} bytes", spans["bytes"]);
    if let Some(services) = spans["services"].as_object() {
        let names: Vec<&str> = services.keys().map(String::as_str).collect();
        let _ = write!(words, ", from {}", names.join(", "));
    }
    match spans["errors"].as_u64() {
        None | Some(0) => {}
        Some(errors) => {
            let _ = write!(words, "; {errors} with an error");
        }
    }
    if let Some(root) = spans["root"]["name"].as_str() {
        let _ = write!(words, "; root `{root}`");
    }
    if let Some(seconds) = spans["duration_seconds"].as_f64() {
        let _ = write!(words, "; lasted {seconds:.3} s");
    }
    let _ = write!(words, "; the last came {}", text(&spans["last_seen"]));
    Some(words)
}

fn exported(export: &Value, lines: &mut Lines) {
    let exporter = text(&export["exporter"]);
    let until = match export["finished_to"].as_str() {
        Some(time) => format!(" (it is done with everything to {time})"),
        None => String::new(),
    };
    let state = match text(&export["state"]) {
        "finished" => "done: its backend has answered for all of it",
        "partly" => "its backend has answered for a part of it",
        "waiting" => "its backend has not answered for it yet, as far as is committed",
        _ => "not known, since the span log has none of it any more",
    };
    lines.add("export", &format!("`{exporter}`: {state}{until}"));
    for refused in list(&export["refused"]) {
        let again = if refused["sent_again"] == true { ", and sent again since" } else { "" };
        let (time, reason) = (text(&refused["time"]), text(&refused["reason"]));
        lines.add("", &format!("refused for good {time}{again}: {}", reason.trim()));
    }
}

fn other_decision(other: &Value, lines: &mut Lines) {
    let verdict = if other["kept"] == true { "kept" } else { "not kept" };
    let why = other["ignored_because"].as_str();
    let why = why.map_or(String::new(), |why| format!(", but {why}"));
    let policy = other["policy"].as_str();
    let policy = policy.map_or(String::new(), |policy| format!(" by `{policy}`"));
    let at = text(&other["decided_at"]);
    lines.add("also decided", &format!("{at}: {verdict}{policy}{why}"));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MORE: &str = "take `--within`";

    #[test]
    fn a_kept_trace_is_told_in_words() {
        let answer = json!({
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "verdict": "kept",
            "partition": 3,
            "first_seen": "2026-01-31T08:00:00.000Z",
            "complete": true,
            "decision": {
                "kept": true, "policy": "shared", "sub_policy": "gold", "also": ["errors"],
                "decided_at": "2026-01-31T08:00:10.000Z", "threshold": "8", "probability": 0.5,
                "randomness": "ce929d0e0e4736", "owner": "00000000000000ff", "term": 4,
            },
            "spans": {
                "count": 12, "bytes": 4310, "errors": 1, "services": { "cart": 4, "shop": 8 },
                "root": { "service": "shop", "name": "GET /" }, "duration_seconds": 0.25,
                "last_seen": "2026-01-31T08:00:02.000Z",
            },
            "exports": [{
                "exporter": "otlp/jaeger", "state": "finished",
                "finished_to": "2026-01-31T08:00:31.000Z",
                "refused": [{ "time": "2026-01-31T08:00:12.000Z", "reason": "no\n" }],
            }],
            "other_decisions": [{
                "kept": false, "decided_at": "2026-01-31T08:00:11.000Z",
                "ignored_because": "an earlier decision about the trace counts",
            }],
        });
        let said = of(&answer, MORE);
        for line in [
            "trace 4bf92f3577b34da6a3ce929d0e0e4736: kept\n",
            "  first seen    2026-01-31T08:00:00.000Z, in partition 3\n",
            "  decided       2026-01-31T08:00:10.000Z, by owner 00000000000000ff in term 4\n",
            "  policy        `shared` keeps it, in it `gold`\n",
            "  others        wanted it too: `errors`\n",
            "  threshold     8: 50 % of such traces are kept; the randomness of its id is \
             ce929d0e0e4736, which is not below\n",
            "  spans         12 spans, 4310 bytes, from cart, shop; 1 with an error; root `GET /`; \
             lasted 0.250 s; the last came 2026-01-31T08:00:02.000Z\n",
            "  export        `otlp/jaeger`: done: its backend has answered for all of it (it is done \
             with everything to 2026-01-31T08:00:31.000Z)\n",
            "                refused for good 2026-01-31T08:00:12.000Z: no\n",
            "  also decided  2026-01-31T08:00:11.000Z: not kept, but an earlier decision about the \
             trace counts\n",
        ] {
            assert!(said.contains(line), "{line}{said}");
        }
        assert!(!said.contains("--within"), "{said}");
    }

    #[test]
    fn what_is_not_known_is_told_in_words() {
        let mut unknown = json!({
            "trace_id": "01", "verdict": "unknown", "complete": true,
            "log": { "decisions_since": "2026-01-31T08:00:00.000Z" },
        });
        for words in [
            "trace 01: unknown\n",
            "not in the log's memory, which goes back to 2026-01-31T08:00:00.000Z\n",
            "which holds no spans of its partition\n",
        ] {
            assert!(of(&unknown, MORE).contains(words), "{words}: {}", of(&unknown, MORE));
        }
        unknown["complete"] = false.into();
        let cut = of(&unknown, MORE);
        assert!(cut.ends_with("there may be more: take `--within`\n"), "{cut}");
        assert!(!cut.contains("not in the log's memory"), "{cut}");
        let at = |due: &str| {
            let read = json!({ "spans_read_to": "2026-01-31T08:00:10.000Z" });
            of(&json!({ "verdict": "undecided", "due_at": due, "log": read }), MORE)
        };
        assert!(at("2026-01-31T08:00:11.000Z").contains("not yet: by 2026-01-31T08:00:11.000Z\n"));
        assert!(at("2026-01-31T08:00:10.000Z").contains("its sampler has not come so far"));
        let decision = json!({
            "kept": false, "threshold": "e666", "probability": 0.1, "randomness": "ce929d0e0e4736",
        });
        let nobody = of(&json!({ "verdict": "not_sampled", "decision": decision }), MORE);
        let below = "e666: 10 % of such traces are kept; the randomness of its id is \
                     ce929d0e0e4736, which is below\n";
        for words in ["not kept", "no policy wanted it", "none of them any more", below] {
            assert!(nobody.contains(words), "{words}: {nobody}");
        }
    }
}
