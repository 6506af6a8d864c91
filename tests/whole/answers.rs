//! Backends that answer with every row of the exporters' table (`docs/exporters.md`), for a while or
//! for some traces, each before an exporter of its own in one process.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    gateway_process::Gateway,
    mock::{Answer, Backend},
    oracle::{self, Arrived, Sent},
    parts::free_port,
    process::{BACKEND_AWAY, BACKEND_REFUSES, PATIENCE, dead_letters, succeed, wait_until},
};

/// A backend, and what it says as long as it is not well.
struct Row {
    name: &'static str,
    grpc: bool,
    /// Nobody listens, if there is none.
    bad: Option<Answer>,
}

fn over_http(name: &'static str, bad: Answer) -> Row {
    Row { name, grpc: false, bad: Some(bad) }
}

fn over_grpc(name: &'static str, bad: Answer) -> Row {
    Row { name, grpc: true, bad: Some(bad) }
}

/// An HTTP answer as proxies and frameworks give it.
fn status(status: u16) -> Answer {
    Answer::http(status, "text/plain", "cannot do that")
}

fn code(code: u32) -> Answer {
    Answer::grpc(code, "cannot do that")
}

fn taken(and: Answer) -> Answer {
    Answer::TakeAnd(Box::new(and))
}

fn rows() -> Vec<Row> {
    let wait = ("retry-after", "1".to_owned());
    let too_many = Answer::Http { status: 429, headers: vec![wait], body: "" };
    let elsewhere = ("location", "http://127.0.0.1:1/v1/traces".to_owned());
    let moved = Answer::Http { status: 302, headers: vec![elsewhere], body: "" };
    let page = || Answer::http(200, "text/html", "<html>hello</html>");
    vec![
        over_http("500", status(500)),
        over_http("501", status(501)),
        over_http("502", status(502)),
        over_http("503", status(503)),
        over_http("504", status(504)),
        over_http("408", status(408)),
        over_http("429", status(429)),
        over_http("429 with Retry-After", too_many),
        over_http("400", status(400)),
        over_http("413", status(413)),
        over_http("422", status(422)),
        over_http("401", status(401)),
        over_http("403", status(403)),
        over_http("404", status(404)),
        over_http("302", moved),
        over_http("200 text/html", page()),
        over_http("200 application/grpc", Answer::http(200, "application/grpc", "")),
        over_http("connection ended", Answer::HangUp),
        over_http("no answer", Answer::Silence),
        Row { name: "connection refused", grpc: false, bad: None },
        over_http("500, and takes it", taken(status(500))),
        over_http("connection ended, and takes it", taken(Answer::HangUp)),
        over_http("no answer, and takes it", taken(Answer::Silence)),
        over_grpc("UNKNOWN", code(2)),
        over_grpc("INVALID_ARGUMENT", code(3)),
        over_grpc("DEADLINE_EXCEEDED", code(4)),
        over_grpc("NOT_FOUND", code(5)),
        over_grpc("PERMISSION_DENIED", code(7)),
        over_grpc("RESOURCE_EXHAUSTED", code(8)),
        over_grpc(
            "RESOURCE_EXHAUSTED by size",
            Answer::grpc(8, "message larger than max (9 vs. 8)"),
        ),
        over_grpc("RESOURCE_EXHAUSTED with a wait", Answer::grpc_after(8, "not so fast", 1)),
        over_grpc("FAILED_PRECONDITION", code(9)),
        over_grpc("ABORTED", code(10)),
        over_grpc("OUT_OF_RANGE", code(11)),
        over_grpc("UNIMPLEMENTED", code(12)),
        over_grpc("INTERNAL", code(13)),
        over_grpc("UNAVAILABLE", code(14)),
        over_grpc("DATA_LOSS", code(15)),
        over_grpc("UNAUTHENTICATED", code(16)),
        over_grpc("gRPC: 200 text/html", page()),
        over_grpc("gRPC: 503 of a proxy", status(503)),
        over_grpc("gRPC: connection ended", Answer::HangUp),
        over_grpc("gRPC: no answer", Answer::Silence),
        Row { name: "gRPC: connection refused", grpc: true, bad: None },
        over_grpc("INTERNAL, and takes it", taken(code(13))),
    ]
}

