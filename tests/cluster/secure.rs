//! Brokers that demand to know who comes.

use super::{
    fleet::{Fleet, Layout},
    kafka::Kafka,
    oracle,
    process::succeed,
    steady::sampling,
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
        let verdict = oracle::settle(&sent, || oracle::arrived(&folder, "kept"));
        assert!(verdict.wrong.is_empty() && verdict.replayed == 0, "{verdict:#?}");
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
