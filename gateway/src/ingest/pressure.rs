//! Keeps what waits for the log to what the log takes in time.
//!
//! Whoever is let in and then told "not in time" has cost the log a write all the same, and comes again
//! with the same spans. So when the log takes less than is sent to it, senders are told at the door,
//! before anything of theirs is written. How many bytes may wait follows from what the log has taken
//! lately. That the log is the bottleneck shows as CoDel finds it (RFC 8289): even who waited least in an
//! interval has waited longer than the target.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// The part of the append timeout that requests should wait at most: the rest is for what changes.
const TARGET_PART: u32 = 4;

/// Looks per target time.
const LOOKS: u32 = 2;

/// So many bytes may always wait.
const LEAST: usize = 64 << 10;

/// What may wait grows so many times with each look at which nobody needs to have waited for half of
/// the target time.
const GROWTH: usize = 2;

/// Lets requests in. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Door(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    bytes: AtomicUsize,
    limit: AtomicUsize,
}

/// Bytes that were let in, until they are dropped.
#[derive(Debug)]
pub(crate) struct LetIn {
    door: Door,
    bytes: usize,
}

impl Door {
    /// Lets a request of `bytes` in, if there is room for it; one may always wait.
    pub(crate) fn enter(&self, bytes: usize) -> Option<LetIn> {
        let limit = self.0.limit.load(Relaxed);
        let enter = |inside: usize| {
            let more = inside.saturating_add(bytes);
            (more <= limit || inside == 0).then_some(more)
        };
        self.0.bytes.fetch_update(Relaxed, Relaxed, enter).ok()?;
        Some(LetIn { door: self.clone(), bytes })
    }

    /// Bytes that may be inside.
    pub(crate) fn limit(&self) -> usize {
        self.0.limit.load(Relaxed)
    }
}

impl Drop for LetIn {
    fn drop(&mut self) {
        let inside = &self.door.0.bytes;
        let _ = inside.fetch_update(Relaxed, Relaxed, |all| Some(all.saturating_sub(self.bytes)));
    }
}

/// Watches how long the log takes, and sets how much is let in.
#[derive(Debug)]
pub(crate) struct Pressure {
    door: Door,
    target: Duration,
    began: Instant,
    /// When anything was durable last.
    last: Instant,
    /// Bytes made durable since `began`.
    taken: usize,
    /// The shortest wait of anything made durable since then: from the request on, and in the log.
    shortest: Option<(Duration, Duration)>,
    /// How long the log took at least, in the interval before.
    log_took: Duration,
}

impl Pressure {
    /// For a log that has `append_timeout` for a request.
    pub(crate) fn new(append_timeout: Duration) -> Self {
        let now = Instant::now();
        let inside = Inside { bytes: AtomicUsize::new(0), limit: AtomicUsize::new(usize::MAX) };
        Self {
            door: Door(Arc::new(inside)),
            target: append_timeout / TARGET_PART,
            began: now,
            last: now,
            taken: 0,
            shortest: None,
            log_took: Duration::ZERO,
        }
    }

    /// Where requests come in.
    pub(crate) fn door(&self) -> Door {
        self.door.clone()
    }

    /// How long the log takes at least, as far as is known. Not more than half of the time that it
    /// has, whatever it took: who has just come is always written, and shows whether it is faster now.
    pub(crate) fn log_takes(&self) -> Duration {
        self.log_took.min(self.target * TARGET_PART / 2)
    }

    /// A frame of `bytes` is durable: its oldest request `came`, and it was `sent` to the log, then.
    pub(crate) fn durable(&mut self, bytes: usize, came: Instant, sent: Instant, now: Instant) {
        let every = self.target / LOOKS;
        if now.saturating_duration_since(self.last) >= every {
            // After a silence: how long that was says nothing of what the log takes.
            (self.began, self.taken, self.shortest) = (now, 0, None);
        }
        self.last = now;
        let waited = now.saturating_duration_since(came);
        let took = now.saturating_duration_since(sent);
        let (least, fastest) = self.shortest.unwrap_or((waited, took));
        self.shortest = Some((least.min(waited), fastest.min(took)));
        self.taken = self.taken.saturating_add(bytes);
        let interval = now.saturating_duration_since(self.began);
        if interval >= every {
            self.look(interval);
            (self.began, self.taken, self.shortest) = (now, 0, None);
        }
    }

    /// Judges what was durable in an interval.
    fn look(&mut self, interval: Duration) {
        let Some((waited, took)) = self.shortest else { return };
        self.log_took = took;
        let limit = self.door.limit();
        let limit = if waited > self.target {
            let a_second = self.taken as f64 / interval.as_secs_f64();
            ((a_second * self.target.as_secs_f64()) as usize).clamp(LEAST, limit)
        } else if waited > self.target / 2 {
            limit
        } else {
            limit.saturating_mul(GROWTH)
        };
        self.door.0.limit.store(limit, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(4);

    /// A log that was away and works off what waited for it is not a slow one.
    #[tokio::test(start_paused = true)]
    async fn an_outage_leaves_no_limit() {
        let mut pressure = Pressure::new(TIMEOUT);
        let start = Instant::now();
        let back = start + Duration::from_secs(30);
        for millis in 0..2_000 {
            let now = back + Duration::from_millis(millis);
            pressure.durable(10_000, now - Duration::from_secs(3), start, now);
            pressure.durable(10_000, now, now, now);
        }
        assert_eq!(pressure.door().limit(), usize::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_that_keeps_up_has_no_limit() {
        let mut pressure = Pressure::new(TIMEOUT);
        let start = Instant::now();
        for millis in 0..5_000 {
            let came = start + Duration::from_millis(millis);
            pressure.durable(1_000, came, came, came + Duration::from_millis(100));
        }
        assert_eq!(pressure.door().limit(), usize::MAX);
        assert_eq!(pressure.log_takes(), Duration::from_millis(100));
    }

    /// One who did not wait proves that there is no queue that stands.
    #[tokio::test(start_paused = true)]
    async fn a_log_that_does_not_keep_up_gets_what_it_takes_in_the_target_time() {
        let mut pressure = Pressure::new(TIMEOUT);
        let door = pressure.door();
        let start = Instant::now();
        let mut durable = |millis: u64, waited: u64| {
            let now = start + Duration::from_millis(millis + 10_000);
            pressure.durable(1_000, now - Duration::from_millis(waited), now, now);
        };
        for millis in 0..2_000 {
            durable(millis, if millis % 400 == 0 { 900 } else { 3_000 });
        }
        assert_eq!(door.limit(), usize::MAX);
        for millis in 2_000..4_000 {
            durable(millis, 1_100);
        }
        // A megabyte a second for one second.
        assert!((990_000..1_010_000).contains(&door.limit()), "{}", door.limit());
        let first = door.enter(900_000).unwrap();
        assert!(door.enter(200_000).is_none());
        drop(first);
        // One may always wait.
        assert!(door.enter(5_000_000).is_some());
        for millis in 4_000..5_000 {
            durable(millis, 500);
        }
        assert!(door.limit() >= 1_980_000, "{}", door.limit());
    }
}
