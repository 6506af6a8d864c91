//! A backend that speaks OTLP over gRPC and HTTP, and answers each request as a test tells it to:
//! what no real one can be made to do at will.

use std::{
    collections::HashSet,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{
    HeaderMap, Request, Response,
    body::Incoming,
    header::{HeaderName, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use wholetrace_proto::{
    hex::Hex,
    otlp::numbers::span::SPAN_ID,
    spans::{SpanRef, Visitor, visit},
    wire::{Cursor, Value, put_bytes, put_uint},
};

use super::oracle::Arrived;

/// A request for spans to be taken.
pub(crate) struct Asked {
    /// Bytes of the message.
    pub(crate) bytes: usize,
    /// The traces that the spans are of.
    pub(crate) traces: HashSet<String>,
    /// How many requests came before it.
    pub(crate) number: u64,
}

/// What the backend does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Takes it, as a receiver of the protocol says so.
    Take,
    /// An HTTP answer.
    Http { status: u16, headers: Vec<(&'static str, String)>, body: &'static str },
    /// A gRPC answer: code and message, and a `google.rpc.Status` for its details.
    Grpc { code: u32, message: &'static str, details: Vec<u8> },
    /// Ends the connection without an answer.
    HangUp,
    /// Never answers.
    Silence,
    /// Takes it, and then does this all the same: the sender cannot know.
    TakeAnd(Box<Self>),
}

impl Answer {
    pub(crate) fn http(status: u16, content_type: &str, body: &'static str) -> Self {
        Self::Http { status, headers: vec![("content-type", content_type.to_owned())], body }
    }

    pub(crate) fn grpc(code: u32, message: &'static str) -> Self {
        Self::Grpc { code, message, details: Vec::new() }
    }

    /// A gRPC answer that asks to be left alone for so many seconds.
    pub(crate) fn grpc_after(code: u32, message: &'static str, seconds: u64) -> Self {
        let (mut delay, mut info, mut any, mut details) = Default::default();
        put_uint(&mut delay, 1, seconds);
        put_bytes(&mut info, 1, &delay);
        put_bytes(&mut any, 1, b"type.googleapis.com/google.rpc.RetryInfo");
        put_bytes(&mut any, 2, &info);
        put_uint(&mut details, 1, code.into());
        put_bytes(&mut details, 3, &any);
        Self::Grpc { code, message, details }
    }
}

type Tell = dyn Fn(&Asked) -> Answer + Send + Sync;
type Body = BoxBody<Bytes, Infallible>;

/// A backend that listens on loopback. It ends when it is dropped.
pub(crate) struct Backend {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

struct Shared {
    tell: Box<Tell>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    requests: u64,
    taken: Arrived,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panicked in it")
    }
}

impl Backend {
    /// Listens on `port`, any free one for 0, and answers what `tell` says.
    pub(crate) fn start(
        port: u16,
        tell: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::new(Shared { tell: Box::new(tell), state: Mutex::default() });
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared, _runtime: runtime }
    }

    /// How often it took each span, by trace and span.
    pub(crate) fn taken(&self) -> Arrived {
        self.shared.state().taken.clone()
    }

    /// Requests that came.
    pub(crate) fn requests(&self) -> u64 {
        self.shared.state().requests
    }
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            drop(server.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// The error that has the connection end.
#[derive(Debug)]
struct HungUp;

impl std::fmt::Display for HungUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the backend hangs up")
    }
}

impl std::error::Error for HungUp {}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>, HungUp> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| HungUp)?.to_bytes();
    let content = head.headers.get("content-type").map(HeaderValue::as_bytes).unwrap_or_default();
    let grpc = content.starts_with(b"application/grpc");
    // Without its frame: exporters on loopback compress nothing.
    let message = if grpc { body.get(5..).unwrap_or_default() } else { &body };
    let spans = spans(message);
    let traces = spans.iter().map(|(trace, _)| trace.clone()).collect();
    let number = {
        let mut state = shared.state();
        state.requests += 1;
        state.requests - 1
    };
    let told = (shared.tell)(&Asked { bytes: message.len(), traces, number });
    let (takes, told) = match told {
        Answer::TakeAnd(told) => (true, *told),
        told => (matches!(told, Answer::Take), told),
    };
    if takes {
        let mut state = shared.state();
        for (trace, span) in spans {
            *state.taken.entry(trace).or_default().entry(span).or_default() += 1;
        }
    }
    match told {
        Answer::Take | Answer::TakeAnd(_) if grpc => Ok(grpc_answer(0, "", &[])),
        Answer::Take | Answer::TakeAnd(_) => {
            Ok(http_answer(200, &[("content-type", "application/x-protobuf")], ""))
        }
        Answer::Http { status, headers, body } => {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
            Ok(http_answer(status, &headers, body))
        }
        Answer::Grpc { code, message, details } => Ok(grpc_answer(code, message, &details)),
        Answer::HangUp => Err(HungUp),
        Answer::Silence => std::future::pending().await,
    }
}

fn http_answer(
    status: u16,
    headers: &[(&'static str, &str)],
    body: &'static str,
) -> Response<Body> {
    let mut answer = Response::new(Full::new(Bytes::from_static(body.as_bytes())).boxed());
    *answer.status_mut() = status.try_into().expect("a status");
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).expect("a header");
        answer.headers_mut().insert(HeaderName::from_static(name), value);
    }
    answer
}

fn grpc_answer(code: u32, message: &str, details: &[u8]) -> Response<Body> {
    let code = tonic::Code::from_i32(i32::try_from(code).expect("a code"));
    let status = tonic::Status::with_details(code, message, Bytes::copy_from_slice(details));
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers).expect("a status fits trailers");
    // An empty message in its frame.
    let data = if code == tonic::Code::Ok { Bytes::from_static(&[0; 5]) } else { Bytes::new() };
    let body = Full::new(data).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut answer = Response::new(body.boxed());
    answer.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    answer
}

/// Trace and span of every span in a message.
fn spans(message: &[u8]) -> Vec<(String, String)> {
    struct Found(Vec<(String, String)>);
    impl Visitor<'_> for Found {
        fn span(&mut self, span: SpanRef<'_>) {
            let mut fields = Cursor::new(span.body);
            let mut id = String::new();
            while let Ok(Some(field)) = fields.next_field() {
                if let (SPAN_ID, Value::Bytes(bytes)) = (field.number, field.value) {
                    id = Hex(bytes).to_string();
                }
            }
            self.0.push((Hex(span.trace_id()).to_string(), id));
        }
    }
    let mut found = Found(Vec::new());
    visit(message, &mut found).expect("exporters send messages of spans");
    found.0
}
