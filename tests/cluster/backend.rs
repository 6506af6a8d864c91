//! The backend away, or worse.

use std::{
    io::Read as _,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    fleet::Fleet,
    gateway_process::Gateway,
    kafka::Kafka,
    load::{Load, RATE, Scale, must_be_whole},
    process::BACKEND_AWAY,
    steady::{fleet, sampling},
};

/// A backend that speaks OTLP and writes everything down: `kept` in its folder.
fn backend() -> Gateway {
    Gateway::new(
        "tail_sampling:\n  decision_wait: 1s\n  policies: [ { name: all, type: always_sample } ]\n\
         exporters:\n  file: { path: \"FOLDER/kept.jsonl\", flush_interval: 100ms }\n",
    )
}

/// Two gateways and three samplers that export to `backend` and have hardly any memory for spans.
fn fleet_before(kafka: &Kafka, backend: &Gateway) -> Fleet {
    let mut fleet = fleet(kafka, 2, 0, &sampling("12s"));
    fleet.expect(BACKEND_AWAY);
    let sections = format!(
        "exporters:\n  otlp: {{ endpoint: \"127.0.0.1:{}\", tls: {{ insecure: true }} }}\nmemory: {{ window_cache: 1MiB }}\n",
        backend.grpc
    );
    for _ in 0..3 {
        let number = fleet.add_sampler(&sections);
        fleet.samplers[number].start();
    }
    fleet
}

/// Scenario: the backend is away from the beginning until all is sent: far longer than the decision
/// wait, and with far more spans than the window cache of 1 MiB holds.
///
/// Guarantees: senders notice nothing, memory stays bounded (I6), and the backend then gets every
/// trace whole and once (I1, I2, I4).
#[test]
fn a_backend_that_was_away_gets_everything() {
    let Some(kafka) = Kafka::shared() else { return };
    let scale = Scale::of_this_run();
    let mut backend = backend();
    let fleet = fleet_before(&kafka, &backend);
    let sent =
        Load::start(&fleet, scale, RATE, &["--slow", "0", "--late", "0.05", "--late-by", "20s"])
            .finish();
    // Brokers that have too little of a busy machine are noticed: not what this is about.
    let refused = "wholetrace_gateway_requests_refused_total";
    let gateways = || fleet.gateways.iter().map(|gateway| &gateway.process);
    let busy: f64 = gateways().map(|it| it.metric_with(refused, "reason=\"log_busy\"")).sum();
    let all: f64 = gateways().map(|it| it.metric(refused)).sum();
    let repeated = sent.iter().any(|trace| !trace.repeated.is_empty());
    assert!(all <= busy, "{all} requests were refused, {busy} of them since the log was busy");
    assert!(busy > 0.0 || !repeated, "the senders noticed the outage");
    for sampler in &fleet.samplers {
        let rss = sampler.rss();
        assert!(rss < 1 << 30, "{rss} bytes resident while the backend was away");
    }
    backend.start();
    let comparison = must_be_whole(&sent, backend.folder.path());
    assert_eq!(comparison.replayed, 0);
}

/// Scenario: the backend accepts connections, reads what comes for a while and drops them without
/// an answer; then the real one is there.
///
/// Guarantee: nothing was taken for delivered (I1, I2).
#[test]
fn a_backend_that_drops_connections_is_not_believed() {
    let Some(kafka) = Kafka::shared() else { return };
    let scale = Scale::of_this_run();
    let mut backend = backend();
    let fleet = fleet_before(&kafka, &backend);
    let liar = Liar::listen(backend.grpc);
    let sent =
        Load::start(&fleet, scale, RATE, &["--slow", "0", "--late", "0.05", "--late-by", "20s"])
            .finish();
    let dropped = liar.end();
    assert!(dropped >= 3, "only {dropped} connections were dropped");
    backend.start();
    must_be_whole(&sent, backend.folder.path());
}

/// What no real backend can be made to do at will: it takes requests and hangs up.
struct Liar {
    ends: Arc<AtomicBool>,
    dropped: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<()>,
}

impl Liar {
    fn listen(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        listener.set_nonblocking(true).expect("an option of sockets");
        let (ends, dropped) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (until, count) = (Arc::clone(&ends), Arc::clone(&dropped));
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                let Ok((mut connection, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                };
                let _ = connection.set_nonblocking(false);
                let _ = connection.set_read_timeout(Some(Duration::from_millis(200)));
                let mut taken = [0; 64 << 10];
                let _ = connection.read(&mut taken);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { ends, dropped, thread }
    }

    /// Stops listening; gives how many connections it dropped.
    fn end(self) -> u64 {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().expect("it ends");
        self.dropped.load(Ordering::Relaxed)
    }
}