impl Row {
    /// Whether spans can come twice: they were taken without a word, or an answer was not waited for.
    fn repeats(&self) -> bool {
        matches!(self.bad, Some(Answer::TakeAnd(_) | Answer::Silence))
    }
}

/// The configuration of exporters to `ports`, one for each row. What fails for `patience` may be given
/// up.
fn exporters(rows: &[Row], ports: &[u16], patience: &str) -> String {
    let mut text =
        "tail_sampling:\n  decision_wait: 1s\n  decision_cache: { max_entries: 20000 }\n  \
         policies: [ { name: all, type: always_sample } ]\n\
         memory: { window_cache: 16MiB, open_traces: 10000 }\nexporters:\n"
            .to_owned();
    for (number, (row, port)) in rows.iter().zip(ports).enumerate() {
        let (kind, scheme) = if row.grpc { ("otlp", "") } else { ("otlphttp", "http://") };
        let silent = matches!(&row.bad, Some(Answer::Silence))
            || matches!(&row.bad, Some(Answer::TakeAnd(then)) if matches!(**then, Answer::Silence));
        // Elsewhere a busy machine is not to be taken for a silent backend.
        let timeout = if silent { "2s" } else { "60s" };
        let _ = writeln!(
            text,
            "  {kind}/{number}: {{ endpoint: \"{scheme}127.0.0.1:{port}\", tls: {{ insecure: true }}, \
             timeout: {timeout}, sending_queue: {{ queue_size: 2MiB }}, retry_on_failure: {{ \
             initial_interval: 100ms, max_interval: 500ms, max_elapsed_time: {patience} }} }}"
        );
    }
    text
}

/// The spans that were acknowledged and did not come, and how often spans came again.
fn compare(sent: &[Sent], taken: &Arrived) -> (usize, usize) {
    let times = |trace: &Sent, id: &String| {
        taken.get(&trace.trace_id).and_then(|spans| spans.get(id)).copied().unwrap_or_default()
    };
    let of = |trace: &Sent| {
        let times: Vec<usize> = trace.acknowledged.iter().map(|id| times(trace, id)).collect();
        let missing = times.iter().filter(|times| **times == 0).count();
        (missing, times.iter().map(|times| times.saturating_sub(1)).sum())
    };
    sent.iter().map(of).fold((0, 0), |sums, one: (usize, usize)| (sums.0 + one.0, sums.1 + one.1))
}

