//! How long to wait before a batch is sent again.

use std::time::Duration;

/// The longest wait that a backend's advice can cause.
pub const ADVICE_LIMIT: Duration = Duration::from_secs(300);

/// The shape of the waits between tries: each is `multiplier` times the one before, up to
/// `max_interval`, and spread at random by `randomization` of itself so that many senders do not
/// come back at the same moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// The first wait.
    pub initial_interval: Duration,
    /// The longest wait.
    pub max_interval: Duration,
    /// Growth from one wait to the next, at least 1.
    pub multiplier: f64,
    /// Spread of each wait, 0..=1: 0.5 makes 10 s anything from 5 s to 15 s.
    pub randomization: f64,
    /// How long something has to fail before it can be given up, whatever speaks against it. Zero:
    /// for ever.
    pub max_elapsed_time: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(30),
            multiplier: 1.5,
            randomization: 0.5,
            max_elapsed_time: Duration::from_secs(300),
        }
    }
}

/// The waits of one batch.
#[derive(Clone, Debug)]
pub struct Backoff {
    policy: RetryPolicy,
    interval: Duration,
}

impl Backoff {
    /// The waits that `policy` says, from its first.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self { policy, interval: policy.initial_interval.min(policy.max_interval) }
    }

    /// The next wait. The backend's `advice` makes it longer (up to [`ADVICE_LIMIT`]), never
    /// shorter. `random` is a number in 0..1.
    pub fn next_wait(&mut self, advice: Option<Duration>, random: f64) -> Duration {
        let spread = self.policy.randomization.clamp(0.0, 1.0);
        let factor = 1.0 + spread * 2.0f64.mul_add(random.clamp(0.0, 1.0), -1.0);
        let wait = scaled(self.interval, factor);
        self.interval =
            scaled(self.interval, self.policy.multiplier.max(1.0)).min(self.policy.max_interval);
        advice.map_or(wait, |advice| wait.max(advice.min(ADVICE_LIMIT)))
    }

    /// The wait after a refusal that only a person can end: the longest one at once.
    pub fn longest_wait(&mut self, random: f64) -> Duration {
        self.interval = self.policy.max_interval;
        self.next_wait(None, random)
    }
}

/// `duration` times `factor`; what cannot be represented is a day.
fn scaled(duration: Duration, factor: f64) -> Duration {
    const DAY: Duration = Duration::from_secs(86_400);
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(DAY).min(DAY)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_grow_to_the_maximum() {
        let policy = RetryPolicy {
            initial_interval: Duration::from_secs(5),
            max_interval: Duration::from_secs(30),
            multiplier: 2.0,
            randomization: 0.0,
            ..RetryPolicy::default()
        };
        let mut backoff = Backoff::new(policy);
        let waits: Vec<u64> = (0..5).map(|_| backoff.next_wait(None, 0.3).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 30, 30]);
    }

    #[test]
    fn advice_only_lengthens_and_is_bounded() {
        let mut backoff = Backoff::new(RetryPolicy { randomization: 0.0, ..Default::default() });
        let second = Duration::from_secs(1);
        assert_eq!(backoff.clone().next_wait(Some(Duration::ZERO), 0.0), second);
        assert_eq!(backoff.clone().next_wait(Some(7 * second), 0.0), 7 * second);
        assert_eq!(backoff.next_wait(Some(Duration::MAX), 0.0), ADVICE_LIMIT);
    }

    #[test]
    fn a_barred_exporter_waits_longest_at_once() {
        let mut backoff = Backoff::new(RetryPolicy { randomization: 0.0, ..Default::default() });
        assert_eq!(backoff.longest_wait(0.0), Duration::from_secs(30));
    }

    proptest! {
        #[test]
        fn prop_waits_stay_within_their_spread(
            initial in 1u64..10_000,
            max in 1u64..100_000,
            multiplier in 0.0f64..1e9,
            randomization in -1.0f64..3.0,
            randoms in proptest::collection::vec(-0.5f64..1.5, 1..40),
        ) {
            let policy = RetryPolicy {
                initial_interval: Duration::from_millis(initial),
                max_interval: Duration::from_millis(max),
                multiplier,
                randomization,
                ..RetryPolicy::default()
            };
            let mut backoff = Backoff::new(policy);
            for random in randoms {
                prop_assert!(backoff.next_wait(None, random) <= Duration::from_millis(2 * max));
            }
        }
    }
}
