//! Keeps what waits for the log to what the log takes in time.
//!
//! A request that is admitted and then told "not in time" has cost the log a write all the same, and
//! comes again with the same spans. So when the log takes less than is sent to it, requests are shed
//! before anything of theirs is written. How many bytes may wait follows from what the log has taken
//! lately. That the log is the bottleneck shows as CoDel finds it (RFC 8289), by how long one waits:
//! here by how long most of the bytes of an interval have waited, since the log is many queues side by
//! side, and with brokers that throttle one is always empty. What the log takes is known over some
//! seconds, since such brokers take much at a time, and then nothing.

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
const LOOKS: u32 = 4;

/// So many bytes may always wait.
const LEAST: usize = 64 << 10;

/// What may wait grows so many times with each look at which most did not wait for half of the
/// target time.
const GROWTH: f64 = 1.125;

/// A log that takes less than this part of what it took lately has become slower.
const LESS: f64 = 0.75;

/// Target times over which the rate of the log is known.
const MEMORY: u32 = 10;

/// Admits requests, or sheds them. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct LoadShedder(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    bytes: AtomicUsize,
    limit: AtomicUsize,
}

/// Bytes of an admitted request; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    shedder: LoadShedder,
    bytes: usize,
}

impl LoadShedder {
    /// Admits a request of `bytes`, if there is room for it; one may always wait.
    pub(crate) fn admit(&self, bytes: usize) -> Option<Permit> {
        let limit = self.0.limit.load(Relaxed);
        let enter = |inside: usize| {
            let more = inside.saturating_add(bytes);
            (more <= limit || inside == 0).then_some(more)
        };
        self.0.bytes.fetch_update(Relaxed, Relaxed, enter).ok()?;
        Some(Permit { shedder: self.clone(), bytes })
    }

    /// Bytes that are inside.
    fn inside(&self) -> usize {
        self.0.bytes.load(Relaxed)
    }

    /// Bytes that may be inside.
    pub(crate) fn limit(&self) -> usize {
        self.0.limit.load(Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let inside = &self.shedder.0.bytes;
        let _ = inside.fetch_update(Relaxed, Relaxed, |all| Some(all.saturating_sub(self.bytes)));
    }
}

/// Watches how long the log takes, and sets how much is admitted.
#[derive(Debug)]
pub(crate) struct Pressure {
    shedder: LoadShedder,
    target: Duration,
    began: Instant,
    /// When anything was durable last.
    last: Instant,
    interval: Interval,
    /// Bytes, and the seconds in which the log took them: the last ones in which it had to do.
    lately: (f64, f64),
    /// How long the log took at least, in the interval before.
    log_took: Duration,
}

/// What was made durable in an interval.
#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    bytes: usize,
    /// Those of the bytes that waited longer than a quarter of the target, a half, and all of it.
    waited: [usize; 3],
    /// The shortest time that the log took.
    fastest: Option<Duration>,
}

impl Pressure {
    /// For a log that has `append_timeout` for a request.
    pub(crate) fn new(append_timeout: Duration) -> Self {
        let now = Instant::now();
        let inside = Inside { bytes: AtomicUsize::new(0), limit: AtomicUsize::new(usize::MAX) };
        Self {
            shedder: LoadShedder(Arc::new(inside)),
            target: append_timeout / TARGET_PART,
            began: now,
            last: now,
            interval: Interval::default(),
            lately: (0.0, 0.0),
            log_took: Duration::ZERO,
        }
    }

    /// What admits requests.
    pub(crate) fn shedder(&self) -> LoadShedder {
        self.shedder.clone()
    }

    /// How long the log takes at least, as far as is known. Not more than half of the time that it
    /// has, whatever it took: who has just come is always written, and shows whether it is faster now.
    pub(crate) fn log_takes(&self) -> Duration {
        self.log_took.min(self.target * TARGET_PART / 2)
    }

    /// A frame of `bytes` is durable: its oldest request `came`, and it was `sent` to the log, then.
    pub(crate) fn durable(&mut self, bytes: usize, came: Instant, sent: Instant, now: Instant) {
        let every = self.target / LOOKS;
        let silence = now.saturating_duration_since(self.last);
        let idle = sent > self.last && silence >= every;
        if idle || silence >= self.target * TARGET_PART {
            // Nothing was on its way, or the log was away: that says nothing of what it takes.
            (self.began, self.interval) = (now, Interval::default());
        }
        self.last = now;
        let waited = now.saturating_duration_since(came);
        let took = now.saturating_duration_since(sent);
        let Interval { bytes: all, waited: longer, fastest } = &mut self.interval;
        *fastest = Some(fastest.map_or(took, |fastest| fastest.min(took)));
        *all = all.saturating_add(bytes);
        for (longer, part) in longer.iter_mut().zip([4, 2, 1]) {
            *longer = longer.saturating_add(if waited > self.target / part { bytes } else { 0 });
        }
        let time = now.saturating_duration_since(self.began);
        if time >= every {
            let interval = std::mem::take(&mut self.interval);
            self.began = now;
            self.look(&interval, time);
        }
    }