/// Scenario: every backend gives its bad answer to everything, some requests long; then all are well.
///
/// Guarantees: every acknowledged span arrives everywhere (I1), and nothing is given up, since an
/// answer that all get proves nothing about spans; only what a backend took without saying so, or
/// was not waited for, comes twice (I4).
#[test]
fn after_any_answer_everything_arrives() {
    let well = Arc::new(AtomicBool::new(false));
    let rows = rows();
    let start = |row: &Row, port: u16| {
        let (well, bad) = (Arc::clone(&well), row.bad.clone());
        Backend::start(port, move |_| match &bad {
            Some(bad) if !well.load(Ordering::Relaxed) => bad.clone(),
            _ => Answer::Take,
        })
    };
    let mut backends: Vec<Option<Backend>> =
        rows.iter().map(|row| row.bad.is_some().then(|| start(row, 0))).collect();
    let port = |backend: &Option<Backend>| backend.as_ref().map_or_else(free_port, |it| it.port);
    let ports: Vec<u16> = backends.iter().map(port).collect();
    let mut gateway = Gateway::new(&exporters(&rows, &ports, "5m"));
    gateway.expect(BACKEND_AWAY);
    gateway.expect(&[
        ("hold back spans that the backend refuses", "no answer of these proves the spans"),
        ("find the backend closed to this exporter", "some answers are about the exporter"),
    ]);
    gateway.start();
    let few = ["--rate", "100", "--slow", "0", "--late", "0", "--spans-per-trace", "1,2,4"];
    let (generator, record) = gateway.generate(&[&few[..], &["--traces", "200"]].concat());
    wait_until("every backend gave its answer some times", || {
        backends.iter().flatten().all(|backend| backend.requests() >= 6)
    });
    succeed(generator, "the generator", &gateway.folder.path().join("generate.log"));
    let sent = oracle::record(&record);
    well.store(true, Ordering::Relaxed);
    for (number, row) in rows.iter().enumerate() {
        backends[number].get_or_insert_with(|| start(row, ports[number]));
    }

    let backends: Vec<Backend> = backends.into_iter().flatten().collect();
    let missing = || {
        let missing = rows.iter().zip(&backends).map(|(row, backend)| {
            let (missing, _) = compare(&sent, &backend.taken());
            (row.name, missing)
        });
        missing.filter(|(_, missing)| *missing > 0).collect::<Vec<_>>()
    };
    let begun = Instant::now();
    while !missing().is_empty() && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(missing(), [], "spans that never came");
    assert_eq!(gateway.metric("wholetrace_sampler_dead_letters_total"), 0.0);
    assert!(gateway.stop().success());

    let mut table = format!("{:<32} {:>8} {:>6} {:>6}\n", "answer", "requests", "spans", "twice");
    let mut repeated = Vec::new();
    for (row, backend) in rows.iter().zip(&backends) {
        let (_, twice) = compare(&sent, &backend.taken());
        let spans: usize = sent.iter().map(|trace| trace.acknowledged.len()).sum();
        let _ = writeln!(table, "{:<32} {:>8} {spans:>6} {twice:>6}", row.name, backend.requests());
        if twice > 0 && !row.repeats() {
            repeated.push(row.name);
        }
    }
    eprintln!("{table}");
    assert!(repeated.is_empty(), "came twice without a reason: {repeated:?}\n{table}");
}

