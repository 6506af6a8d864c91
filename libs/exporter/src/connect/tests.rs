use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::TcpStream,
};

use super::*;
use crate::{
    backends::Balance,
    contract::{Accepted, ExportError, Exporter},
    grpc::GrpcSettings,
    options::{Compression, Encoding},
    otlp_grpc::OtlpGrpc,
    otlp_http::OtlpHttp,
    post::PostSettings,
    testing::{self, Backend, batch, grpc_reply, reply},
    transport::{Transport, TransportSettings},
};

/// A proxy that knows one host, `backend.test`, and notes the heads of what it is asked.
struct TestProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl TestProxy {
    async fn start() -> Self {
        let listener = testing::bind().await;
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let noting = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, Arc::clone(&noting)));
            }
        });
        Self { address, heads, task }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for TestProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    heads.lock().unwrap().push(head.clone());
    let asked = head.split(' ').nth(1).unwrap();
    if !head.starts_with("CONNECT ") {
        // It passes the request on, and has the answer.
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        drop(stream.read_to_end(&mut Vec::new()).await);
        return;
    }
    let Some(port) = asked.strip_prefix("backend.test:") else {
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        return;
    };
    let mut backend = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
    drop(copy_bidirectional(&mut stream, &mut backend).await);
}

/// What both exporters answer for a backend at `uri` with these variables of the environment.
async fn answers(variables: &[(&str, String)], uri: &str) -> [Result<Accepted, ExportError>; 2] {
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    };
    let transport = |grpc| {
        Transport::new(TransportSettings {
            tls: None,
            proxies: Proxies::of_environment(variable, grpc),
            balance: Balance::PickFirst,
            http2_only: grpc,
            connect_timeout: Duration::from_secs(10),
            keepalive: None,
        })
    };
    let grpc = GrpcSettings {
        name: "otlp".to_owned(),
        endpoint: uri.parse().unwrap(),
        headers: http::HeaderMap::new(),
        compression: Compression::None,
        timeout: Duration::from_secs(60),
    };
    let http = PostSettings {
        name: "otlphttp".to_owned(),
        uri: format!("{uri}/v1/traces").parse().unwrap(),
        headers: http::HeaderMap::new(),
        compression: Compression::None,
        timeout: Duration::from_secs(60),
    };
    let grpc = OtlpGrpc::new(grpc, transport(true)).unwrap();
    let http = OtlpHttp::new(http, Encoding::Proto, transport(false));
    [grpc.export(batch()).await, http.export(batch()).await]
}

#[tokio::test]
async fn exporters_go_through_the_proxy_of_the_environment() {
    let proxy = TestProxy::start().await;
    let backend = Backend::start(|request| match request.path.as_str() {
        "/v1/traces" => reply(200, &[], ""),
        _ => grpc_reply(b"", &[("grpc-status", "0")]),
    })
    .await;
    let port = backend.address.port();
    let uri = format!("http://backend.test:{port}");
    let with_login = format!("http://me:secret@{}", proxy.address);
    let both = [("HTTPS_PROXY", with_login.clone()), ("http_proxy", with_login)];
    let taken = [Ok(Accepted::default()), Ok(Accepted::default())];
    assert_eq!(answers(&both, &uri).await, taken);
    let [tunnel, forward]: [String; 2] = proxy.heads().try_into().unwrap();
    assert!(tunnel.starts_with(&format!("CONNECT backend.test:{port} HTTP/1.1\r\n")), "{tunnel}");
    let passed = format!("POST http://backend.test:{port}/v1/traces HTTP/1.1\r\n");
    assert!(forward.starts_with(&passed), "{forward}");
    for head in [tunnel, forward] {
        let head = head.to_ascii_lowercase();
        assert!(head.contains("proxy-authorization: basic bwu6c2vjcmv0\r\n"), "{head}");
    }
    assert_eq!(backend.seen().len(), 1);

    // This machine is reached directly, and so is what is to be.
    let own = backend.uri("http").to_string();
    assert_eq!(answers(&both, own.trim_end_matches('/')).await, taken);
    assert_eq!((proxy.heads().len(), backend.seen().len()), (2, 3));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_and_its_answer_told() {
    let proxy = TestProxy::start().await;
    let all = [("ALL_PROXY", format!("http://me:hunter2@{}", proxy.address))];
    let [grpc, _] = answers(&all, "http://elsewhere.test:4317").await;
    let Err(ExportError::Retryable { message, .. }) = grpc else { panic!("{grpc:?}") };
    let expected = format!("through the proxy http://{}: it answered 403 Forbidden", proxy.address);
    assert!(message.contains(&expected) && !message.contains("hunter2"), "{message}");
}

/// What comes right behind the proxy's answer is the backend's.
#[tokio::test]
async fn a_backend_may_speak_first() {
    let (here, mut there) = tokio::io::duplex(1 << 10);
    let uri = "http://backend.test:4317".parse().unwrap();
    let answer = async {
        while there.read_u8().await.unwrap() != b'\n' {}
        there.write_all(b"HTTP/1.1 200 OK\r\n\r\nsettings").await.unwrap();
    };
    let (stream, ()) = tokio::join!(tunnel(TokioIo::new(here), &uri, None), answer);
    let mut first = [0; 8];
    TokioIo::new(stream.unwrap()).read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"settings");
}
