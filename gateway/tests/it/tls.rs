//! Listeners with TLS.

use std::{fs, path::Path, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use wholetrace_runtime::tls::ClientTlsConfig;

use crate::harness::{Running, request, span};

fn certificate(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let file = |name: &str| folder.join(name).display().to_string();
    format!(r#""tls": {{"cert_file": "{}", "key_file": "{}"}}"#, file("cert.pem"), file("key.pem"))
}

#[tokio::test]
async fn a_listener_with_a_certificate_serves_tls_and_counts_who_speaks_it_not() {
    let folder = tempfile::tempdir().unwrap();
    let tls = format!("{{{}}}", certificate(folder.path()));
    let gateway = Running::start_with("tls", "{}", &tls, &tls).await;

    let ca_file = Some(folder.path().join("cert.pem"));
    let config = ClientTlsConfig { ca_file, ..ClientTlsConfig::default() }.build(&[]).unwrap();
    let stream = TcpStream::connect(gateway.http()).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
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
