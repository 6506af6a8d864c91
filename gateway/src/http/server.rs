//! Accepts connections: the same for every receiver.

use std::{io, sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::sleep};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::task::TaskTracker;
use wholetrace_runtime::tls::Reloading;

use crate::{
    admission::lease::InFlightBudget,
    http::{
        connection::{ConnectionLimits, Serving, Stop},
        socket::Socket,
        stack::Stack,
    },
    metrics::ListenerMetrics,
    reject::RejectReason,
};

/// How long accepting pauses when the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound listener with the stack that it serves.
pub(crate) struct Server {
    pub(crate) listener: Socket,
    pub(crate) tls: Option<Reloading<ServerConfig>>,
    pub(crate) stack: Stack,
    pub(crate) limits: ConnectionLimits,
    /// Shared by all listeners.
    pub(crate) in_flight: InFlightBudget,
    /// Shared by all listeners.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) metrics: ListenerMetrics,
}

impl Server {
    /// Accepts until shutdown is requested. The connections are tasks of `tasks`; they
    /// finish the requests they have.
    pub(crate) async fn run(self, stop: Stop, tasks: TaskTracker) {
        let Self { listener, tls, stack, limits, in_flight, connections, metrics } = self;
        let drain = stop.drain.clone();
        let serving = Arc::new(Serving::new(tls, stack, limits, in_flight, metrics, stop));
        loop {
            let accepted = tokio::select! {
                biased;
                () = drain.requested() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    accept_failed(&error, serving.metrics()).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
                // Closed at once: a sender that gets no connection tries elsewhere, one that
                // waits in the backlog does not.
                let message = "as many are open as may be: raise `limits.connections`";
                serving.metrics().refused(RejectReason::Connections, peer, message);
                continue;
            };
            tasks.spawn(Arc::clone(&serving).connection(stream, peer, permit));
        }
    }
}

async fn accept_failed(error: &io::Error, metrics: &ListenerMetrics) {
    metrics.accept_failed();
    // A connection that ended before it was accepted concerns nobody; a lack of descriptors or
    // memory passes, and asking again at once would not help it to.
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tracing::warn!(%error, "cannot accept a connection; trying again");
        sleep(ACCEPT_PAUSE).await;
    }
}
