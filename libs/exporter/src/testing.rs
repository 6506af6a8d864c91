//! A backend for tests that answers as it is told: over HTTP/1.1 and HTTP/2, with TLS or not. And
//! frames of spans to send to it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a part of tests: this is how it fails"
)]

#[cfg(test)]
use std::time::Duration;
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture, stream};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

#[cfg(test)]
use crate::{
    backends::Balance,
    contract::Batch,
    proxy::Proxies,
    transport::{Transport, TransportSettings},
};

pub(crate) mod frames;

pub use frames::{Span, body, frame, ids, trace_ids};

/// What a backend answers.
pub type Reply = Response<BoxBody<Bytes, Infallible>>;
type Handler = dyn Fn(Received) -> BoxFuture<'static, Reply> + Send + Sync;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// All of its body.
    pub body: Bytes,
}

/// A backend that listens, until it is dropped.
pub struct Backend {
    /// Where it does.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Backend {
    /// Answers each request with what `reply` gives.
    pub async fn start(reply: impl Fn(Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(bind().await, None, move |request| {
            std::future::ready(reply(request)).boxed()
        })
    }

    /// Answers on `listener`, with TLS if there is any, what `handler` gives.
    pub fn start_with(
        listener: TcpListener,
        tls: Option<ServerConfig>,
        handler: impl Fn(Received) -> BoxFuture<'static, Reply> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tls = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
        let handler: Arc<Handler> = Arc::new(handler);
        let connections = Arc::new(AtomicUsize::new(0));
        let noting = (Arc::clone(&seen), Arc::clone(&connections));
        let task = tokio::spawn(accept(listener, tls, handler, noting));
        Self { address, seen, connections, task }
    }

    /// All requests that came.
    pub fn seen(&self) -> Vec<Received> {
        self.seen.lock().unwrap().clone()
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Its endpoint.
    pub fn uri(&self, scheme: &str) -> Uri {
        format!("{scheme}://{}", self.address).parse().unwrap()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A listener on a free port.
pub async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    handler: Arc<Handler>,
    (seen, count): (Arc<Mutex<Vec<Received>>>, Arc<AtomicUsize>),
) {
    // Connections end with the backend.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        count.fetch_add(1, Ordering::SeqCst);
        let service = service_fn({
            let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
            move |request: Request<Incoming>| {
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.map(|body| body.to_bytes())?;
                    let path = head.uri.path().to_owned();
                    let received = Received { path, headers: head.headers, body };
                    seen.lock().unwrap().push(received.clone());
                    Ok::<_, hyper::Error>(handler(received).await)
                }
            }
        });
        let tls = tls.clone();
        connections.spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            match tls {
                None => drop(server.serve_connection(TokioIo::new(stream), service).await),
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        drop(server.serve_connection(TokioIo::new(stream), service).await);
                    }
                }
            }
        });
    }
}

/// A transport to backends without TLS.
#[cfg(test)]
pub(crate) fn plain_transport(http2_only: bool) -> Transport {
    Transport::new(TransportSettings {
        tls: None,
        proxies: Proxies::of_environment(|_| None, http2_only),
        balance: Balance::PickFirst,
        http2_only,
        connect_timeout: Duration::from_secs(10),
        keepalive: None,
    })
}

/// Some bytes.
#[cfg(test)]
pub(crate) fn batch() -> Batch {
    Batch::new(vec![Bytes::from_static(b"one "), Bytes::from_static(b"two")], 2)
}

/// An HTTP answer.
pub fn reply(status: u16, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()).boxed());
    *reply.status_mut() = status.try_into().unwrap();
    for (name, value) in headers {
        reply.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    reply
}

/// A gRPC answer: `message` and then `trailers`.
pub fn grpc_reply(message: &[u8], trailers: &[(&'static str, &str)]) -> Reply {
    grpc_reply_flagged(0, message, trailers)
}

/// The same with the flag in front that tells whether the message is compressed.
pub fn grpc_reply_flagged(flag: u8, message: &[u8], trailers: &[(&'static str, &str)]) -> Reply {
    let mut data = vec![flag];
    data.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    data.extend_from_slice(message);
    let mut map = HeaderMap::new();
    for (name, value) in trailers {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    let frames = [Frame::data(Bytes::from(data)), Frame::trailers(map)];
    let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
    let mut reply = Response::new(BodyExt::boxed(body));
    reply.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    reply
}

/// A body that never ends.
pub fn endless() -> BoxBody<Bytes, Infallible> {
    let chunk = Bytes::from(vec![b'x'; 16 << 10]);
    BodyExt::boxed(StreamBody::new(stream::repeat_with(move || {
        Ok::<_, Infallible>(Frame::data(chunk.clone()))
    })))
}
