//! A gateway that listens on free ports, and the simplest clients for it.

use std::{collections::BTreeMap, net::SocketAddr, sync::OnceLock};

use bytes::Bytes;
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use wholetrace_gateway::{Address, Gateway, GatewayConfig, METRICS};
use wholetrace_proto::otlp::{
    ExportTraceServiceRequest, ResourceSpans, ScopeSpans, Span, TracesData,
};
use wholetrace_runtime::{
    metrics::{Recorder, install},
    shutdown::Shutdown,
};
use wholetrace_spanlog::{
    Partition, TopicName,
    memory::{MemoryConfig, MemoryLog},
    routing::{Descriptor, Routing},
};

pub(crate) const PARTITIONS: u32 = 4;

/// A gateway at work. `name` marks its metrics: give each test its own.
pub(crate) struct Running {
    pub(crate) log: MemoryLog,
    pub(crate) shutdown: Shutdown,
    addresses: BTreeMap<String, Address>,
    name: &'static str,
    task: JoinHandle<()>,
}

fn routing() -> Routing {
    Routing::new(Descriptor { epoch: 3, seed: 7, partitions: PARTITIONS }).unwrap()
}

/// A trace in each partition, for [`span`].
pub(crate) fn traces() -> [u8; PARTITIONS as usize] {
    let routing = routing();
    std::array::from_fn(|partition| {
        let is_there =
            |trace: &u8| routing.partition(u64::from_be_bytes([*trace; 8])).0 == partition as u32;
        (1..=u8::MAX).find(is_there).unwrap()
    })
}

fn recorder() -> &'static Recorder {
    static RECORDER: OnceLock<Recorder> = OnceLock::new();
    RECORDER.get_or_init(|| install(&[METRICS]).unwrap())
}

impl Running {
    /// Starts a gateway with the limits of the JSON text `limits`.
    pub(crate) async fn start(name: &'static str, limits: &str) -> Self {
        Self::start_with(name, limits, "{}", "{}").await
    }

    /// Starts a gateway whose section `authentication` is this JSON text.
    pub(crate) async fn start_for(name: &'static str, authentication: &str) -> Self {
        let limits = format!(r#"{{}}, "authentication": {authentication}"#);
        Self::start_with(name, &limits, "{}", "{}").await
    }

    /// The same with settings for gRPC and HTTP.
    pub(crate) async fn start_with(
        name: &'static str,
        limits: &str,
        grpc: &str,
        http: &str,
    ) -> Self {
        let free = r#""endpoint": "127.0.0.1:0""#;
        let with = |settings: &str| match settings[1..settings.len() - 1].trim() {
            "" => format!("{{{free}}}"),
            settings => format!("{{{free}, {settings}}}"),
        };
        let json = format!(
            r#"{{"receivers": {{
                "otlp/{name}": {{"protocols": {{"grpc": {}, "http": {}}}}},
                "zipkin/{name}": {},
                "jaeger/{name}": {{"protocols": {{
                    "grpc": {}, "thrift_http": {}, "thrift_compact": {}, "thrift_binary": {}
                }}}}
            }}, "limits": {limits}}}"#,
            with(grpc),
            with(http),
            with("{}"),
            with("{}"),
            with("{}"),
            with("{}"),
            with("{}"),
        );
        Self::start_as(name, &json).await
    }

    /// Starts a gateway with the configuration of the JSON text `config`.
    pub(crate) async fn start_as(name: &'static str, config: &str) -> Self {
        recorder();
        let config: GatewayConfig = serde_json::from_str(config).unwrap();
        let log =
            MemoryLog::new(MemoryConfig { partitions: PARTITIONS, ..MemoryConfig::default() });
        let gateway = Gateway::bind(&config, routing(), log.log().spans.writer).await.unwrap();
        let addresses = gateway.addresses().clone();
        let shutdown = Shutdown::new();
        let task = tokio::spawn(gateway.run(shutdown.clone()));
        Self { log, shutdown, addresses, name, task }
    }

    pub(crate) fn grpc(&self) -> SocketAddr {
        self.address(&format!("otlp/{}/grpc", self.name))
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.address(&format!("otlp/{}/http", self.name))
    }

    pub(crate) fn zipkin(&self) -> SocketAddr {
        self.address(&format!("zipkin/{}", self.name))
    }

    /// Where Jaeger's protocol of this name in the configuration is taken.
    pub(crate) fn jaeger(&self, protocol: &str) -> SocketAddr {
        self.address(&format!("jaeger/{}/{protocol}", self.name))
    }

    fn address(&self, receiver: &str) -> SocketAddr {
        self.addresses[receiver].ip().unwrap()
    }

    /// The sum of the counters `metric` of this gateway whose labels contain `label`.
    pub(crate) fn count(&self, metric: &str, label: &str) -> u64 {
        let lines = recorder().render();
        let mine = format!("/{}", self.name);
        lines
            .lines()
            .filter(|line| line.starts_with(metric) && line.contains(&mine))
            .filter(|line| line.contains(label))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// Names of all spans in the log, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.spans().into_iter().map(|span| span.name).collect();
        names.sort();
        names
    }

    /// All spans in the log.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let scopes = self.resources().into_iter().flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// All spans in the log, by resources.
    pub(crate) fn resources(&self) -> Vec<ResourceSpans> {
        let mut resources = Vec::new();
        for partition in 0..PARTITIONS {
            for frame in self.log.frames(TopicName::Spans, Partition(partition)) {
                assert_eq!(frame.epoch, 3);
                resources.extend(TracesData::decode(frame.payload).unwrap().resource_spans);
            }
        }
        resources
    }

    /// Posts an OTLP request in protobuf and expects success.
    pub(crate) async fn post_good(&self, name: &str) {
        let body = request(vec![span(1, name)]);
        let answer = post(self.http(), "/v1/traces", PROTOBUF, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Stops it, and waits until it has stopped.
    pub(crate) async fn stop(self) {
        self.shutdown.request();
        self.task.await.unwrap();
    }
}

pub(crate) const PROTOBUF: &[(&str, &str)] = &[("content-type", "application/x-protobuf")];
pub(crate) const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// A span of the trace `trace`, with the name `name`.
pub(crate) fn span(trace: u8, name: &str) -> Span {
    let (trace_id, span_id) = (vec![trace; 16], vec![1; 8]);
    Span { trace_id, span_id, name: name.to_owned(), ..Span::default() }
}

/// An export request with `spans`, of one resource and scope.
pub(crate) fn request(spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// All of the head, in lower case.
    pub(crate) head: String,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let start = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(start.as_str()))
    }

    /// The status, and the wait that is advised without what is added to it by chance.
    pub(crate) fn advice(&self) -> (u16, u64) {
        let wait: u64 = self.header("retry-after").map_or(0, |value| value.parse().unwrap());
        let least = [10, 5, 1].into_iter().find(|least| wait >= *least).unwrap_or_default();
        assert!(wait <= least + least.div_ceil(2), "{wait} s");
        (self.status, least)
    }
}

/// Posts over HTTP/1.1, on a connection of its own.
pub(crate) async fn post(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    send(address, "POST", path, headers, body).await
}

/// Sends a request over HTTP/1.1, on a connection of its own.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may refuse before it has read everything.
    drop(stream.write_all(body).await);
    answer(&mut stream).await
}

/// Reads an answer up to the end of the connection.
pub(crate) async fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    drop(stream.read_to_end(&mut bytes).await);
    let end = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or_else(|| {
        panic!("no answer, only {:?}", String::from_utf8_lossy(&bytes));
    });
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: Bytes::copy_from_slice(&bytes[end + 4..]) }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
