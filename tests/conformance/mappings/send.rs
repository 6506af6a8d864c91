//! Sends a case to a Collector, as the senders of its format do.

use std::net::UdpSocket;

use super::format::Format;

/// The ports of a Collector's receivers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) zipkin: u16,
    pub(super) grpc: u16,
    pub(super) thrift_http: u16,
    pub(super) compact: u16,
    pub(super) binary: u16,
}

impl Ports {
    /// Sends `body`. Whether it was taken, as far as there is an answer.
    pub(super) fn send(&self, format: Format, body: &[u8]) -> bool {
        let (port, path, content_type) = match format {
            Format::ZipkinJson => (self.zipkin, "/api/v2/spans", "application/json"),
            Format::ZipkinProtobuf => (self.zipkin, "/api/v2/spans", "application/x-protobuf"),
            Format::ZipkinV1Json => (self.zipkin, "/api/v1/spans", "application/json"),
            Format::ZipkinV1Thrift => (self.zipkin, "/api/v1/spans", "application/x-thrift"),
            Format::JaegerThrift => (self.thrift_http, "/api/traces", "application/x-thrift"),
            Format::JaegerProtobuf => return call(self.grpc, body),
            Format::JaegerCompact => return datagram(self.compact, body),
            Format::JaegerBinary => return datagram(self.binary, body),
        };
        let url = format!("http://127.0.0.1:{port}{path}");
        match ureq::post(&url).header("content-type", content_type).send(body) {
            Ok(_) => true,
            Err(ureq::Error::StatusCode(_)) => false,
            // Its handler has panicked.
            Err(ureq::Error::Io(_)) => false,
            Err(error) => panic!("{url}: {error}"),
        }
    }
}

fn datagram(port: u16, body: &[u8]) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.send_to(body, ("127.0.0.1", port)).expect("sent");
    true
}

/// Calls `PostSpans` over gRPC.
fn call(port: u16, message: &[u8]) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let length = u32::try_from(message.len()).expect("a small message").to_be_bytes();
    let body = [&[0], &length[..], message].concat();
    runtime.expect("a runtime").block_on(async {
        let stream =
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        let (mut requests, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        let request = http::Request::post(format!(
            "http://127.0.0.1:{port}/jaeger.api_v2.CollectorService/PostSpans"
        ))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("a request");
        let (response, mut stream) = requests.send_request(request, false).expect("sent");
        stream.send_data(body.into(), true).expect("sent");
        let (head, mut body) = response.await.expect("an answer").into_parts();
        while let Some(data) = body.data().await {
            let _ = body.flow_control().release_capacity(data.expect("data").len());
        }
        // An answer without a body has its status in the head.
        let trailers = body.trailers().await.expect("trailers").unwrap_or(head.headers);
        connection.abort();
        trailers.get("grpc-status").is_some_and(|status| status == "0")
    })
}
