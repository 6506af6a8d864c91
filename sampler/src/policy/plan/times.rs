//! Which times of spans tell how long a trace lasted.
//!
//! Senders get times wrong: they do not know one and say 0, count microseconds where nanoseconds
//! are wanted, which is a day in January 1970, or the largest number there is, or have a clock that
//! was never set. One such span among good ones would make a trace last decades. So a time is
//! **near** if it is not far from the one at which its frame came into the log, and otherwise
//! **far**; and where a trace has near times, far ones do not count. Where it has none (old
//! traffic that is sent again, a log whose clock is wrong) the far ones count as they are. A start
//! and an end of which only one is near say nothing together: the trace lasted 0.
//!
//! A record holds the least start and the greatest end, each in one word, in which the highest bit
//! tells near from far so that near ones win.

/// How long before its frame a near time may be. Nothing that is traced takes longer, as a rule.
const BEFORE_MS: u64 = 7 * 24 * 3_600_000;
/// How long after its frame: spans are sent when they have ended, so this is all for clocks that
/// are ahead.
const AFTER_MS: u64 = 3_600_000;

const NS_PER_MS: u64 = 1_000_000;
/// In the word of a start: that it is far. In the word of an end: that it is near.
const MARK: u64 = 1 << 63;
/// The word of a start that nobody has told, greater than all others.
pub(super) const NO_START: u64 = u64::MAX;
/// The word of an end that nobody has told.
pub(super) const NO_END: u64 = 0;

/// The times that are near.
#[derive(Clone, Copy, Debug)]
pub struct NearTimes {
    from: u64,
    width: u64,
}

/// What a span tells of when it was, as the words of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Whether a time is far, or the end before the start.
    pub(super) odd: bool,
}

impl NearTimes {
    /// All that a 64-bit number can tell of times up to the year 2262, where nobody knows when spans
    /// came.
    pub const ANY: Self = Self { from: 0, width: MARK - 1 };

    /// What is near for spans of a frame with the time `arrived_ms`, in milliseconds since the Unix
    /// epoch: from seven days before to an hour after it.
    #[must_use]
    pub const fn to(arrived_ms: u64) -> Self {
        let from = arrived_ms.saturating_sub(BEFORE_MS).saturating_mul(NS_PER_MS);
        let until = arrived_ms.saturating_add(AFTER_MS).saturating_mul(NS_PER_MS);
        // Numbers above have no place in a word.
        let until = if until < MARK { until } else { MARK - 1 };
        let from = if from < until { from } else { until };
        Self { from, width: until - from }
    }

    #[inline]
    const fn has(self, ns: u64) -> bool {
        ns.wrapping_sub(self.from) <= self.width
    }

    /// What a span tells that began at `start` and ended at `end`, in nanoseconds, 0 for unknown. One
    /// that ends before it starts tells nothing: either may be the wrong one.
    #[inline]
    pub(super) const fn words(self, start: u64, end: u64) -> Words {
        if self.has(start) && self.has(end) && 0 < start && start <= end {
            return Words { start, end: end | MARK, odd: false };
        }
        self.odd_words(start, end)
    }

    #[cold]
    const fn odd_words(self, start: u64, end: u64) -> Words {
        const fn far(ns: u64) -> u64 {
            if ns < MARK { ns } else { MARK - 1 }
        }
        let (near_start, near_end) = (self.has(start), self.has(end));
        let told = start != 0 && end != 0;
        if told && near_start == near_end && end < start {
            return Words { start: NO_START, end: NO_END, odd: true };
        }
        let odd = start != 0 && !near_start || end != 0 && !near_end;
        let start = match start {
            0 => NO_START,
            start if near_start => start,
            start => far(start) | MARK,
        };
        let end = match end {
            0 => NO_END,
            end if near_end => end | MARK,
            end => far(end),
        };
        Words { start, end, odd }
    }
}

/// How long spans lasted together, of whom no record tells it.
#[derive(Clone, Copy, Debug)]
pub struct Lasting {
    start: u64,
    end: u64,
}

impl Default for Lasting {
    fn default() -> Self {
        Self { start: NO_START, end: NO_END }
    }
}

impl Lasting {
    /// Adds a span from `start` to `end`, in nanoseconds, 0 for unknown.
    pub fn add(&mut self, near: NearTimes, start: u64, end: u64) {
        let words = near.words(start, end);
        self.start = self.start.min(words.start);
        self.end = self.end.max(words.end);
    }

    /// From the first start to the last end, in nanoseconds; 0 where they cannot be told.
    #[must_use]
    pub const fn duration_ns(&self) -> u64 {
        duration_ns(self.start, self.end)
    }
}

/// From the least start to the greatest end, in nanoseconds.
pub(super) const fn duration_ns(start: u64, end: u64) -> u64 {
    let far_start = start & MARK != 0;
    let near_end = end & MARK != 0;
    if start == NO_START || end == NO_END || far_start == near_end {
        return 0;
    }
    (end & !MARK).saturating_sub(start & !MARK)
}

