//! Brokers that demand to know who comes.

use std::time::{Duration, Instant};

use super::{
    fleet::{Fleet, Layout},
    kafka::{AWAY, Kafka, REPLACED},
    oracle,
    process::{Process, succeed, wait_until},
    steady::{WATCHFUL, sampling},
};

/// Scenario: a cluster whose brokers demand TLS with a password (SCRAM) or a client certificate.
///
/// Guarantees: topics, gateways and samplers work over both; who has the wrong password, or a
/// certificate of an authority that nobody trusts, is told so and ends with 1.
#[test]
fn brokers_that_demand_a_password_or_a_certificate() {
    let Some(kafka) = Kafka::start(&["--nodes", "1", "--secure"]) else { return };
    let place = kafka.folder().display();
    let (sasl, ssl) = (kafka.listener("sasl_ssl"), kafka.listener("ssl"));
    let one = "    replication_factor: 1\n    min_insync_replicas: 1\n";
    let certificate = |name: &str| {
        let certs = format!("{place}/certs");
        format!(
            "{one}    tls: {{ ca_file: \"{certs}/ca.pem\", cert_file: \"{certs}/{name}.pem\", \
             key_file: \"{certs}/{name}.key\" }}\n"
        )
    };
    let password = |password: &str| {
        format!(
            "{one}    tls: {{ ca_file: \"{place}/certs/ca.pem\" }}\n    auth:\n      sasl: {{ mechanism: \
             SCRAM-SHA-512, username: wholetrace, password: \"{password}\" }}\n"
        )
    };
    let rest = sampling("10s");
    for (brokers, security) in
        [(&sasl, password(&format!("${{file:{place}/password}}"))), (&ssl, certificate("client"))]
    {
        let layout = Layout { kafka: &security, rest: &rest, ..Layout::of(brokers) };
        let mut fleet = Fleet::new(&layout);
        fleet.create_topics();
        fleet.start(1, 1);
        let options = ["--traces", "100", "--rate", "100", "--slow", "0", "--late", "0"];
        let (generator, record) = fleet.generate(0, &options);
        succeed(generator, "the generator", &fleet.generator_log(0));
        let (sent, folder) = (oracle::record(&record), fleet.folder.path().to_owned());
        let comparison = oracle::settle(&sent, || oracle::arrived(&folder, "kept"));
        assert!(comparison.wrong.is_empty() && comparison.replayed == 0, "{comparison:#?}");
        assert!(fleet.gateways[0].process.stop().success());
        assert!(fleet.samplers[0].stop().success());
    }
    for (brokers, security, reason) in [
        (&sasl, password("guessed"), "uthentication failed"),
        (&ssl, certificate("stranger"), "SSL"),
    ] {
        let security = format!("{security}    start_timeout: 4s\n");
        let fleet = Fleet::new(&Layout { kafka: &security, ..Layout::of(brokers) });
        let (fine, said) = fleet.topics("check");
        assert!(!fine && said.contains(reason), "{reason}: {said}");
        assert!(said.contains("no broker of") && !said.contains("guessed"), "{said}");
        let (code, said) = fleet.run("gateway", &[]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(reason), "{reason}: {said}");
    }
}

/// How long the first certificate is trusted: longer than it takes to start, on a busy machine.
const TRUSTED: Duration = Duration::from_secs(80);

/// Scenario: the client certificate of a running cluster is about to expire. First a wrong one is put
/// in its place, then a new one; when the old one has expired, the broker is started anew, so that
/// every client has to come again.
///
/// Guarantees: the wrong one changes nothing and is told, the new one is used without a restart, and
/// no span is lost on the way.
#[test]
fn a_renewed_certificate_is_used_before_the_old_one_expires() {
    let Some(kafka) = Kafka::start(&["--nodes", "1", "--secure"]) else { return };
    let (keys, certs) = (tempfile::tempdir().expect("a folder"), kafka.folder().join("certs"));
    let put = |name: &str| {
        for kind in ["pem", "key"] {
            let (from, to) = (certs.join(name).with_extension(kind), keys.path().join(kind));
            std::fs::copy(from, to).expect("a certificate and its key");
        }
    };
    let seconds = TRUSTED.as_secs().try_into().expect("a short time");
    let begun = Instant::now();
    kafka.certificate("passing", seconds);
    kafka.certificate("renewed", 3_600);
    put("passing");
    let (ca, keys) = (certs.join("ca.pem"), keys.path().display());
    let security = format!(
        "{WATCHFUL}    replication_factor: 1\n    min_insync_replicas: 1\n    tls: {{ ca_file: \"{}\", \
         cert_file: \"{keys}/pem\", key_file: \"{keys}/key\", reload_interval: 1s }}\n",
        ca.display()
    );
    let (brokers, rest) = (kafka.listener("ssl"), sampling("5s"));
    let mut fleet = Fleet::new(&Layout { kafka: &security, rest: &rest, ..Layout::of(&brokers) });
    fleet.create_topics();
    fleet.start(1, 2);
    fleet.expect(AWAY);
    fleet.expect(REPLACED);
    let options = ["--traces", "3000", "--rate", "30", "--slow", "0", "--late", "0"];
    let (generator, record) = fleet.generate(0, &options);

    let all = |wanted: &dyn Fn(&Process) -> bool| {
        let mut processes = fleet.samplers.iter().chain([&fleet.gateways[0].process]);
        processes.all(wanted)
    };
    let reloads = |process: &Process, outcome: &str| {
        let outcome = format!("outcome=\"{outcome}\"");
        process.metric_with("wholetrace_process_tls_reloads_total", &outcome) >= 1.0
    };
    let outdated =
        |process: &Process| process.metric("wholetrace_kafka_outdated_credentials") >= 1.0;
    put("stranger");
    wait_until("the wrong files are refused", || {
        all(&|process| reloads(process, "refused") && outdated(process))
    });
    // Long enough for the next try, and for clients to say how they are.
    for _ in 0..12 {
        assert!(all(&Process::is_ready), "who has no use for the new files is not ready");
        std::thread::sleep(Duration::from_secs(1));
    }
    put("renewed");
    wait_until("the new files are used", || {
        all(&|process| reloads(process, "applied") && !outdated(process))
    });
    std::thread::sleep((TRUSTED + Duration::from_secs(1)).saturating_sub(begun.elapsed()));
    kafka.node("restart", "1");

    succeed(generator, "the generator", &fleet.generator_log(0));
    // Senders had to repeat requests while the broker was away.
    let sent = oracle::record(&record).into_iter();
    let sent: Vec<_> = sent.map(|trace| trace.decided_after(fleet.decision_wait())).collect();
    let folder = fleet.folder.path().to_owned();
    let comparison = oracle::settle(&sent, || oracle::arrived(&folder, "kept"));
    assert!(comparison.wrong.is_empty(), "{comparison:#?}");
    assert!(fleet.gateways[0].process.stop().success());
    for sampler in &mut fleet.samplers {
        assert!(sampler.stop().success(), "{}", sampler.output());
    }
}
