//! Security of the connection, at a real broker that demands it.

use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    net::TcpListener,
    path::PathBuf,
    sync::{Arc, mpsc},
};

use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use wholetrace_runtime::{secret::Secret, tls::ClientTlsConfig};
use wholetrace_spanlog::GroupEvent;

use super::{P0, fill, in_time};
use crate::{
    AuthConfig, KafkaConfig, KafkaError, KafkaLog, Mechanism, OauthConfig, SaslConfig,
    log::Access,
    testing::{Node, config},
};

fn tls(node: &Node, certificate: Option<&str>) -> Option<ClientTlsConfig> {
    let file = |name: String| -> Option<PathBuf> { Some(node.file(&name)) };
    Some(ClientTlsConfig {
        ca_file: file("certs/ca.pem".to_owned()),
        cert_file: certificate.and_then(|name| file(format!("certs/{name}.pem"))),
        key_file: certificate.and_then(|name| file(format!("certs/{name}.key"))),
        ..ClientTlsConfig::default()
    })
}

fn sasl(node: &Node, mechanism: Mechanism) -> AuthConfig {
    let sasl = SaslConfig {
        mechanism,
        username: "wholetrace".to_owned(),
        password: Secret::default(),
        password_file: Some(node.file("password")),
        oauth: None,
    };
    AuthConfig { sasl: Some(sasl) }
}

/// Writes, joins the group and commits nothing: all three clients get through.
async fn works(config: &KafkaConfig) {
    let log = KafkaLog::connect(config, Access::Read).await.unwrap();
    let spans = log.log().spans;
    let position = fill(&spans, P0, 1, 10).await[0];
    assert_eq!(in_time(spans.reader.fetch(P0, position, 10)).await.unwrap().len(), 1);
    let mut group = log.group().unwrap();
    let event = in_time(group.next()).await.unwrap();
    assert!(matches!(event, Some(GroupEvent::Assigned { .. })), "{event:?}");
    drop(group);
    log.close().await;
}

/// The reason, not only that it failed.
async fn fails(config: &KafkaConfig, reasons: &[&str]) {
    let error = KafkaLog::connect(config, Access::Write).await.map(drop).unwrap_err();
    let KafkaError::Unreachable { reason, .. } = &error else { panic!("{error}") };
    assert!(reasons.iter().any(|expected| reason.contains(expected)), "{reason}: not {reasons:?}");
}

/// Gives out tokens that the broker believes, as far as anybody comes through its TLS, and tells what
/// it was asked.
fn token_server(tls: Option<Arc<ServerConfig>>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}/token", listener.local_addr().unwrap());
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let connection = connection.unwrap();
            let request = match &tls {
                None => give_token(connection),
                Some(tls) => {
                    let session = ServerConnection::new(Arc::clone(tls)).unwrap();
                    give_token(StreamOwned::new(session, connection))
                }
            };
            if let Ok(request) = request {
                let _gone = sender.send(request);
            }
        }
    });
    (url, asked)
}

/// Answers a request with a token, and gives it.
fn give_token(connection: impl io::Read + io::Write) -> io::Result<String> {
    let mut connection = BufReader::new(connection);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        connection.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        request.push_str(&line);
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    request.push_str(&String::from_utf8(body).unwrap());
    // {"alg":"none"} and {"sub":"wholetrace","iat":1700000000,"exp":4100000000}
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3aG9sZXRyYWNlIiwiaWF0IjoxNzAwMDAwMDAwLCJleHA\
                 iOjQxMDAwMDAwMDB9.";
    let body = format!(r#"{{"access_token":"{token}","token_type":"bearer"}}"#);
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    connection.get_mut().write_all(answer.as_bytes())?;
    connection.get_mut().flush()?;
    Ok(request)
}

/// What the broker's certificate, which the node's own authority has signed, serves with.
fn server_tls(node: &Node) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(node.file("certs/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(node.file("certs/server.key")).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth();
    Arc::new(config.with_single_cert(chain.map(Result::unwrap).collect(), key).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_in_works_and_every_wrong_key_is_told() {
    let Some(node) = tokio::task::spawn_blocking(Node::secure).await.unwrap() else { return };
    let plain = config(node.brokers(), 1).await;

    let mut mutual = plain.clone();
    mutual.brokers = vec![node.listener(2)];
    mutual.tls = tls(&node, Some("client"));
    works(&mutual).await;

    let mut login = plain.clone();
    login.brokers = vec![node.listener(3)];
    login.tls = tls(&node, None);
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512] {
        login.auth = sasl(&node, mechanism);
        works(&login).await;
    }

    for tls in [None, Some(server_tls(&node))] {
        let (token_url, asked) = token_server(tls);
        let oauth = OauthConfig {
            token_url,
            client_id: "the-client".to_owned(),
            client_secret: Secret::new("its-secret"),
            scopes: vec!["kafka".to_owned(), "spans".to_owned()],
        };
        let mut token = login.clone();
        let (username, password) = (String::new(), Secret::default());
        let mechanism = Mechanism::OauthBearer;
        let password_file = None;
        let sasl_config =
            SaslConfig { mechanism, username, password, password_file, oauth: Some(oauth) };
        token.auth = AuthConfig { sasl: Some(sasl_config) };
        works(&token).await;
        let request = asked.recv().unwrap();
        assert!(request.contains("grant_type=client_credentials"), "{request}");
        assert!(request.contains("scope=kafka"), "{request}");
    }

    let mut wrong = login.clone();
    wrong.auth = sasl(&node, Mechanism::ScramSha512);
    if let Some(sasl) = &mut wrong.auth.sasl {
        sasl.password = Secret::new("guessed");
        sasl.password_file = None;
    }
    let mut stranger = mutual.clone();
    stranger.tls = tls(&node, Some("stranger"));
    let mut nobody = mutual.clone();
    nobody.tls = tls(&node, None);
    let mut distrusts = mutual.clone();
    if let Some(tls) = &mut distrusts.tls {
        tls.ca_file = Some(node.file("certs/stranger-ca.pem"));
    }
    let mut unencrypted = plain.clone();
    unencrypted.brokers = mutual.brokers.clone();
    tokio::join!(
        fails(&wrong, &["uthentication failed"]),
        fails(&stranger, &["certificate", "handshake"]),
        fails(&nobody, &["certificate", "handshake"]),
        fails(&distrusts, &["certificate verify failed", "verify"]),
        // Nothing but silence: the client can only guess.
        fails(&unencrypted, &["isconnected", "brokers are down", "SSL"]),
    );
}
