//! What is found out of traces, in JSON.

use serde_json::{Map, Value, json};
use wholetrace_proto::record::Decision;
use wholetrace_sampler::explain::{
    Effect, Explanation, Export, ExportState, Latest, RecordedDecision, Selection, SpanSummary,
    Verdict,
};
use wholetrace_spanlog::LogTime;

use crate::moment;

/// What became of a trace.
pub(super) fn explanation(explanation: &Explanation) -> Value {
    let Explanation { decisions, spans, spans_read, .. } = explanation;
    let holds = decisions.iter().find(|one| one.effect == Effect::Holds);
    let others =
        decisions.iter().filter(|one| !holds.is_some_and(|holds| std::ptr::eq(*one, holds)));
    let others: Vec<Value> = others.map(decision).collect();
    let verdict = match explanation.verdict {
        Verdict::Kept => "kept",
        Verdict::NotSampled => "not_sampled",
        Verdict::Undecided => "undecided",
        Verdict::Unknown => "unknown",
    };
    let first_seen = holds.map(|one| LogTime(one.decision.first_seen_ms));
    let first_seen = first_seen.or_else(|| spans.on_time.came.map(|(first, _)| first));
    let mut answer = json!({
        "trace_id": explanation.id.to_string(),
        "verdict": verdict,
        "partition": explanation.partition.0,
        "first_seen": time(first_seen),
        "complete": !explanation.cut,
    });
    let mut add = |name: &str, value: Value| {
        if let Value::Object(answer) = &mut answer
            && !value.is_null()
        {
            answer.insert(name.to_owned(), value);
        }
    };
    add("due_at", time(explanation.due));
    add("decision", holds.map_or(Value::Null, decision));
    add("spans", summary(&spans.on_time));
    add("late_spans", summary(&spans.late));
    if explanation.verdict == Verdict::Kept {
        add("exports", explanation.exports.iter().map(export).collect());
    }
    if !others.is_empty() {
        add("other_decisions", others.into());
    }
    let read = json!({
        "decisions_since": time(explanation.oldest_decision),
        "spans_since": time(explanation.oldest_spans),
        "spans_read_from": time(spans_read.from),
        "spans_read_to": time(spans_read.to),
    });
    add("log", without_null(read));
    answer
}

/// The latest decisions.
pub(super) fn latest(latest: &Latest, selection: &Selection) -> Value {
    let decisions = latest.decisions.iter().map(|(partition, one)| {
        let verdict = if one.decision.kept { "kept" } else { "not_sampled" };
        let mut all = json!({
            "trace_id": id(&one.decision),
            "verdict": verdict,
            "partition": partition.0,
        });
        if let (Value::Object(all), Value::Object(decision)) = (&mut all, decision(one)) {
            all.extend(decision);
        }
        all
    });
    json!({
        "decisions": decisions.collect::<Vec<_>>(),
        "since": time(Some(selection.since)),
        "limit": selection.most,
        "complete": !latest.cut,
    })
}

/// The id of its trace, as far as the decision says: only the low half where it is not kept.
fn id(decision: &Decision) -> String {
    match decision.id_high {
        0 => format!("{:016x}", decision.key.0),
        high => decision.key.trace_id(high).to_string(),
    }
}

fn decision(one: &RecordedDecision) -> Value {
    let decision = &one.decision;
    let known = decision.probability_known;
    let randomness = (known && !decision.stated_randomness)
        .then(|| format!("{:014x}", decision.key.randomness()));
    let effect = match one.effect {
        Effect::Holds => None,
        Effect::Repeated => Some("an earlier decision about the trace counts"),
        Effect::NotOwner => Some("another process had claimed the partition before"),
    };
    without_null(json!({
        "kept": decision.kept,
        "ignored_because": effect,
        "policy": one.policy,
        "sub_policy": one.sub_policy,
        "also": list(&one.also),
        "shadow": list(&one.shadow),
        "first_seen": moment::tell(decision.first_seen_ms),
        "decided_at": moment::tell(decision.decided_at_ms),
        "recorded_at": time(Some(one.recorded)),
        "threshold": known.then(|| decision.threshold.to_string()),
        "probability": known.then(|| decision.threshold.probability()),
        "randomness": randomness,
        "randomness_stated": decision.stated_randomness.then_some(true),
        "late_fragment": decision.late_fragment.then_some(true),
        "policies_hash": one.policies_hash.map(|hash| format!("{hash:016x}")),
        "owner": one.claim.map(|claim| format!("{:016x}", claim.owner)),
        "term": one.claim.map(|claim| claim.term),
        "position": one.position.0,
    }))
}

/// Spans; null where there are none.
fn summary(spans: &SpanSummary) -> Value {
    let Some((first, last)) = spans.came else { return Value::Null };
    let lasted = spans.lasted_ns.map(|(begin, end)| (end - begin) as f64 / 1e9);
    let root =
        spans.root.as_ref().map(|root| json!({ "service": root.service, "name": root.name }));
    let ids = (spans.ids.len() > 1).then(|| spans.ids.iter().map(ToString::to_string));
    without_null(json!({
        "count": spans.spans,
        "bytes": spans.bytes,
        "errors": spans.errors,
        "first_seen": time(Some(first)),
        "last_seen": time(Some(last)),
        "duration_seconds": lasted,
        "services": spans.services,
        "root": root,
        "trace_ids": ids.map(Iterator::collect::<Vec<_>>),
    }))
}

fn export(export: &Export) -> Value {
    let state = match export.state {
        ExportState::Waiting => "waiting",
        ExportState::Partly => "partly",
        ExportState::Finished => "finished",
        ExportState::NotKnown => "not_known",
    };
    let refused = export.refused.iter().map(|refused| {
        json!({
            "time": moment::tell(refused.time_ms),
            "reason": refused.reason,
            "sent_again": refused.replayed,
        })
    });
    let refused = (!export.refused.is_empty()).then(|| refused.collect::<Vec<_>>());
    without_null(json!({
        "exporter": export.exporter,
        "state": state,
        "finished_to": time(export.finished_to),
        "refused": refused,
    }))
}

fn list(names: &[String]) -> Value {
    if names.is_empty() { Value::Null } else { names.into() }
}

fn time(time: Option<LogTime>) -> Value {
    time.map_or(Value::Null, |time| moment::tell(time.0).into())
}

/// `value` without what is null in it.
fn without_null(value: Value) -> Value {
    match value {
        Value::Object(all) => {
            let said = all.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(said.collect::<Map<_, _>>())
        }
        other => other,
    }
}
