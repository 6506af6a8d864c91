//! Senders that are slow, silent, cut off, or many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::harness::{PROTOBUF, Running, answer, gzip, post, request, span};

const CONNECTIONS_REFUSED: &str = "wholetrace_gateway_connections_refused_total";
const REFUSED: &str = "wholetrace_gateway_requests_refused_total";
const HEAD: &str = "POST /v1/traces HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
                    content-type: application/x-protobuf\r\n";

/// Connections that say nothing, or not enough, are closed after the header timeout.
#[tokio::test]
async fn a_half_open_connection_is_closed_and_counted() {
    let gateway = Running::start("halfopen", r#"{"header_timeout": "150ms"}"#).await;
    let mut closed = 0;
    for (address, begun) in [
        (gateway.http(), ""),
        (gateway.http(), "P"),
        (gateway.http(), HEAD),
        (gateway.grpc(), "PRI * HTTP/2.0"),
        (gateway.zipkin(), "POST /api/v2/spans HTTP/1.1\r\n"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest).await);
        assert_eq!(rest, b"", "{begun}");
        closed += 1;
        assert_eq!(gateway.count(CONNECTIONS_REFUSED, "header_timeout"), closed, "{begun}");
    }
    gateway.post_good("good").await;
    gateway.stop().await;
}

