//! Serves HTTP on one connection, from its TLS handshake to the timeout or the error that ends it.

use std::{error::Error, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tower::Service;
use wholetrace_runtime::{shutdown::Shutdown, tls::Reloading};

use crate::{
    admission::lease::InFlightBudget,
    http::{
        activity::{Activity, MonitoredIo, TimeoutCheck},
        socket::Stream,
        stack::{ConnectionInfo, Stack},
    },
    metrics::ListenerMetrics,
    reject::RejectReason,
};

/// Flow-control window of a stream: large enough that a usual request comes in one go.
const STREAM_WINDOW: u32 = 256 << 10;

/// Flow-control window of a connection: what all its streams may have sent and nobody has read yet,
/// so that no lease covers it.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// HTTP/2 frames up to this size: fewer of them where the sender makes use of it.
const FRAME_BYTES: u32 = 64 << 10;

/// What a connection that is closed in good order has to finish.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// Bounds of connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    pub(crate) header_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) header_bytes: usize,
    pub(crate) streams: u32,
    /// After this time a connection takes no new requests.
    pub(crate) age: Option<Duration>,
    /// How long the requests that it has then may take.
    pub(crate) age_grace: Option<Duration>,
    /// Silence after which HTTP/2 is pinged, and the time to answer.
    pub(crate) keepalive: (Duration, Duration),
}

/// When connections end.
#[derive(Clone)]
pub(crate) struct Stop {
    /// Nothing more is accepted, what was begun is finished.
    pub(crate) drain: Shutdown,
    /// What is not finished now is cut off.
    pub(crate) cut: CancellationToken,
}

/// What the connections of one listener have in common.
pub(crate) struct Serving {
    http: auto::Builder<TokioExecutor>,
    tls: Option<Reloading<ServerConfig>>,
    stack: Stack,
    limits: ConnectionLimits,
    in_flight: InFlightBudget,
    metrics: ListenerMetrics,
    stop: Stop,
}

impl Serving {
    /// Connections over `tls`, or plain ones, whose requests go to `stack`.
    pub(crate) fn new(
        tls: Option<Reloading<ServerConfig>>,
        stack: Stack,
        limits: ConnectionLimits,
        in_flight: InFlightBudget,
        metrics: ListenerMetrics,
        stop: Stop,
    ) -> Self {
        Self { http: http(&limits), tls, stack, limits, in_flight, metrics, stop }
    }

    /// What the listener counts.
    pub(crate) const fn metrics(&self) -> &ListenerMetrics {
        &self.metrics
    }

    /// Serves `stream`, a connection of `peer`, until it ends; then gives `permit` back.
    pub(crate) async fn connection(
        self: Arc<Self>,
        stream: Stream,
        peer: Option<SocketAddr>,
        permit: OwnedSemaphorePermit,
    ) {
        let _open = self.metrics.connection();
        match &self.tls {
            None => Box::pin(self.serve(stream, peer)).await,
            Some(tls) => match timeout(self.limits.header_timeout, accept(tls, stream)).await {
                Ok(Ok(stream)) => Box::pin(self.serve(stream, peer)).await,
                Ok(Err(error)) => {
                    let message = format!(
                        "TLS was not established: {error}; a sender that does not speak TLS cannot \
                         use this listener"
                    );
                    self.metrics.refused(RejectReason::Handshake, peer, &message);
                }
                Err(_) => {
                    let message = "TLS was not established within `limits.header_timeout`";
                    self.metrics.refused(RejectReason::HeaderTimeout, peer, message);
                }
            },
        }
        drop(permit);
    }

