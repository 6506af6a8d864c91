//! Whether a connection does something: its requests, and how long its head has been coming.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// What every HTTP/2 connection begins with.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What one connection has been doing. Written by its socket and its requests, read by its task.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Requests between their head and their answer.
    in_flight: AtomicU32,
    /// When the last request was answered, in milliseconds after `opened`.
    answered: AtomicU64,
    /// When the first byte of a head came that is not complete yet, in milliseconds after
    /// `opened` plus one; 0 while none is coming.
    head_since: AtomicU64,
    /// How many bytes of the HTTP/2 preface came; `NOT_HTTP2` or `TLS` once something else did.
    preface: AtomicU32,
}

const NOT_HTTP2: u32 = u32::MAX;

/// What came first was a TLS record: a handshake.
const TLS: u32 = u32::MAX - 1;
const TLS_HANDSHAKE: u8 = 22;

/// Which of its timeouts a connection has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeoutCheck {
    /// None; look again after this time.
    Pending(Duration),
    /// Its head does not come: close it.
    HeaderTimeout,
    /// It has not been used: close it in good order.
    IdleTimeout,
}

impl Activity {
    /// A connection that has just been accepted and has not said anything.
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            in_flight: AtomicU32::new(0),
            answered: AtomicU64::new(0),
            // The clock of the first head runs from the start, so that silence ends too.
            head_since: AtomicU64::new(1),
            preface: AtomicU32::new(0),
        }
    }

    /// Counts a request until the guard is dropped.
    pub(crate) fn request(self: &Arc<Self>) -> RequestGuard {
        self.in_flight.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        RequestGuard(Arc::clone(self))
    }

    /// Which timeout is reached, when a head may take `header` and idleness may last `idle`.
    pub(crate) fn check_timeouts(&self, header: Duration, idle: Duration) -> TimeoutCheck {
        self.check_timeouts_at(self.now(), header, idle)
    }

    /// The same, `now` milliseconds after the connection was opened.
    fn check_timeouts_at(&self, now: u64, header: Duration, idle: Duration) -> TimeoutCheck {
        // Things change between two looks, so look at least as often as the shorter time.
        let often = header.min(idle);
        if self.in_flight.load(Relaxed) > 0 {
            return TimeoutCheck::Pending(often);
        }
        let head_since = self.head_since.load(Relaxed);
        if head_since > 0 && self.preface.load(Relaxed) != PREFACE.len() as u32 {
            let waited = Duration::from_millis(now.saturating_sub(head_since - 1));
            return match header.checked_sub(waited) {
                None | Some(Duration::ZERO) => TimeoutCheck::HeaderTimeout,
                Some(left) => TimeoutCheck::Pending(left.min(often)),
            };
        }
        let waited = Duration::from_millis(now.saturating_sub(self.answered.load(Relaxed)));
        match idle.checked_sub(waited) {
            None | Some(Duration::ZERO) => TimeoutCheck::IdleTimeout,
            Some(left) => TimeoutCheck::Pending(left.min(often)),
        }
    }

    /// Whether it began with a TLS handshake, at a listener without TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.preface.load(Relaxed) == TLS
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Bytes were read, `now` milliseconds after the connection was opened.
    fn read(&self, bytes: &[u8], now: impl FnOnce() -> u64) {
        let known = self.preface.load(Relaxed);
        if (known as usize) < PREFACE.len() {
            let expected = PREFACE.get(known as usize..).unwrap_or_default();
            let both = expected.len().min(bytes.len());
            let same = expected.get(..both) == bytes.get(..both);
            let both = u32::try_from(both).unwrap_or(0);
            let other =
                if known == 0 && bytes.first() == Some(&TLS_HANDSHAKE) { TLS } else { NOT_HTTP2 };
            self.preface.store(if same { known + both } else { other }, Relaxed);
        }
        if self.head_since.load(Relaxed) == 0 && self.in_flight.load(Relaxed) == 0 {
            self.head_since.store(now() + 1, Relaxed);
        }
    }
}

/// A request of a connection, until its answer.
#[derive(Debug)]
pub(crate) struct RequestGuard(Arc<Activity>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.answered.store(self.0.now(), Relaxed);
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// A socket that reports what is read from it to `Activity`.
#[derive(Debug)]
pub(crate) struct MonitoredIo<I> {
    io: I,
    activity: Arc<Activity>,
}

impl<I> MonitoredIo<I> {
    /// Watches `io`.
    pub(crate) const fn new(io: I, activity: Arc<Activity>) -> Self {
        Self { io, activity }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for MonitoredIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        if let Some(bytes) = buffer.filled().get(before..).filter(|bytes| !bytes.is_empty()) {
            self.activity.read(bytes, || self.activity.now());
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for MonitoredIo<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(75);

    fn at(activity: &Activity, seconds: u64) -> TimeoutCheck {
        activity.check_timeouts_at(seconds * 1_000, HEADER, IDLE)
    }

    fn read_at(activity: &Activity, bytes: &[u8], seconds: u64) {
        activity.read(bytes, || seconds * 1_000);
    }

    #[test]
    fn silence_ends_with_the_header_timeout() {
        let activity = Activity::new();
        assert_eq!(at(&activity, 0), TimeoutCheck::Pending(HEADER));
        assert_eq!(at(&activity, 10), TimeoutCheck::HeaderTimeout);
    }

    #[test]
    fn a_dripping_head_does_not_extend_its_time() {
        let activity = Activity::new();
        for (second, byte) in b"POST /v1".iter().enumerate() {
            read_at(&activity, &[*byte], second as u64);
        }
        assert_eq!(at(&activity, 9), TimeoutCheck::Pending(Duration::from_secs(1)));
        assert_eq!(at(&activity, 10), TimeoutCheck::HeaderTimeout);
    }

    #[test]
    fn http2_without_requests_is_idle_not_silent() {
        let activity = Activity::new();
        read_at(&activity, &PREFACE[..5], 0);
        read_at(&activity, &PREFACE[5..], 1);
        assert_eq!(at(&activity, 20), TimeoutCheck::Pending(HEADER));
        assert_eq!(at(&activity, 75), TimeoutCheck::IdleTimeout);
    }

    #[test]
    fn a_request_keeps_its_connection_and_the_next_head_has_its_own_time() {
        let activity = Arc::new(Activity::new());
        read_at(&activity, b"GET / HTTP/1.1\r\n\r\n", 0);
        let request = activity.request();
        assert_eq!(at(&activity, 1_000), TimeoutCheck::Pending(HEADER));
        drop(request);
        assert_eq!(at(&activity, 20), TimeoutCheck::Pending(HEADER));
        read_at(&activity, b"GET", 50);
        assert_eq!(at(&activity, 55), TimeoutCheck::Pending(Duration::from_secs(5)));
        assert_eq!(at(&activity, 60), TimeoutCheck::HeaderTimeout);
    }
}
