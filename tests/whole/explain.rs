//! What became of a trace, asked of the process and from the command line.

use std::time::Duration;

use serde_json::Value;

use super::{
    ask::{self, UNKNOWN},
    gateway_process::Gateway,
    oracle::{self, POLICIES, Sent},
    process::{succeed, wait_until},
};

/// Scenario: a trace is asked for while it is open; then many are sent, some with errors, some with
/// late spans; then the process is stopped.
///
/// Guarantees: what is asked for is explained as it was: undecided, kept with its policy and exported,
/// turned down, with late spans, unknown with how far the log goes back; and the same from the
/// command line, whether the process runs or not. The latest decisions are chosen by verdict, policy,
/// service and number.
#[test]
fn traces_are_explained() {
    let mut gateway = Gateway::new(&format!(
        "tail_sampling:\n  decision_wait: 4s\n{POLICIES}\
         exporters: {{ file: {{ path: \"FOLDER/kept.jsonl\", flush_interval: 100ms }} }}\n"
    ));
    gateway.start();
    let folder = gateway.folder.path().to_owned();
    let send = |options: &[&str]| -> Vec<Sent> {
        let (generator, record) = gateway.generate(options);
        succeed(generator, "the generator", &folder.join("generate.log"));
        oracle::record(&record)
    };
    let (unknown, _) = ask::trace(gateway.admin, UNKNOWN);
    assert_eq!(unknown["verdict"], "unknown", "{unknown}");
    let mut sent = Vec::new();
    wait_until("a trace is asked for before it is decided", || {
        let few = send(&["--traces", "1", "--slow", "0", "--late", "0", "--rate", "100"]);
        let (said, _) = ask::trace(gateway.admin, &few[0].trace_id);
        sent.extend(few);
        let is_open = said["verdict"] == "undecided";
        assert!(!is_open || said["due_at"].as_str() > said["first_seen"].as_str(), "{said}");
        is_open
    });
    let errors = ["--errors", "0.1", "--slow", "0", "--late", "0.2", "--late-by", "9s"];
    sent.extend(send(&[&["--traces", "400", "--rate", "400"], &errors[..]].concat()));
    let wait = Duration::from_secs(4);
    let sent: Vec<Sent> = sent.into_iter().map(|trace| trace.decided_after(wait)).collect();
    oracle::must_arrive(&sent, &folder);

    let explained = [
        ask::surest(&sent, |trace| trace.error && !trace.late),
        ask::surest(&sent, |trace| trace.must_be_kept() && !trace.error),
        ask::surest(&sent, |trace| trace.is_among_the_tenth() && trace.late),
        ask::surest(&sent, |trace| !trace.must_be_kept() && trace.late),
        ask::surest(&sent, |trace| !trace.must_be_kept() && !trace.late),
    ];
    for trace in explained {
        // It is exported a little before that is committed.
        wait_until("it is decided, and its export committed", || {
            let (said, _) = ask::trace(gateway.admin, &trace.trace_id);
            let exports = said["exports"].as_array();
            said["verdict"] != "undecided" && exports.is_none_or(|all| all.iter().all(is_finished))
        });
        ask::must_be_right(trace, &ask::trace(gateway.admin, &trace.trace_id).0);
    }
    let (unknown, _) = ask::trace(gateway.admin, UNKNOWN);
    assert!(unknown["log"]["decisions_since"].is_string(), "{unknown}");
    the_latest_are_chosen(gateway.admin, &sent);

    let config = folder.join("wholetrace.yaml");
    let command = |arguments: &[&str]| ask::command(&config, arguments);
    let id = &*explained[0].trace_id;
    let running = command(&[id]);
    assert!(running.contains(": kept\n") && running.contains("`errors` keeps it"), "{running}");
    let at = format!("127.0.0.1:{}", gateway.admin);
    assert_eq!(command(&[id, "--at", &at]), running);
    let (code, _, said) = super::process::dead_letters(&config, &["list"]);
    assert!(code == Some(1) && said.contains("in use"), "{said}");
    assert!(gateway.stop().success());
    for trace in explained {
        let said = command(&[&trace.trace_id, "--format", "json"]);
        ask::must_be_right(trace, &serde_json::from_str(&said).expect("JSON"));
    }
    assert!(command(&[UNKNOWN]).contains("not in the log's memory, which goes back to 20"));
}

fn is_finished(export: &Value) -> bool {
    export["state"] == "finished"
}

fn the_latest_are_chosen(admin: u16, sent: &[Sent]) {
    let latest = |query: &str| -> Vec<Value> {
        let mut decisions = Vec::new();
        wait_until("a whole answer", || {
            let (status, said) = ask::ask(admin, query);
            decisions = said["decisions"].as_array().cloned().unwrap_or_default();
            status == 200 && said["complete"] == true
        });
        decisions
    };
    // Those that are not kept are decided at their own time.
    wait_until("all are decided", || latest("?limit=1000").len() == sent.len());
    let (kept, others) =
        (latest("?limit=1000&verdict=kept"), latest("?limit=1000&verdict=not_sampled"));
    assert_eq!(kept.len() + others.len(), sent.len());
    assert!(
        kept.iter().all(|one| one["kept"] == true) && others.iter().all(|one| one["kept"] == false)
    );
    let errors = latest("?limit=1000&policy=errors");
    let failed = |id: &str| sent.iter().any(|trace| trace.error && trace.trace_id == id);
    assert!(errors.iter().all(|one| failed(one["trace_id"].as_str().unwrap_or_default())));
    assert!(!errors.is_empty() && errors.len() < kept.len());
    assert!(latest("?since=0s").is_empty());
    let last = latest("?limit=3");
    assert_eq!(last, latest("?limit=1000")[..3]);
    let of = |trace: &Value| ask::trace(admin, trace["trace_id"].as_str().expect("an id")).0;
    let services = of(&errors[0])["spans"]["services"].as_object().expect("services").clone();
    for (service, _) in services {
        let all = latest(&format!("?limit=1000&policy=errors&service={service}"));
        assert!(all.contains(&errors[0]), "{service}");
    }
    assert!(latest("?service=nobody").is_empty());
    assert_eq!(ask::ask(admin, "?verdict=maybe").0, 400);
}
