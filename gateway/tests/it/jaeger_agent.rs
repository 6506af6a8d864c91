//! Jaeger's datagrams: what is taken, and that whatever comes is counted and the next one is taken.

use std::{net::UdpSocket, time::Duration};

use wholetrace_proto::thrift::{Kind, Message, MessageKind, Protocol, Writer};
use wholetrace_spanlog::{AppendError, TopicName};

use crate::{harness::Running, jaeger::thrift_batch};

const REQUESTS: &str = "wholetrace_gateway_requests_total";
const REFUSED: &str = "wholetrace_gateway_requests_refused_total";
const SPANS_REFUSED: &str = "wholetrace_gateway_spans_refused_total";
const LOST: &str = "wholetrace_gateway_datagrams_lost_total";

/// A call of the method `name` with a batch.
fn call(name: &str, protocol: Protocol, spans: &[(i64, &str)]) -> Vec<u8> {
    let mut writer = Writer::new(protocol);
    let (name, kind) = (name.as_bytes(), MessageKind::Oneway);
    writer.message(&Message { name, kind, sequence: 1 });
    writer.structure(|arguments| {
        arguments.nested(1, |out| thrift_batch(out, spans));
    });
    writer.into_bytes()
}

/// A list in a list, and so on, as the argument of a call.
fn nested(protocol: Protocol) -> Vec<u8> {
    let mut writer = Writer::new(protocol);
    writer.message(&Message { name: b"emitBatch", kind: MessageKind::Oneway, sequence: 1 });
    writer.structure(|arguments| {
        arguments.list(2, Kind::List, 1, |list| {
            (0..10_000).for_each(|_| list.put_list(Kind::List, 1));
        });
    });
    writer.into_bytes()
}

/// Waits for `count` to say `wanted`: datagrams are not answered.
async fn until(what: &str, wanted: u64, count: impl Fn() -> u64) {
    for _ in 0..2_000 {
        if count() >= wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(count(), wanted, "{what}");
}

fn sender() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

const BOTH: [(Protocol, &str); 2] =
    [(Protocol::Compact, "thrift_compact"), (Protocol::Binary, "thrift_binary")];

#[tokio::test]
async fn datagrams_in_both_protocols_are_taken() {
    let gateway = Running::start("jaegersent", "{}").await;
    for (protocol, listener) in BOTH {
        let message = call("emitBatch", protocol, &[(1, listener), (0, "bad")]);
        sender().send_to(&message, gateway.jaeger(listener)).unwrap();
        until(listener, 1, || gateway.count(REQUESTS, listener)).await;
    }
    assert_eq!(gateway.names(), ["thrift_binary", "thrift_compact"]);
    assert_eq!(gateway.count(SPANS_REFUSED, "span_id"), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn trap_11_a_bad_datagram_is_counted_and_the_next_one_is_taken() {
    let gateway = Running::start("jaegerudpbad", "{}").await;
    let mut taken = 0;
    for (protocol, listener) in BOTH {
        let good = call("emitBatch", protocol, &[(1, "good")]);
        let other = if protocol == Protocol::Binary { Protocol::Compact } else { Protocol::Binary };
        for (name, message, reason) in [
            ("nothing", Vec::new(), "malformed"),
            ("text", b"hello, world".to_vec(), "malformed"),
            ("0xff", vec![0xff; 1_000], "malformed"),
            ("the other protocol", call("emitBatch", other, &[(1, "good")]), "malformed"),
            ("cut off", good[..good.len() - 12].to_vec(), "malformed"),
            ("no id", call("emitBatch", protocol, &[(0, "bad")]), "malformed"),
            // One of these ends other receivers.
            ("Zipkin", call("emitZipkinBatch", protocol, &[(1, "good")]), "method"),
            ("deep", nested(protocol), "malformed"),
            ("large", vec![0; 65_001], "body_too_large"),
        ] {
            let counted = format!("{listener}\",reason=\"{reason}\"");
            let before = gateway.count(REFUSED, &counted);
            sender().send_to(&message, gateway.jaeger(listener)).unwrap();
            until(name, before + 1, || gateway.count(REFUSED, &counted)).await;
            sender().send_to(&good, gateway.jaeger(listener)).unwrap();
            taken += 1;
            until(name, taken, || gateway.count(REQUESTS, "thrift_")).await;
        }
    }
    assert_eq!(gateway.names(), vec!["good"; 18]);
    gateway.stop().await;
}

#[tokio::test]
async fn what_the_log_does_not_take_is_counted() {
    let gateway = Running::start("jaegerudplog", "{}").await;
    gateway.log.refuse(TopicName::Spans, Some(AppendError::DiskFull));
    let message = call("emitBatch", Protocol::Compact, &[(1, "a")]);
    sender().send_to(&message, gateway.jaeger("thrift_compact")).unwrap();
    until("refused", 1, || gateway.count(REFUSED, "log_disk")).await;
    gateway.log.refuse(TopicName::Spans, None);
    sender().send_to(&message, gateway.jaeger("thrift_compact")).unwrap();
    until("taken", 1, || gateway.count(REQUESTS, "thrift_compact")).await;
    gateway.stop().await;
}

/// No token comes with a datagram.
#[tokio::test]
async fn datagrams_are_of_no_tenant() {
    let tenants = r#"{"tenants": [{"name": "a", "tokens": ["a-token-that-is-long"]}]}"#;
    let gateway = Running::start_for("jaegerudptenants", tenants).await;
    let message = call("emitBatch", Protocol::Binary, &[(1, "a")]);
    sender().send_to(&message, gateway.jaeger("thrift_binary")).unwrap();
    until("refused", 1, || gateway.count(REFUSED, "unauthenticated")).await;
    gateway.stop().await;
}

/// More than the receive buffer holds comes before anything is received: what the kernel threw away is
/// counted, and each of the others is taken or counted.
#[tokio::test]
async fn trap_10_what_the_kernel_threw_away_is_counted() {
    let agent = r#"{"endpoint": "127.0.0.1:0", "socket_buffer_size": 20000, "queue_size": 4}"#;
    let protocols = format!(r#"{{"protocols": {{"thrift_compact": {agent}}}}}"#);
    let config = format!(r#"{{"receivers": {{"jaeger/jaegerudplost": {protocols}}}}}"#);
    let gateway = Running::start_as("jaegerudplost", &config).await;
    let message = call("emitBatch", Protocol::Compact, &[(1, &"a".repeat(2_000))]);
    let (socket, address) = (sender(), gateway.jaeger("thrift_compact"));
    // The receiver shares this thread: it waits.
    for _ in 0..100 {
        socket.send_to(&message, address).unwrap();
    }
    let others = || gateway.count(REQUESTS, "thrift_") + gateway.count(REFUSED, "thrift_");
    until("all", 100, || gateway.count(LOST, "thrift_") + others()).await;
    assert!(gateway.count(LOST, "thrift_") > 0 && gateway.count(REQUESTS, "thrift_") > 0);
    gateway.stop().await;
}
