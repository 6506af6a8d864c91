//! How long a backend may take to answer.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// How many times as long as configured a request may take at most, where the backend is late again
/// and again.
const LONGEST: u32 = 8;

/// Answers one after the other in less than half of the configured time, after which a backend that
/// was late is taken to be in time again.
const CALM: u32 = 64;

/// The time limit of requests: as configured, and twice as long after each time that it was too
/// short. A backend that stores a request and answers too late gets it again and again else.
#[derive(Debug)]
pub(crate) struct Limit {
    configured: Duration,
    times: AtomicU32,
    calm: AtomicU32,
}

impl Limit {
    pub(crate) const fn new(configured: Duration) -> Self {
        Self { configured, times: AtomicU32::new(1), calm: AtomicU32::new(0) }
    }

    /// How long a request may take that is sent now.
    pub(crate) fn now(&self) -> Duration {
        self.configured.saturating_mul(self.times.load(Ordering::Relaxed))
    }

    /// Notes that a request had no answer within `limit`.
    pub(crate) fn too_short(&self, limit: Duration) {
        self.calm.store(0, Ordering::Relaxed);
        // Requests that were sent at the same time are one experience.
        if limit >= self.now() {
            let _ = self.times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |times| {
                Some((times * 2).min(LONGEST))
            });
        }
    }

    /// Notes that an answer took that long.
    pub(crate) fn answered(&self, took: Duration) {
        if self.times.load(Ordering::Relaxed) == 1 {
            return;
        }
        if took > self.configured / 2 {
            self.calm.store(0, Ordering::Relaxed);
        } else if self.calm.fetch_add(1, Ordering::Relaxed) + 1 >= CALM {
            self.calm.store(0, Ordering::Relaxed);
            let _ = self.times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |times| {
                Some((times / 2).max(1))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_grows_to_a_bound_and_comes_back() {
        let second = Duration::from_secs(1);
        let limit = Limit::new(second);
        for expected in [1, 2, 4, 8, 8] {
            assert_eq!(limit.now(), expected * second);
            limit.too_short(limit.now());
        }
        limit.too_short(second);
        (0..CALM).for_each(|_| limit.answered(second));
        assert_eq!(limit.now(), 8 * second);
        (0..CALM).for_each(|_| limit.answered(second / 4));
        assert_eq!(limit.now(), 4 * second);
        // Late is what was sent with the limit of now.
        limit.too_short(second);
        assert_eq!(limit.now(), 4 * second);
        (0..10 * CALM).for_each(|_| limit.answered(Duration::ZERO));
        assert_eq!(limit.now(), second);
    }
}