    async fn serve<I>(&self, stream: I, peer: Option<SocketAddr>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Arc::new(Activity::new());
        let service = {
            let (stack, activity) = (self.stack.clone(), Arc::clone(&activity));
            let info = ConnectionInfo::new(self.in_flight.connection(), peer);
            tower::service_fn(move |mut request: http::Request<Incoming>| {
                let in_flight = activity.request();
                request.extensions_mut().insert(info.clone());
                let answer = stack.clone().call(request);
                async move {
                    answer.await.map(|mut answer| {
                        answer.body_mut().keep(in_flight);
                        answer
                    })
                }
            })
        };
        let io = TokioIo::new(MonitoredIo::new(stream, Arc::clone(&activity)));
        let connection = self.http.serve_connection(io, TowerToHyperService::new(service));
        let mut connection = std::pin::pin!(connection);
        let ConnectionLimits { header_timeout, idle_timeout, age, age_grace, .. } = self.limits;
        let old_at = age.map(|age| Instant::now() + about(age));
        let mut cut_at = None;
        let mut look = Instant::now() + header_timeout.min(idle_timeout);
        let mut closing = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        self.failed(&*error, &activity, peer);
                    }
                    return;
                }
                () = self.stop.cut.cancelled() => return,
                () = self.stop.drain.requested(), if !closing => {
                    closing = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = reached(old_at), if !closing => {
                    closing = true;
                    cut_at = age_grace.map(|grace| Instant::now() + grace);
                    connection.as_mut().graceful_shutdown();
                }
                () = reached(cut_at) => {
                    tracing::debug!(?peer, "requests outlived their connection's time");
                    return;
                }
                () = sleep_until(look) => {
                    match activity.check_timeouts(header_timeout, idle_timeout) {
                        TimeoutCheck::Pending(time) => look = Instant::now() + time,
                        TimeoutCheck::HeaderTimeout => {
                            let message = "no request head came within `limits.header_timeout`";
                            self.metrics.refused(RejectReason::HeaderTimeout, peer, message);
                            return;
                        }
                        // It had its time to close.
                        TimeoutCheck::IdleTimeout if closing => return,
                        TimeoutCheck::IdleTimeout => {
                            closing = true;
                            connection.as_mut().graceful_shutdown();
                            look = Instant::now() + CLOSE_TIME;
                        }
                    }
                }
            }
        }
    }

    /// Tells why a connection ended with `error`, and counts it where the sender broke HTTP.
    fn failed(&self, error: &(dyn Error + 'static), activity: &Activity, peer: Option<SocketAddr>) {
        match against_http(error) {
            Some(message) => {
                let message = if activity.is_tls() { TLS } else { &message };
                self.metrics.refused(RejectReason::Http, peer, message);
            }
            None => tracing::debug!(%error, ?peer, "a connection ended"),
        }
    }
}

fn http(limits: &ConnectionLimits) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        // It would also end connections that are idle between requests: `Activity` does both.
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes)
        .half_close(true);
    http.http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_BYTES)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.keepalive.0)
        .keep_alive_timeout(limits.keepalive.1);
    http
}

/// A tenth more or less than `age`: connections that were made at one moment do not end at one.
fn about(age: Duration) -> Duration {
    age.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// Waits until `when`, or for ever.
async fn reached(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}

/// Shakes hands with the certificate that there is now.
async fn accept(tls: &Reloading<ServerConfig>, stream: Stream) -> io::Result<TlsStream<Stream>> {
    TlsAcceptor::from(tls.current().await).accept(stream).await
}

/// What is told where TLS is spoken to a listener that does not speak it.
const TLS: &str = "the sender speaks TLS, and this listener does not: configure its `tls`, or have \
                   the sender use plaintext (`http://`, `insecure: true`)";

/// Why a connection ended, if the cause is that what came is against the rules of HTTP. HTTP answers
/// such requests by itself, and closes the connection.
fn against_http(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    let mut against = false;
    let mut last = error;
    while let Some(error) = cause {
        let http1 = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse);
        // It was found here, and is nothing that the sender has told of.
        let http2 = error.downcast_ref::<h2::Error>().is_some_and(h2::Error::is_library);
        against |= http1 || http2;
        (last, cause) = (error, error.source());
    }
    against.then(|| format!("not a request of HTTP: {last}"))
}
