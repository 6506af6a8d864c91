//! How far the log's time has come in a partition.

use serde::{Deserialize, Serialize};
use wholetrace_spanlog::LogTime;

/// A step forward that counts only as far as the next record confirms it, in milliseconds. Where
/// traces are open, ticks are nearer to each other than this.
const JUMP: u64 = 5_000;
/// How long append times may stay below what was reached before the clock counts as set back, in
/// milliseconds of those times. Clocks of brokers that differ by less cost no more than a pause.
pub(crate) const SET_BACK: u64 = 10_000;
/// How far a record moves the time at most while it is ahead of the append times, in milliseconds.
/// What the append times step forward beyond that brings them nearer.
const APPROACH: u64 = 2_000;

/// What an append time says about the log's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advance {
    /// The record counts at this time.
    To(LogTime),
    /// The time is far ahead: only the [next record](Watermark::confirm) tells whether it counts.
    Unconfirmed,
}

/// What was odd about append times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Oddities {
    /// Records whose time is far ahead of both their neighbours.
    pub(crate) unconfirmed: u64,
    /// Records whose time is below what was reached.
    pub(crate) below: u64,
    /// Times that the clock counted as set back.
    pub(crate) set_back: u64,
}

/// The log's time: the largest append time read so far, as a rule. Everything that is decided
/// depends on it and on no other clock.
///
/// It never goes back. Every reader of the log that begins with the watermark of a commit gets the same
/// times. Append times come from clocks that are set and that differ between brokers, so:
///
/// * A time below the watermark counts as the watermark.
/// * A time far ahead counts unless the next record contradicts it: one broker with a wrong clock does
///   not decide the open traces.
/// * When append times stay below the watermark and move on there, the clock was set back. From then on
///   the watermark moves on with them, at a constant distance; it would stand still else until they
///   have caught up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watermark {
    /// What is reached; 0 before the first record.
    #[serde(rename = "time", skip_serializing_if = "is_zero")]
    now: u64,
    /// How far that is ahead of the append times.
    #[serde(skip_serializing_if = "is_zero")]
    ahead: u64,
    /// The lowest of the append times since they are below what was reached; 0 if they are not.
    #[serde(skip_serializing_if = "is_zero")]
    below: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Watermark {
    /// Takes in the append time of the next record. Taking in the same one again changes nothing.
    pub(crate) fn advance(&mut self, time: LogTime, odd: &mut Oddities) -> Advance {
        let LogTime(time) = time;
        if self.now == 0 {
            self.now = time;
        } else if time > self.now.saturating_add(JUMP) {
            return Advance::Unconfirmed;
        } else {
            self.follow(time, odd);
        }
        Advance::To(self.now())
    }

    /// The time that counts for a record whose append time `time` is unconfirmed, by the append
    /// time of the record behind it, if that has one.
    pub(crate) fn confirm(
        &mut self,
        time: LogTime,
        next: Option<LogTime>,
        odd: &mut Oddities,
    ) -> LogTime {
        let next = next.unwrap_or(time);
        if time.0 > next.0.saturating_add(JUMP) {
            odd.unconfirmed += 1;
            if next.0 > self.now {
                self.reach(next.0);
            }
        } else {
            self.reach(time.0);
        }
        self.now()
    }

    fn follow(&mut self, time: u64, odd: &mut Oddities) {
        let moved = time.saturating_add(self.ahead);
        if moved >= self.now {
            let most = if self.ahead > 0 { self.now.saturating_add(APPROACH) } else { moved };
            self.now = moved.min(most).max(time);
            (self.ahead, self.below) = (self.now - time, 0);
            return;
        }
        odd.below += 1;
        if self.below == 0 || time < self.below {
            self.below = time.max(1);
        }
        if time > self.below.saturating_add(SET_BACK) {
            odd.set_back += 1;
            (self.ahead, self.below) = (self.now - time, 0);
        }
    }

    const fn reach(&mut self, time: u64) {
        (self.now, self.ahead, self.below) = (time, 0, 0);
    }

    /// The time reached.
    pub(crate) const fn now(self) -> LogTime {
        LogTime(self.now)
    }

    /// The append time, about, at which the time reached was reached.
    pub(crate) const fn append_time(self) -> LogTime {
        LogTime(self.now - self.ahead)
    }

    /// How far the time reached is ahead of the append times, in milliseconds.
    pub(crate) const fn ahead(self) -> u64 {
        self.ahead
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The times that count for records with these append times, and what was odd.
    fn counted(watermark: &mut Watermark, times: &[u64]) -> (Vec<u64>, Oddities) {
        let (mut counted, mut odd) = (Vec::new(), Oddities::default());
        for (index, time) in times.iter().enumerate() {
            let next = times.get(index + 1).copied().map(LogTime);
            counted.push(match watermark.advance(LogTime(*time), &mut odd) {
                Advance::To(time) => time.0,
                Advance::Unconfirmed => watermark.confirm(LogTime(*time), next, &mut odd).0,
            });
        }
        (counted, odd)
    }

    fn from_the_beginning(times: &[u64]) -> (Vec<u64>, Oddities) {
        counted(&mut Watermark::default(), times)
    }

    #[test]
    fn never_goes_back() {
        let (counted, odd) = from_the_beginning(&[5, 3, 4, 8]);
        assert_eq!(counted, [5, 5, 5, 8]);
        assert_eq!(odd, Oddities { below: 2, ..Oddities::default() });
    }

    #[test]
    fn a_jump_counts_as_far_as_the_next_record_confirms_it() {
        const HOUR: u64 = 3_600_000;
        for (times, expected, unconfirmed) in [
            ([1_000, HOUR, 1_100, 1_200], [1_000, 1_100, 1_100, 1_200], 1),
            ([1_000, HOUR, HOUR + 7, HOUR + 8], [1_000, HOUR, HOUR + 7, HOUR + 8], 0),
            ([1_000, HOUR, HOUR - 7, HOUR + 1], [1_000, HOUR, HOUR, HOUR + 1], 0),
            ([1_000, 2 * HOUR, HOUR, HOUR], [1_000, HOUR, HOUR, HOUR], 1),
            ([1_000, HOUR, 10, 1_001], [1_000, 1_000, 1_000, 1_001], 1),
        ] {
            let (counted, odd) = from_the_beginning(&times);
            assert_eq!((counted.as_slice(), odd.unconfirmed), (&expected[..], unconfirmed));
        }
    }

    /// A clock two hours ahead is corrected: after a pause the time goes on, as fast as the clock.
    #[test]
    fn goes_on_when_the_clock_was_set_back() {
        const AHEAD: u64 = 7_200_000;
        let corrected: Vec<u64> = (0..30).map(|second| 1_000_000 + second * 1_000).collect();
        let times = [&[1_000_000 + AHEAD], corrected.as_slice()].concat();
        let mut watermark = Watermark::default();
        let (counted, odd) = self::counted(&mut watermark, &times);
        assert_eq!(odd.set_back, 1);
        let from = counted[0];
        assert!(counted[..13].iter().all(|time| *time == from));
        assert_eq!(counted[13..], (1..19).map(|second| from + second * 1_000).collect::<Vec<_>>());
        // Where nothing is in the log for a while, it comes nearer to the clock.
        let later = 1_000_000 + AHEAD / 2;
        let mut odd = Oddities::default();
        assert_eq!(
            watermark.advance(LogTime(later), &mut odd),
            Advance::To(LogTime(from + 20_000))
        );
        assert_eq!(watermark.ahead(), from + 20_000 - later);
    }

    /// Writers whose clocks differ take turns: the time is that of the fastest.
    #[test]
    fn writers_with_different_clocks_do_not_speed_the_time_up() {
        let times: Vec<u64> =
            (0..4_000).map(|i| 10_000_000 + i * 100 + (i / 50 % 2) * 3_600_000).collect();
        let (counted, odd) = from_the_beginning(&times);
        assert_eq!((counted.last(), odd.set_back), (times.last(), 0));
    }

    fn times() -> impl Strategy<Value = Vec<u64>> {
        let step = prop_oneof![
            8 => 0_i64..400,
            2 => -2_000_i64..2_000,
            1 => -40_000_i64..40_000,
            1 => -4_000_000_i64..4_000_000,
        ];
        prop::collection::vec(step, 1..120).prop_map(|steps| {
            let mut now = 100_000_000_i64;
            let moved = steps.into_iter().map(|step| {
                now = (now + step).max(1);
                now.unsigned_abs()
            });
            moved.collect()
        })
    }

    proptest! {
        /// Whoever begins at a record with what stood in the commit, before it or behind it,
        /// counts the same times.
        #[test]
        fn prop_all_readers_agree(times in times(), at in 0_usize..120) {
            let at = at % times.len();
            let (all, _) = from_the_beginning(&times);
            prop_assert!(all.is_sorted());
            let mut before = Watermark::default();
            let mut odd = Oddities::default();
            let mut behind = before;
            for (index, time) in times[..=at].iter().enumerate() {
                before = behind;
                if behind.advance(LogTime(*time), &mut odd) == Advance::Unconfirmed {
                    let next = times.get(index + 1).copied().map(LogTime);
                    behind.confirm(LogTime(*time), next, &mut odd);
                }
            }
            for mut start in [before, behind] {
                let (rest, _) = counted(&mut start, &times[at..]);
                prop_assert_eq!(&rest, &all[at..]);
            }
        }
    }
}
