//! The end of a process that has clients left.

use std::{net::TcpListener, process::Command, sync::Arc, time::Duration};

use rdkafka::producer::BaseProducer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection};
use wholetrace_runtime::tls::ClientTlsConfig;

use crate::{KafkaConfig, client};

/// Set for a process that is to end while its clients connect: after so many milliseconds.
const END_AFTER: &str = "WHOLETRACE_END_AFTER";

/// Ends this process, in the ordinary way, while its clients open TLS connections all the time.
fn end_among_connections(after: Duration) -> ! {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = KafkaConfig {
        brokers: vec![listener.local_addr().unwrap().to_string()],
        tls: Some(ClientTlsConfig { insecure_skip_verify: true, ..ClientTlsConfig::default() }),
        ..KafkaConfig::default()
    };
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    let tls = tls.unwrap().with_no_client_auth().with_single_cert(vec![made.cert.into()], key);
    let tls = Arc::new(tls.unwrap());
    // Shakes hands and hangs up: the client comes again.
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut session = ServerConnection::new(Arc::clone(&tls)).unwrap();
            let _failed = session.complete_io(&mut connection.unwrap());
        }
    });
    let clients: Vec<BaseProducer> = (0..16)
        .map(|_| {
            let mut settings = client::common(&config, "leaving");
            settings.set("reconnect.backoff.ms", "0").set("reconnect.backoff.max.ms", "0");
            settings.create().unwrap()
        })
        .collect();
    std::thread::sleep(after);
    std::mem::forget(clients);
    std::process::exit(0);
}

/// A client that hangs is left to the system, so its threads run on while the process ends.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "tells the process that is to end from the one that looks"
)]
fn a_process_ends_well_while_clients_connect() {
    if let Ok(after) = std::env::var(END_AFTER) {
        end_among_connections(Duration::from_millis(after.parse().unwrap()));
    }
    for after in 50..80 {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "kafka::tests::exit::a_process_ends_well_while_clients_connect"]);
        let ended = child.env(END_AFTER, after.to_string()).output().unwrap();
        assert!(ended.status.success(), "after {after} ms: {ended:?}");
    }
}
