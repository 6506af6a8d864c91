use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::FutureExt;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use wholetrace_runtime::tls::ClientTlsConfig;

use crate::{
    build::{BuildError, build},
    config::{
        ExporterConfig,
        otlp::{OtlpConfig, OtlpHttpConfig},
    },
    contract::{Accepted, ExportError, Exporter},
    limit::Limit,
    testing::{self, Backend, Received, Reply, batch, grpc_reply, reply},
};

/// An authority made for a test, and what it has signed.
struct Authority {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Certificate and key for the host `name`, in PEM form.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// A listener's settings for the host `name`; asks clients for a certificate if so wanted.
    fn server(&self, name: &str, asks: bool) -> ServerConfig {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(std::sync::Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if asks {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let (certificate, key) = self.sign(name);
        let certificate =
            rustls::pki_types::CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let mut server = builder.with_single_cert(vec![certificate], key).unwrap();
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        server
    }
}

fn answering(request: &Received) -> Reply {
    if request.headers["content-type"] == "application/grpc" {
        grpc_reply(b"", &[("grpc-status", "0")])
    } else {
        reply(200, &[], "")
    }
}

async fn backend(server: ServerConfig) -> Backend {
    Backend::start_with(testing::bind().await, Some(server), |request| {
        std::future::ready(answering(&request)).boxed()
    })
}

/// What both exporters answer for a backend and these settings.
async fn answers(backend: &Backend, tls: &ClientTlsConfig) -> [Result<Accepted, ExportError>; 2] {
    let [grpc, http] = exporters(backend.address.port(), tls);
    [grpc.export(batch()).await, http.export(batch()).await]
}

/// One of each protocol, to this port of `localhost`.
fn exporters(port: u16, tls: &ClientTlsConfig) -> [std::sync::Arc<dyn Exporter>; 2] {
    let grpc = ExporterConfig::Otlp(Box::new(OtlpConfig {
        endpoint: format!("localhost:{port}"),
        tls: tls.clone(),
        ..OtlpConfig::default()
    }));
    let http = ExporterConfig::OtlpHttp(Box::new(OtlpHttpConfig {
        endpoint: format!("https://localhost:{port}"),
        tls: tls.clone(),
        ..OtlpHttpConfig::default()
    }));
    [build("otlp", &grpc).unwrap(), build("otlphttp", &http).unwrap()]
}

fn trusting(authority: &Authority) -> ClientTlsConfig {
    ClientTlsConfig { ca_file: Some(authority.file("ca.pem")), ..ClientTlsConfig::default() }
}

fn is_refused(answers: &[Result<Accepted, ExportError>; 2]) -> bool {
    answers.iter().all(|answer| {
        matches!(answer, Err(ExportError::Retryable { message, .. })
            if message.contains("certificate") || message.contains("Certificate"))
    })
}

#[tokio::test]
async fn a_backend_is_verified_by_the_authority_and_its_name() {
    let authority = Authority::new();
    let taken = [Ok(Accepted::default()), Ok(Accepted::default())];
    let backend = backend(authority.server("localhost", false)).await;
    assert_eq!(answers(&backend, &trusting(&authority)).await, taken);
    let seen: Vec<String> = backend.seen().into_iter().map(|request| request.path).collect();
    assert!(seen[0].ends_with("TraceService/Export") && seen[1] == "/v1/traces", "{seen:?}");

    let stranger = answers(&backend, &trusting(&Authority::new())).await;
    assert!(is_refused(&stranger), "{stranger:?}");
    let all = ClientTlsConfig { insecure_skip_verify: true, ..ClientTlsConfig::default() };
    assert_eq!(answers(&backend, &all).await, taken);
}

#[tokio::test]
async fn the_name_of_a_backend_can_be_said() {
    let authority = Authority::new();
    let backend = backend(authority.server("jaeger.test", false)).await;
    let unnamed = answers(&backend, &trusting(&authority)).await;
    assert!(is_refused(&unnamed), "{unnamed:?}");
    let named = ClientTlsConfig {
        server_name_override: Some("jaeger.test".to_owned()),
        ..trusting(&authority)
    };
    let taken = [Ok(Accepted::default()), Ok(Accepted::default())];
    assert_eq!(answers(&backend, &named).await, taken);
}

#[tokio::test]
async fn a_backend_that_asks_for_a_certificate_gets_it() {
    let authority = Authority::new();
    let backend = backend(authority.server("localhost", true)).await;
    let without = answers(&backend, &trusting(&authority)).await;
    assert!(without.iter().all(Result::is_err), "{without:?}");
    let (certificate, key) = authority.sign("wholetrace");
    std::fs::write(authority.file("client.pem"), certificate).unwrap();
    std::fs::write(authority.file("client.key"), key).unwrap();
    let with = ClientTlsConfig {
        cert_file: Some(authority.file("client.pem")),
        key_file: Some(authority.file("client.key")),
        ..trusting(&authority)
    };
    let taken = [Ok(Accepted::default()), Ok(Accepted::default())];
    assert_eq!(answers(&backend, &with).await, taken);
}

/// Certificates that are renewed on disk are used for the next connection: the backend's new
/// authority is trusted, and the new certificate is shown.
#[tokio::test]
async fn renewed_files_are_used_for_new_connections() {
    let (first, second) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let renew = |authority: &Authority| {
        let (certificate, key) = authority.sign("wholetrace");
        std::fs::copy(authority.file("ca.pem"), file("ca.pem")).unwrap();
        std::fs::write(file("client.pem"), certificate).unwrap();
        std::fs::write(file("client.key"), key).unwrap();
    };
    renew(&first);
    let tls = ClientTlsConfig {
        ca_file: Some(file("ca.pem")),
        cert_file: Some(file("client.pem")),
        key_file: Some(file("client.key")),
        reload_interval: "1ms".parse().unwrap(),
        ..ClientTlsConfig::default()
    };
    // Each trusts and shows what its authority has signed, and nothing else.
    let old = backend(first.server("localhost", true)).await;
    let port = old.address.port();
    let exporters = exporters(port, &tls);
    for exporter in &exporters {
        assert_eq!(exporter.export(batch()).await, Ok(Accepted::default()));
    }
    drop(old);
    let listener = listen_again(port).await;
    let _new = Backend::start_with(listener, Some(second.server("localhost", true)), |request| {
        std::future::ready(answering(&request)).boxed()
    });
    for exporter in &exporters {
        assert!(exporter.export(batch()).await.is_err());
    }
    renew(&second);
    for exporter in &exporters {
        let arrives = async {
            while exporter.export(batch()).await != Ok(Accepted::default()) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), arrives).await.unwrap();
    }
}

async fn listen_again(port: u16) -> tokio::net::TcpListener {
    loop {
        match tokio::net::TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    }
}

/// One side speaks TLS and the other does not: that is a matter of the configuration, and the message
/// says which.
#[tokio::test]
async fn tls_on_one_side_only_is_a_wrong_endpoint() {
    let wrong = |answer: &Result<Accepted, ExportError>, advice: &str| {
        let error = answer.as_ref().unwrap_err();
        assert!(error.to_string().contains(advice), "{error:?}");
        matches!(error, ExportError::Misconfigured { .. })
    };
    let plain = Backend::start(|request| answering(&request)).await;
    for answer in answers(&plain, &ClientTlsConfig::default()).await {
        assert!(wrong(&answer, "set `tls: { insecure: true }`"), "{answer:?}");
    }
    let secure = backend(Authority::new().server("localhost", false)).await;
    let port = secure.address.port();
    let grpc = ExporterConfig::Otlp(Box::new(OtlpConfig {
        endpoint: format!("http://localhost:{port}"),
        ..OtlpConfig::default()
    }));
    let http = ExporterConfig::OtlpHttp(Box::new(OtlpHttpConfig {
        endpoint: format!("http://localhost:{port}"),
        ..OtlpHttpConfig::default()
    }));
    for config in [grpc, http] {
        let exporter = build("otlp", &config).unwrap();
        assert!(exporter.endpoint().starts_with(&format!("http://localhost:{port}")));
        // Over HTTP/2 it may be gone before its alert is read.
        let barred = wrong(&exporter.export(batch()).await, "take `https://`");
        assert!(barred || matches!(config, ExporterConfig::Otlp(_)));
    }
}

#[tokio::test]
async fn files_that_are_missing_are_named() {
    let config = ExporterConfig::Otlp(Box::new(OtlpConfig {
        endpoint: "localhost:1".to_owned(),
        tls: ClientTlsConfig {
            ca_file: Some(Path::new("missing.pem").to_owned()),
            ..ClientTlsConfig::default()
        },
        ..OtlpConfig::default()
    }));
    let error = build("otlp/jaeger", &config).err().unwrap();
    assert!(matches!(error, BuildError::Tls { .. }));
    let text = error.to_string();
    assert!(text.starts_with("exporter `otlp/jaeger`: `missing.pem` cannot be used"), "{text}");
}

/// A connection may be dead without anybody having said so. What waits for it is given up in
/// time, and the next request does not go the same way.
#[tokio::test]
async fn after_a_timeout_there_is_a_new_connection() {
    let requests = AtomicUsize::new(0);
    let backend = Backend::start_with(testing::bind().await, None, move |request| {
        match requests.fetch_add(1, Ordering::SeqCst) {
            1 => std::future::pending().boxed(),
            _ => std::future::ready(answering(&request)).boxed(),
        }
    });
    let transport = testing::plain_transport(true);
    let call = || async {
        let uri = backend.uri("http");
        let mut request = http::Request::new(crate::payload::Payload::new([]));
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert("content-type", http::HeaderValue::from_static("text/plain"));
        transport.call(request).await.map(|answer| answer.head.status.as_u16())
    };
    let long = Limit::new(std::time::Duration::from_secs(20));
    assert_eq!(transport.within(&long, call()).await, Ok(200));
    let short = Limit::new(std::time::Duration::from_millis(50));
    assert!(transport.within(&short, call()).await.is_err());
    assert_eq!(short.now().as_millis(), 100);
    assert_eq!(backend.connections(), 1);
    assert_eq!(transport.within(&long, call()).await, Ok(200));
    assert_eq!(backend.connections(), 2);
}