    /// Judges what was durable in an interval.
    fn look(&mut self, interval: &Interval, time: Duration) {
        self.log_took = interval.fastest.unwrap_or_default();
        let now = interval.bytes as f64 / time.as_secs_f64();
        let lately = self.rate(interval.bytes, time);
        let limit = self.shedder.limit();
        let takes = ((now.min(lately) * self.target.as_secs_f64()) as usize).max(LEAST);
        let [wait, slow, late] = interval.waited.map(|bytes| bytes > interval.bytes / 2);
        // The log takes less than it did: when it goes on like this, what is inside will be late. (One
        // that goes on as before may have been sent more, and its answers take their time.)
        let will_be = wait && self.shedder.inside() > takes && now < lately * LESS;
        let limit = if late || will_be {
            takes.min(limit)
        } else if slow {
            limit
        } else {
            (limit as f64 * GROWTH) as usize
        };
        self.shedder.0.limit.store(limit, Relaxed);
    }

    /// Bytes that the log has taken in a second lately, after an interval in which it took `bytes`.
    fn rate(&mut self, bytes: usize, time: Duration) -> f64 {
        let (bytes, time) = (bytes as f64, time.as_secs_f64());
        let (lately, of) = (self.lately.0 + bytes, self.lately.1 + time);
        let memory = (self.target * MEMORY).as_secs_f64();
        let part = (memory / of).min(1.0);
        self.lately = (lately * part, of * part);
        lately / of
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
            pressure.durable(10_000, now, now, now);
            pressure.durable(10_000, now - Duration::from_secs(3), start, now);
        }
        assert_eq!(pressure.shedder().limit(), usize::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_that_keeps_up_has_no_limit() {
        let mut pressure = Pressure::new(TIMEOUT);
        let start = Instant::now();
        for millis in 0..5_000 {
            let came = start + Duration::from_millis(millis);
            pressure.durable(1_000, came, came, came + Duration::from_millis(100));
        }
        assert_eq!(pressure.shedder().limit(), usize::MAX);
        assert_eq!(pressure.log_takes(), Duration::from_millis(100));
    }

    /// A log far away that answers late takes as much as comes.
    #[tokio::test(start_paused = true)]
    async fn more_load_on_a_log_with_slow_answers_meets_no_limit() {
        let mut pressure = Pressure::new(TIMEOUT);
        let shedder = pressure.shedder();
        let start = Instant::now() + Duration::from_secs(10);
        let mut inside = std::collections::VecDeque::new();
        for millis in 0..20_000 {
            let now = start + Duration::from_millis(millis);
            // Six times as much from one moment to the next.
            let bytes = if millis < 10_000 { 1_000 } else { 6_000 };
            inside.push_back((now, bytes, shedder.admit(bytes).expect("no limit")));
            while let Some((came, bytes, permit)) = inside.pop_front() {
                if now - came < Duration::from_millis(400) {
                    inside.push_front((came, bytes, permit));
                    break;
                }
                pressure.durable(bytes, came, came, now);
            }
        }
        assert_eq!(shedder.limit(), usize::MAX);
    }

    /// Where most do not wait for long there is no queue that stands.
    #[tokio::test(start_paused = true)]
    async fn a_log_that_does_not_keep_up_gets_what_it_takes_in_the_target_time() {
        let mut pressure = Pressure::new(TIMEOUT);
        let shedder = pressure.shedder();
        let start = Instant::now();
        let mut durable = |millis: u64, waited: u64| {
            let now = start + Duration::from_millis(millis + 10_000);
            pressure.durable(1_000, now - Duration::from_millis(waited), now, now);
        };
        for millis in 0..2_000 {
            durable(millis, if millis % 2 == 0 { 400 } else { 3_000 });
        }
        assert_eq!(shedder.limit(), usize::MAX);
        for millis in 2_000..4_000 {
            durable(millis, 1_100);
        }
        // A megabyte a second for one second.
        assert!((990_000..1_010_000).contains(&shedder.limit()), "{}", shedder.limit());
        let first = shedder.admit(900_000).unwrap();
        assert!(shedder.admit(200_000).is_none());
        drop(first);
        // One may always wait.
        assert!(shedder.admit(5_000_000).is_some());
        for millis in 4_000..6_000 {
            durable(millis, 500);
        }
        assert!(shedder.limit() >= 1_980_000, "{}", shedder.limit());
    }
}
