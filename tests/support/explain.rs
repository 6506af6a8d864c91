//! Asks processes what became of traces.

use std::{
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    oracle::Sent,
    process::{wait_until, wholetrace},
};

/// An id that no generator gives.
pub(crate) const UNKNOWN: &str = "0123456789abcdef0123456789abcdef";

/// What the process with the admin listener on the port `admin` says to `GET /api/decisions` with
/// `rest` behind it: the status, and the body.
pub(crate) fn ask(admin: u16, rest: &str) -> (u16, Value) {
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(60)));
    let agent: ureq::Agent = config.http_status_as_error(false).build().into();
    let answer = agent.get(format!("http://127.0.0.1:{admin}/api/decisions{rest}")).call();
    let mut answer = answer.expect("an answer");
    let body = answer.body_mut().read_to_string().expect("a body");
    (answer.status().as_u16(), serde_json::from_str(&body).expect("JSON"))
}

/// What it says of one trace, and how long that took. A machine that is busy may be asked again.
pub(crate) fn trace(admin: u16, id: &str) -> (Value, Duration) {
    let begun = Instant::now();
    let mut answer = None;
    wait_until("a whole answer", || {
        let (status, said) = ask(admin, &format!("/{id}"));
        if status == 503 || said["complete"] == false {
            return false;
        }
        let expected = if said["verdict"] == "unknown" { 404 } else { 200 };
        assert_eq!((status, &said["trace_id"]), (expected, &id.into()), "{said}");
        answer = Some((said, begun.elapsed()));
        true
    });
    answer.expect("an answer")
}

/// Of the traces that `is` is true of, the one whose spans were taken soonest: what the plan says
/// of it came about, on a busy machine too.
pub(crate) fn surest(sent: &[Sent], is: impl Fn(&Sent) -> bool) -> &Sent {
    let all = sent.iter().filter(|trace| is(trace));
    all.min_by_key(|trace| trace.took_ms).expect("one of several hundred is such")
}

/// What `wholetrace explain` prints.
pub(crate) fn command(config: &Path, arguments: &[&str]) -> String {
    let mut command = wholetrace();
    command.arg("explain").args(arguments).arg("--config").arg(config);
    let Output { status, stdout, stderr } = command.output().expect("the executable starts");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).into_owned()
}

/// Fails when a trace that is decided and exported was something else than what `said` says, by
/// [`POLICIES`](super::oracle::POLICIES).
pub(crate) fn must_be_right(sent: &Sent, said: &Value) {
    let kept = sent.must_be_kept();
    let verdict = if kept { "kept" } else { "not_sampled" };
    assert_eq!((&said["verdict"], &said["complete"]), (&verdict.into(), &true.into()), "{said}");
    let decision = &said["decision"];
    match (sent.error, kept) {
        (true, _) => assert_eq!(decision["policy"], "errors", "{said}"),
        (_, true) => assert_ne!(decision["policy"], "errors", "{said}"),
        _ => assert!(decision["policy"].is_null(), "{said}"),
    }
    assert!(decision["decided_at"].as_str() > said["first_seen"].as_str(), "{said}");
    let count = |key: &str| said[key]["count"].as_u64().unwrap_or(0);
    assert_eq!(count("spans") + count("late_spans"), sent.planned as u64, "{said}");
    // On a slow machine what was sent late may have come in time, and other spans may not: the
    // times tell.
    let decided = decision["decided_at"].as_str();
    if count("spans") > 0 {
        assert!(said["spans"]["last_seen"].as_str() <= decided, "{said}");
    }
    if count("late_spans") > 0 {
        assert!(said["late_spans"]["first_seen"].as_str() >= decided, "{said}");
    }
    let exports = said["exports"].as_array().map_or(0, Vec::len);
    assert_eq!(exports, usize::from(kept), "{said}");
    if kept {
        assert_eq!(said["exports"][0]["state"], "finished", "{said}");
    }
}