/// Scenario: each of several backends refuses what has one of some traces in it, with an answer of its
/// own, and takes everything else, which keeps coming.
///
/// Guarantees: everything else arrives (I1), and exactly those traces become dead letters of exactly
/// those exporters (I7), except where the answer asks to try again.
#[test]
fn what_an_answer_proves_goes_to_the_dead_letters_and_nothing_else() {
    let rows = vec![
        over_http("400", status(400)),
        over_http("413", status(413)),
        over_http("500", status(500)),
        over_http("404", status(404)),
        over_http("503", status(503)),
        over_grpc("INVALID_ARGUMENT", code(3)),
        over_grpc("UNKNOWN", code(2)),
        over_grpc("FAILED_PRECONDITION", code(9)),
        over_grpc("UNIMPLEMENTED", code(12)),
        over_grpc(
            "RESOURCE_EXHAUSTED by size",
            Answer::grpc(8, "message larger than max (9 vs. 8)"),
        ),
        over_grpc("UNAVAILABLE", code(14)),
    ];
    // Answers that promise that it is worth to try again: there is no proof in them.
    let never: HashSet<&str> = HashSet::from(["503", "UNAVAILABLE"]);
    // Which traces are refused: some, and once it is known which of them were sent, those.
    let known: Arc<Mutex<Option<HashSet<String>>>> = Arc::default();
    let start = |row: &Row| {
        let (bad, known) = (row.bad.clone().unwrap_or(Answer::HangUp), Arc::clone(&known));
        Backend::start(0, move |asked| {
            let known = known.lock().expect("no panic");
            let mut traces = asked.traces.iter();
            let refuses = match &*known {
                Some(bad) => traces.any(|trace| bad.contains(trace)),
                None => traces.any(|trace| trace.ends_with("00")),
            };
            if refuses { bad.clone() } else { Answer::Take }
        })
    };
    let backends: Vec<Backend> = rows.iter().map(start).collect();
    let ports: Vec<u16> = backends.iter().map(|backend| backend.port).collect();
    let mut gateway = Gateway::new(&exporters(&rows, &ports, "2s"));
    gateway.expect(BACKEND_AWAY);
    gateway.expect(BACKEND_REFUSES);
    gateway.expect(&[
        ("find the backend closed to this exporter", "some answers are about the exporter"),
        ("stop exporter before all is delivered", "what is not proven waits when the test ends"),
    ]);
    gateway.start();
    // What comes later is what proves that the backends are well.
    // Of this seed, some traces are bad.
    let few =
        ["--rate", "60", "--slow", "0", "--late", "0", "--spans-per-trace", "2", "--seed", "1"];
    let (generator, record) = gateway.generate(&[&few[..], &["--traces", "600"]].concat());
    succeed(generator, "the generator", &gateway.folder.path().join("generate.log"));
    let sent = oracle::record(&record);
    let (bad, good): (Vec<Sent>, Vec<Sent>) =
        sent.into_iter().partition(|trace| trace.trace_id.ends_with("00"));
    let ids: HashSet<String> = bad.iter().map(|trace| trace.trace_id.clone()).collect();
    *known.lock().expect("no panic") = Some(ids.clone());
    let spans: usize = bad.iter().map(|trace| trace.acknowledged.len()).sum();
    assert!(spans > 0, "no trace is bad");
    let refused = |number: usize| {
        let kind = if rows[number].grpc { "otlp" } else { "otlphttp" };
        let label = format!("exporter=\"{kind}/{number}\"");
        gateway.metric_with("wholetrace_exporter_refused_spans_total", &label)
    };
    // A trickle goes on until all is proven.
    wait_until("everything is delivered or given up", || {
        let few = ["--traces", "20", "--rate", "20", "--slow", "0", "--late", "0", "--seed", "77"];
        let (generator, _) = gateway.generate(&few);
        succeed(generator, "the trickle", &gateway.folder.path().join("generate.log"));
        let unfinished = (0..rows.len()).filter_map(|number| {
            let wanted = if never.contains(rows[number].name) { 0.0 } else { spans as f64 };
            let (given_up, missing) =
                (refused(number), compare(&good, &backends[number].taken()).0);
            let requests = backends[number].requests();
            let what = (number, rows[number].name, given_up, missing, requests);
            (given_up < wanted || missing > 0).then_some(what)
        });
        let unfinished: Vec<_> = unfinished.collect();
        eprintln!("unfinished (number, answer, given up, missing, requests): {unfinished:?}");
        unfinished.is_empty()
    });
    assert!(gateway.stop().success());
    let config = gateway.folder.path().join("wholetrace.yaml");
    let (code, listed, said) = dead_letters(&config, &["list", "--format", "json"]);
    assert_eq!(code, Some(0), "{said}");
    let mut by_exporter: BTreeMap<String, u64> = BTreeMap::new();
    for line in listed.lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let name = row["exporter"].as_str().unwrap_or_default().to_owned();
        *by_exporter.entry(name).or_default() += row["spans"].as_u64().unwrap_or_default();
    }
    let file = gateway.folder.path().join("refused.jsonl");
    let (code, _, said) =
        dead_letters(&config, &["export", "--output", &file.display().to_string()]);
    assert_eq!(code, Some(0), "{said}");
    let exported = oracle::arrived(gateway.folder.path(), "refused");
    assert!(exported.keys().all(|trace| ids.contains(trace)), "{exported:?}");
    for (number, row) in rows.iter().enumerate() {
        let kind = if row.grpc { "otlp" } else { "otlphttp" };
        let dead_letters =
            by_exporter.get(&format!("{kind}/{number}")).copied().unwrap_or_default();
        let taken = backends[number].taken();
        let (missing, twice) = compare(&good, &taken);
        eprintln!("{:<32} dead letters {dead_letters:>4}, others twice {twice}", row.name);
        assert_eq!(missing, 0, "{}", row.name);
        let wanted = if never.contains(row.name) { 0 } else { spans as u64 };
        assert_eq!(dead_letters, wanted, "{}: {by_exporter:?}", row.name);
        assert!(!taken.keys().any(|trace| ids.contains(trace)), "{}", row.name);
    }
}
