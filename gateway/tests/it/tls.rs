//! Listeners with TLS.

use std::{fs, path::Path, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use wholetrace_runtime::tls::ClientTlsConfig;

use crate::harness::{Running, request, span};

fn certificate(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let file = |name: &str| folder.join(name).display().to_string();
    format!(r#""tls": {{"cert_file": "{}", "key_file": "{}"}}"#, file("cert.pem"), file("key.pem"))
}

async fn connect(
    gateway: &Running,
    config: &ClientTlsConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    let config = config.build(&[]).unwrap();
    let stream = TcpStream::connect(gateway.http()).await.unwrap();
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn a_listener_with_a_certificate_serves_tls_and_counts_who_speaks_it_not() {
    let folder = tempfile::tempdir().unwrap();
    let tls = format!("{{{}}}", certificate(folder.path()));
    let gateway = Running::start_with("tls", "{}", &tls, &tls).await;

    let ca_file = Some(folder.path().join("cert.pem"));
    let config = ClientTlsConfig { ca_file, ..ClientTlsConfig::default() };
    let mut stream = connect(&gateway, &config).await.unwrap();
    let body = request(vec![span(1, "secret")]);
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(gateway.names(), ["secret"]);

    let mut plain = TcpStream::connect(gateway.grpc()).await.unwrap();
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    drop(plain.read_to_end(&mut Vec::new()).await);
    let refused = "wholetrace_gateway_connections_refused_total";
    assert_eq!(gateway.count(refused, "handshake"), 1);
    gateway.stop().await;
}

/// Whether a request over this connection is answered: a server that refuses a client's certificate
/// says so only after the client has shaken hands.
async fn is_answered(gateway: &Running, config: &ClientTlsConfig) -> bool {
    let Ok(mut stream) = connect(gateway, config).await else {
        return false;
    };
    let head = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    drop(stream.write_all(head).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    answer.starts_with(b"HTTP/1.1")
}

/// Asks until the answer is `wanted`: files are looked at again when the interval is over.
async fn until(gateway: &Running, config: &ClientTlsConfig, wanted: bool) {
    let ask = async {
        while is_answered(gateway, config).await != wanted {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), ask).await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_is_renewed_on_disk_serves_new_connections() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let settings = certificate(folder.path());
    let tls = format!(
        r#"{{{}, "client_ca_file": "{}", "reload_interval": "1ms"}}}}"#,
        settings.trim_end_matches('}'),
        path("clients.pem").display()
    );
    let client = |ca: &str, own: &str| ClientTlsConfig {
        ca_file: Some(path(ca)),
        cert_file: Some(path(&format!("{own}.pem"))),
        key_file: Some(path(&format!("{own}.key"))),
        ..ClientTlsConfig::default()
    };
    for own in ["one", "two"] {
        let made = rcgen::generate_simple_self_signed(vec![own.to_owned()]).unwrap();
        fs::write(path(&format!("{own}.pem")), made.cert.pem()).unwrap();
        fs::write(path(&format!("{own}.key")), made.signing_key.serialize_pem()).unwrap();
    }
    fs::copy(path("cert.pem"), path("first.pem")).unwrap();
    fs::copy(path("one.pem"), path("clients.pem")).unwrap();
    let gateway = Running::start_with("renewed", "{}", "{}", &tls).await;
    assert!(is_answered(&gateway, &client("first.pem", "one")).await);
    assert!(!is_answered(&gateway, &client("first.pem", "two")).await);
    // One that lives goes on with what it has shaken hands on.
    let mut living = connect(&gateway, &client("first.pem", "one")).await.unwrap();

    certificate(folder.path());
    until(&gateway, &client("cert.pem", "one"), true).await;
    assert!(!is_answered(&gateway, &client("first.pem", "one")).await);
    fs::copy(path("two.pem"), path("clients.pem")).unwrap();
    until(&gateway, &client("cert.pem", "two"), true).await;
    assert!(!is_answered(&gateway, &client("cert.pem", "one")).await);

    // Half of a renewal, and files that are gone, leave the listener as it is.
    fs::write(path("cert.pem.new"), "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    fs::copy(path("cert.pem"), path("second.pem")).unwrap();
    fs::rename(path("cert.pem.new"), path("cert.pem")).unwrap();
    fs::remove_file(path("key.pem")).unwrap();
    for _ in 0..5 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        assert!(is_answered(&gateway, &client("second.pem", "two")).await);
    }
    living.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    living.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1"));
    gateway.stop().await;
}