/// What HTTP itself refuses has an answer, and a counter.
#[tokio::test]
async fn what_is_not_http_is_answered_and_counted() {
    let gateway = Running::start("nothttp", r#"{"header_bytes": "8KiB"}"#).await;
    let large = format!("{HEAD}x-large: {}\r\n\r\n", "x".repeat(20_000));
    // The second frame of an HTTP/2 connection is one of a stream that nobody has opened.
    let broken = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\0\0\0\0\0\x05x";
    let cases: [(_, &[u8], &[u8]); 5] = [
        (gateway.http(), b"\0\0\0 what\r\n\r\n", b"HTTP/1.1 400"),
        (gateway.http(), b"GET / HTTP/9.9\r\n\r\n", b"HTTP/1.1 400"),
        (gateway.zipkin(), large.as_bytes(), b"HTTP/1.1 431"),
        // A TLS handshake begins so.
        (gateway.grpc(), b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03", b"HTTP/1.1 400"),
        // A GOAWAY is among the frames that answer it.
        (gateway.grpc(), broken, b"\0\0"),
    ];
    for (number, (address, sent, expected)) in cases.into_iter().enumerate() {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answered = Vec::new();
        drop(stream.read_to_end(&mut answered).await);
        let text = String::from_utf8_lossy(&answered);
        assert!(answered.starts_with(expected), "case {number}: {text}");
        assert_eq!(gateway.count(CONNECTIONS_REFUSED, "http"), number as u64 + 1, "case {number}");
    }
    // One that merely goes away is no fault.
    drop(TcpStream::connect(gateway.grpc()).await.unwrap());
    gateway.post_good("good").await;
    assert_eq!(gateway.count(CONNECTIONS_REFUSED, "http"), 5);
    gateway.stop().await;
}

#[tokio::test]
async fn a_slow_body_is_refused_when_its_time_is_over() {
    let gateway = Running::start("slow", r#"{"request_timeout": "150ms"}"#).await;
    let body = request(vec![span(1, "slow")]);
    let mut stream = TcpStream::connect(gateway.http()).await.unwrap();
    let head = format!("{HEAD}content-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..5]).await.unwrap();
    assert_eq!(answer(&mut stream).await.advice(), (503, 1));
    assert_eq!(gateway.count(REFUSED, "slow_sender"), 1);
    gateway.post_good("good").await;
    assert_eq!(gateway.names(), ["good"]);
    gateway.stop().await;
}

/// A body that ends early is nobody's to answer, but it is counted; one that goes on after its
/// declared length is served as declared, and the rest is no request.
#[tokio::test]
async fn bodies_of_another_length_than_declared() {
    let gateway = Running::start("declared", "{}").await;
    let body = request(vec![span(1, "declared")]);

    let mut stream = TcpStream::connect(gateway.http()).await.unwrap();
    let head = format!("{HEAD}content-length: {}\r\n\r\n", body.len() + 10);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest).await);
    drop(stream);
    assert_eq!(gateway.count(REFUSED, "incomplete"), 1);
    assert_eq!(gateway.spans(), []);

    let mut stream = TcpStream::connect(gateway.http()).await.unwrap();
    let head = HEAD.replace("connection: close\r\n", "");
    let head = format!("{head}content-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[&body[..], b"\x00\x01 and more\r\n\r\n"].concat()).await.unwrap();
    let answer = answer(&mut stream).await;
    assert_eq!(answer.status, 200);
    assert_eq!(gateway.names(), ["declared"]);
    gateway.post_good("good").await;
    gateway.stop().await;
}

/// Chunked bodies state no length; they are bounded while they come.
#[tokio::test]
async fn an_undeclared_body_is_bounded_too() {
    let http = r#"{"max_request_body_size": 65536}"#;
    let gateway = Running::start_with("chunked", "{}", "{}", http).await;
    let chunked = |body: Vec<u8>| {
        let mut bytes = format!("{HEAD}transfer-encoding: chunked\r\n\r\n").into_bytes();
        for chunk in body.chunks(1_000) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    };
    for (size, status) in [(10, 200), (40_000, 200), (70_000, 413)] {
        let body = request(vec![span(1, &"x".repeat(size))]);
        let mut stream = TcpStream::connect(gateway.http()).await.unwrap();
        drop(stream.write_all(&chunked(body)).await);
        assert_eq!(answer(&mut stream).await.status, status, "{size}");
    }
    assert_eq!(gateway.spans().len(), 2);
    gateway.stop().await;
}

/// What is refused while it comes is still taken in for a moment: or the sender, which writes on,
/// would see a reset instead of the answer.
#[tokio::test]
async fn a_refusal_in_the_midst_of_a_body_reaches_its_sender() {
    let http = r#"{"max_request_body_size": 65536}"#;
    let gateway = Running::start_with("midst", "{}", "{}", http).await;
    for _ in 0..5 {
        let socket = TcpSocket::new_v4().unwrap();
        // It is still writing when it is refused.
        socket.set_send_buffer_size(16 << 10).unwrap();
        let mut stream = socket.connect(gateway.http()).await.unwrap();
        let head = format!("{HEAD}transfer-encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
        for _ in 0..12 {
            drop(stream.write_all(&chunk).await);
        }
        drop(stream.write_all(b"0\r\n\r\n").await);
        assert_eq!(answer(&mut stream).await.status, 413);
    }
    assert_eq!(gateway.count(REFUSED, "body_too_large"), 5);
    gateway.stop().await;
}

/// A sender that asks before it sends a body is not told to send one that will be refused.
#[tokio::test]
async fn who_asks_before_sending_is_refused_without_the_body() {
    let http = r#"{"max_request_body_size": 65536}"#;
    let gateway = Running::start_with("expects", "{}", "{}", http).await;
    let mut stream = TcpStream::connect(gateway.http()).await.unwrap();
    let head = format!("{HEAD}expect: 100-continue\r\ncontent-length: 100000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let refused = answer(&mut stream).await;
    assert_eq!(refused.status, 413, "{refused:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn requests_beyond_the_bytes_in_flight_are_asked_to_come_back() {
    let gateway =
        Running::start("inflight", r#"{"in_flight": "1MiB", "append_timeout": "60s"}"#).await;
    gateway.log.hold(wholetrace_spanlog::TopicName::Spans);
    let address = gateway.http();
    let send = move |letter: &str| {
        let large = request(vec![span(1, &letter.repeat(300_000))]);
        tokio::spawn(async move { post(address, "/v1/traces", PROTOBUF, &large).await.advice() })
    };
    let mut waiting = Vec::new();
    for (letter, received) in [("x", 300_000), ("y", 600_000)] {
        waiting.push(send(letter));
        while gateway.count("wholetrace_gateway_received_bytes_total", "http") < received {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(send("z").await.unwrap(), (429, 1));
    gateway.log.resume(wholetrace_spanlog::TopicName::Spans);
    for sent in waiting {
        assert_eq!(sent.await.unwrap(), (200, 0));
    }
    assert_eq!(send("z").await.unwrap(), (200, 0));
    gateway.stop().await;
}

/// Whoever sends to the port of another protocol is told so in its own words: HTTP 200, which every
/// answer of gRPC is, would be a success to all others.
#[tokio::test]
async fn a_sender_at_the_wrong_port_sees_an_error() {
    let gateway = Running::start("wrongport", "{}").await;
    let body = request(vec![span(1, "lost?")]);
    let json = [("content-type", "application/json")];
    for (address, path, headers, status) in [
        (gateway.grpc(), "/v1/traces", PROTOBUF, 415),
        (gateway.grpc(), "/v1/traces", &json[..], 415),
        (gateway.grpc(), "/api/v2/spans", &json[..], 415),
        (gateway.http(), "/api/v2/spans", &json[..], 404),
        (gateway.zipkin(), "/v1/traces", PROTOBUF, 404),
    ] {
        let answer = post(address, path, headers, &body).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(!answer.body.is_empty(), "{path}: {answer:?}");
    }
    for address in [gateway.http(), gateway.zipkin()] {
        let channel = crate::grpc::channel(address).await;
        let refused = crate::grpc::export(&channel, body.clone(), None).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unimplemented, "{refused:?}");
        assert!(!refused.message().is_empty(), "{refused:?}");
    }
    assert_eq!(gateway.count(REFUSED, "content_type"), 3);
    gateway.stop().await;
}

/// What the configuration allows is no more than an idle gateway has room for.
#[tokio::test]
async fn the_largest_requests_that_are_allowed_fit_an_idle_gateway() {
    let (grpc, http) = (r#"{"max_recv_msg_size_mib": 2}"#, r#"{"max_request_body_size": 2097152}"#);
    let gateway = Running::start_with("largest", r#"{"in_flight": "7MiB"}"#, grpc, http).await;
    // Tiny spans: what is noted of each weighs most.
    let spans = (2 << 20) / request(vec![span(1, "")]).len() + 10_000;
    let whole = |spans: usize| request((0..spans).map(|at| span(1 + at as u8 % 7, "")).collect());
    let mut largest = spans;
    while whole(largest).len() > 2 << 20 {
        largest -= 500;
    }
    let body = whole(largest);
    assert!(body.len() > (2 << 20) - (100 << 10), "{}", body.len());
    let answer = post(gateway.http(), "/v1/traces", PROTOBUF, &body).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let packed = gzip(&body);
    let headers = [PROTOBUF, &[("content-encoding", "gzip")]].concat();
    let answer = post(gateway.http(), "/v1/traces", &headers, &packed).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let channel = crate::grpc::channel(gateway.grpc()).await;
    crate::grpc::export(&channel, body, None).await.unwrap();

    let one =
        |at: usize| format!(r#"{{"traceId":"{:016x}","spanId":"{:016x}"}}"#, at % 7 + 1, at + 1);
    let zipkin = |at: usize| format!(r#"{{"traceId":"{:x}","id":"{:x}"}}"#, at % 7 + 1, at + 1);
    let mut json = r#"{"resourceSpans":[{"scopeSpans":[{"spans":["#.to_owned();
    let mut at = 0;
    while json.len() < (2 << 20) - 200 {
        json.push_str(&one(at).replace(r#""traceId":""#, r#""traceId":"0000000000000000"#));
        json.push(',');
        at += 1;
    }
    json.push_str(&one(at).replace(r#""traceId":""#, r#""traceId":"0000000000000000"#));
    json.push_str("]}]}]}");
    let headers = [("content-type", "application/json")];
    let answer = post(gateway.http(), "/v1/traces", &headers, json.as_bytes()).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let mut list = "[".to_owned();
    for at in 0..(1 << 20) / 32 - 2 {
        list.push_str(&zipkin(at));
        list.push(',');
    }
    list.push_str(&zipkin(0));
    list.push(']');
    assert!(list.len() < 1 << 20 && list.len() > 900_000, "{}", list.len());
    let answer = post(gateway.zipkin(), "/api/v2/spans", &headers, list.as_bytes()).await;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    gateway.stop().await;
}

/// A promise takes no room: those who promise much and send nothing keep nobody out.
#[tokio::test]
async fn stalled_senders_keep_nobody_out() {
    let gateway = Running::start("stalled", r#"{"in_flight": "16MiB", "connections": 1000}"#).await;
    let mut stalled = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(gateway.http()).await.unwrap();
        let head = format!("{HEAD}content-length: 1048576\r\n\r\nsome");
        stream.write_all(head.as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    while gateway.count("wholetrace_gateway_connections_total", "") < 300 {
        tokio::task::yield_now().await;
    }
    for index in 0..20 {
        let body = request(vec![span(1, &format!("{index:02}{}", "x".repeat(200_000)))]);
        let answer = post(gateway.http(), "/v1/traces", PROTOBUF, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(gateway.spans().len(), 20);
    drop(stalled);
    gateway.stop().await;
}

/// Nor do many that send a little, each of them less than it promises: what is not complete has a
/// part of the room only, and a time that its rate must earn.
#[tokio::test]
async fn senders_that_drip_leave_room_and_are_told_to_come_back() {
    let limits = r#"{"in_flight": "4MiB", "connections": 1000, "request_timeout": "6s",
                     "min_body_rate": "64KiB"}"#;
    let http = r#"{"max_request_body_size": 1048576}"#;
    let gateway = Running::start_with("dripping", limits, "{}", http).await;
    let mut dripping = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(gateway.http()).await.unwrap();
        let head = format!("{HEAD}content-length: 1048576\r\n\r\n");
        stream.write_all(&[head.as_bytes(), &[0; 12_000]].concat()).await.unwrap();
        dripping.push(stream);
    }
    while gateway.count("wholetrace_gateway_connections_total", "") < 300 {
        tokio::task::yield_now().await;
    }
    let body = request(vec![span(1, &"x".repeat(10_000))]);
    let mut served = 0;
    for _ in 0..20 {
        // Of what is not complete there may be too much; then it says so, and for how long.
        match post(gateway.http(), "/v1/traces", PROTOBUF, &body).await.advice() {
            (200, 0) => served += 1,
            (429, 1) => {}
            other => panic!("{other:?}"),
        }
    }
    let mut told = 0;
    for mut stream in dripping {
        let answer = answer(&mut stream).await;
        assert!(matches!(answer.advice(), (503 | 429, 1)), "{answer:?}");
        told += 1;
    }
    assert_eq!(told, 300);
    gateway.post_good("good").await;
    assert_eq!(gateway.spans().len(), served + 1);
    gateway.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_cap_are_closed_and_counted() {
    let gateway = Running::start("cap", r#"{"connections": 2}"#).await;
    let first = TcpStream::connect(gateway.http()).await.unwrap();
    let _second = TcpStream::connect(gateway.grpc()).await.unwrap();
    while gateway.count("wholetrace_gateway_connections_total", "") < 2 {
        tokio::task::yield_now().await;
    }
    let mut third = TcpStream::connect(gateway.http()).await.unwrap();
    let mut rest = Vec::new();
    drop(third.read_to_end(&mut rest).await);
    assert_eq!(gateway.count(CONNECTIONS_REFUSED, "reason=\"connections\""), 1);
    drop(first);
    // Its place is free once the gateway has seen it go.
    while gateway.count("wholetrace_gateway_connections{", "http") > 0 {
        tokio::task::yield_now().await;
    }
    gateway.post_good("good").await;
    gateway.stop().await;
}

#[tokio::test]
async fn an_unused_connection_is_closed_in_good_order() {
    let gateway = Running::start("idle", r#"{"idle_timeout": "150ms"}"#).await;
    let body = request(vec![span(1, "a")]);
    let mut stream = TcpStream::connect(gateway.http()).await.unwrap();
    let head = HEAD.replace("connection: close\r\n", "");
    let head = format!("{head}content-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    // The answer, and then the end without anything being wrong.
    assert_eq!(answer(&mut stream).await.status, 200);
    assert_eq!(gateway.count(CONNECTIONS_REFUSED, ""), 0);
    gateway.stop().await;
}

/// Both ends are in this process: two descriptors a connection.
fn idle_connections() -> usize {
    let wanted = 21_000;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        let maximum = limit.maximum.map(|maximum| maximum.max(wanted));
        let raised = Rlimit { current: Some(wanted), maximum };
        if setrlimit(Resource::Nofile, raised).is_err() {
            let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
            setrlimit(Resource::Nofile, most).unwrap();
        }
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(wanted) as usize;
    (allowed.saturating_sub(800) / 2).min(10_000)
}

/// Ten thousand connections that do nothing cost little, and nobody else notices.
#[tokio::test]
async fn ten_thousand_idle_connections_disturb_nobody() {
    let connections = idle_connections();
    let limits = r#"{"header_timeout": "10m", "idle_timeout": "10m"}"#;
    let gateway = Running::start("manyidle", limits).await;
    let before = wholetrace_runtime::memory::resident();
    let mut open = Vec::with_capacity(connections);
    for index in 0..connections {
        let address = if index % 2 == 0 { gateway.http() } else { gateway.grpc() };
        open.push(TcpStream::connect(address).await.unwrap());
    }
    while gateway.count("wholetrace_gateway_connections_total", "") < connections as u64 {
        tokio::task::yield_now().await;
    }
    if let (Some(before), Some(after)) = (before, wholetrace_runtime::memory::resident()) {
        let each = after.saturating_sub(before) / connections as u64;
        // Both ends, and what other tests of this process take meanwhile.
        assert!(each < 32 << 10, "{each} bytes for each of {connections} connections");
    }
    for index in 0..100 {
        gateway.post_good(&format!("{index:02}")).await;
    }
    assert_eq!(gateway.spans().len(), 100);
    assert_eq!(gateway.count(CONNECTIONS_REFUSED, ""), 0);
    drop(open);
    gateway.stop().await;
}