/// The greatest end, in nanoseconds.
pub(super) const fn end_ns(end: u64) -> u64 {
    end & !MARK
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_790_000_000_000;
    const NOW: u64 = NOW_MS * NS_PER_MS;
    const MS: u64 = NS_PER_MS;
    const DAY: u64 = 24 * 3_600_000 * MS;
    /// What a sender says that counts in microseconds.
    const MICROS: u64 = NOW / 1000;

    /// How many milliseconds a trace of these spans lasted that came in a frame of the time [`NOW_MS`],
    /// in any order.
    fn lasted(spans: &[(u64, u64)]) -> u64 {
        let near = NearTimes::to(NOW_MS);
        let fold = |(start, end): (u64, u64), span: &(u64, u64)| {
            let words = near.words(span.0, span.1);
            (start.min(words.start), end.max(words.end))
        };
        let (start, end) = spans.iter().fold((NO_START, NO_END), fold);
        assert_eq!(spans.iter().rev().fold((NO_START, NO_END), fold), (start, end));
        duration_ns(start, end) / MS
    }

    /// A good trace of 500 ms lasts that with each of these spans in it.
    #[test]
    fn trap_04_odd_times_do_not_move_the_latency_of_a_trace() {
        let good = (NOW - 900 * MS, NOW - 400 * MS);
        assert_eq!(lasted(&[good]), 500);
        for (what, odd) in [
            ("no times", (0, 0)),
            ("no start", (0, NOW - 500 * MS)),
            ("no end", (NOW - 800 * MS, 0)),
            ("no start, and the duration for an end", (0, 5 * MS)),
            ("the first moments of 1970", (1, 2)),
            ("microseconds", (MICROS, MICROS + 5_000)),
            ("a start in microseconds", (MICROS, NOW - 500 * MS)),
            ("an end in microseconds", (NOW - 700 * MS, MICROS)),
            ("milliseconds", (NOW_MS, NOW_MS + 5)),
            ("seconds", (NOW_MS / 1000, NOW_MS / 1000 + 1)),
            ("the year 2262", (i64::MAX.cast_unsigned() - 5, i64::MAX.cast_unsigned())),
            ("an end in the year 2262", (NOW - 700 * MS, i64::MAX.cast_unsigned())),
            ("an end that never comes", (NOW - 700 * MS, u64::MAX)),
            ("the last moments there are", (u64::MAX - 1, u64::MAX)),
            ("a clock that was never set", (NOW - 9000 * DAY, NOW - 9000 * DAY + MS)),
            ("a clock eight days behind", (NOW - 8 * DAY, NOW - 8 * DAY + MS)),
            ("a clock two hours ahead", (NOW + 7_200_000 * MS, NOW + 7_200_001 * MS)),
            ("an end before the start", (NOW - 100 * MS, NOW - 200 * MS)),
            ("an end before the start, outside", (NOW + 5000 * MS, NOW - 5000 * MS)),
        ] {
            assert_eq!(lasted(&[good, odd]), 500, "{what}");
            assert_eq!(lasted(&[odd, good, odd]), 500, "{what}");
        }
    }

    /// What cannot be told is 0, and never decades.
    #[test]
    fn odd_times_alone_make_no_latency() {
        for (spans, ms) in [
            (vec![], 0),
            (vec![(0, 0)], 0),
            (vec![(NOW, 0)], 0),
            (vec![(0, NOW)], 0),
            (vec![(0, NOW), (NOW - 30 * MS, 0)], 30),
            (vec![(MICROS, NOW)], 0),
            (vec![(NOW, u64::MAX)], 0),
            (vec![(1, NOW)], 0),
            (vec![(NOW, NOW - MS)], 0),
            // A small skew moves it: what is true cannot be known.
            (vec![(NOW, NOW + MS), (NOW + 60_000 * MS, NOW + 60_001 * MS)], 60_001),
        ] {
            assert_eq!(lasted(&spans), ms, "{spans:?}");
        }
    }

    /// A trace with nothing near lasts what its times say.
    #[test]
    fn old_traffic_counts_among_itself() {
        let then = NOW - 4000 * DAY;
        assert_eq!(lasted(&[(then, then + 5 * MS), (then + 2 * MS, then + 9 * MS)]), 9);
        assert_eq!(lasted(&[(5 * MS, 9 * MS), (0, 12 * MS), (8 * MS, 6 * MS)]), 7);
        assert_eq!(end_ns(NearTimes::to(NOW_MS).words(then, then + 5).end), then + 5);
        assert_eq!(end_ns(NearTimes::to(NOW_MS).words(NOW, NOW + 5).end), NOW + 5);
    }

    /// Up to the bounds themselves, whatever the time of the log is.
    #[test]
    fn near_has_bounds() {
        let near = |ns| !NearTimes::to(NOW_MS).words(ns, ns).odd;
        let (first, last) = (NOW - 7 * DAY, NOW + 3_600_000 * MS);
        assert_eq!([first - 1, first, last, last + 1].map(near), [false, true, true, false]);
        for arrived in [0, 1, u64::MAX / MS, u64::MAX] {
            let words = NearTimes::to(arrived).words(MICROS, MICROS + 5);
            assert_eq!(duration_ns(words.start, words.end), 5, "{arrived}");
        }
        assert!(!NearTimes::ANY.words(1, MARK - 1).odd);
    }
}
