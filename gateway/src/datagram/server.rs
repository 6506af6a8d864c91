//! Receives datagrams, and hands each over as a message.

use std::{io, net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use http::HeaderMap;
use tokio::{
    net::UdpSocket,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::task::TaskTracker;
use wholetrace_runtime::shutdown::Shutdown;

use super::drops::dropped;
use crate::{
    admission::{Admission, lease::RequestLease},
    format::{Format, Metadata},
    inflate::Encoding,
    intake::{Intake, Message},
    metrics::{DatagramMetrics, ReceiverMetrics, RequestMetrics},
    outcome::Accepted,
    reject::{RejectReason, Rejection},
};

/// The largest datagram that there is, and one byte more.
const BUFFER_BYTES: usize = 1 << 16;

/// How often the kernel is asked what it threw away.
const DROPS_LOOK: Duration = Duration::from_secs(1);

/// How long receiving pauses when the system fails at it.
const PAUSE: Duration = Duration::from_millis(100);

/// A bound socket whose datagrams are messages of one format.
pub(crate) struct DatagramServer {
    pub(crate) socket: UdpSocket,
    pub(crate) format: &'static Format,
    /// Largest datagram that is taken.
    pub(crate) bytes_max: usize,
    /// Datagrams that may be under way at once.
    pub(crate) waiting: Arc<Semaphore>,
    pub(crate) admission: Admission,
    pub(crate) intake: Arc<Intake>,
    pub(crate) metrics: ReceiverMetrics,
    pub(crate) datagrams: DatagramMetrics,
}

impl DatagramServer {
    /// Receives until shutdown is requested. Each datagram is a task of `tasks`, so that whatever one
    /// holds, the next is received.
    pub(crate) async fn run(self, shutdown: Shutdown, tasks: TaskTracker) {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut look = interval(DROPS_LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let received = tokio::select! {
                biased;
                () = shutdown.requested() => return,
                _ = look.tick() => {
                    if let Some(lost) = dropped(&self.socket) {
                        self.datagrams.lost(lost);
                    }
                    continue;
                }
                received = self.socket.recv_from(&mut buffer) => received,
            };
            match received {
                Ok((length, peer)) => {
                    self.receive(buffer.get(..length).unwrap_or_default(), peer, &tasks);
                }
                Err(error) => failed(&error).await,
            }
        }
    }

    /// Takes the datagram `bytes`, or counts why not.
    fn receive(&self, bytes: &[u8], peer: SocketAddr, tasks: &TaskTracker) {
        let request_metrics = self.metrics.request(Some(peer));
        match self.admit(bytes.len()) {
            Ok((lease, permit)) => {
                self.metrics.received(bytes.len());
                let message = Message {
                    bytes: Bytes::copy_from_slice(bytes),
                    encoding: Encoding::Identity,
                    metadata: Metadata::default(),
                    mark: None,
                    lease,
                };
                let (intake, format) = (Arc::clone(&self.intake), self.format);
                tasks.spawn(take(intake, message, format, request_metrics, permit));
            }
            Err(rejection) => request_metrics.refused(&rejection),
        }
    }

    /// Rejects what may not come, or not now; leases bytes for the rest.
    fn admit(&self, length: usize) -> Result<(RequestLease, OwnedSemaphorePermit), Rejection> {
        // Nobody's token comes with it.
        let quota = self.admission.tenants.admit(&HeaderMap::new(), length)?;
        self.admission.memory.check()?;
        if length > self.bytes_max {
            let most = self.bytes_max;
            let message = format!("the datagram has `{length}` bytes, at most `{most}` are taken");
            return Err(Rejection::new(RejectReason::BodyTooLarge, message));
        }
        let permit = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| {
            let message = "as many datagrams wait for the log as may: raise `queue_size`";
            Rejection::new(RejectReason::Queue, message)
        })?;
        let mut lease = self.admission.in_flight.take([None, quota.in_flight()], length)?;
        lease.complete();
        Ok((lease, permit))
    }
}

/// Has `message` taken, and counts what became of it.
async fn take(
    intake: Arc<Intake>,
    message: Message,
    format: &'static Format,
    request_metrics: RequestMetrics,
    _permit: OwnedSemaphorePermit,
) {
    let taken = AssertUnwindSafe(intake.take(message, format)).catch_unwind().await;
    let outcome = taken.unwrap_or_else(|_| {
        Err(Rejection::new(RejectReason::Internal, "the gateway failed on this datagram"))
    });
    match outcome {
        Ok(accepted) if is_nothing(&accepted) => {
            let rejection = Rejection::new(RejectReason::Malformed, accepted.refused_text());
            request_metrics.nothing_taken(&accepted, &rejection);
        }
        Ok(accepted) => request_metrics.accepted(&accepted),
        Err(rejection) => request_metrics.refused(&rejection),
    }
}

fn is_nothing(accepted: &Accepted) -> bool {
    accepted.spans == 0 && accepted.rejects.total() > 0
}

/// That a host which was never written to is not there concerns nobody; a lack of memory passes.
async fn failed(error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) {
        tracing::warn!(%error, "cannot receive a datagram; trying again");
        sleep(PAUSE).await;
    }
}
