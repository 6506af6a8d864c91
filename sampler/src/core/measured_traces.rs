//! How large traces are, how long they last, how long they wait for their decision and how late the
//! last of their spans come: measured of some, for the metrics.
//!
//! The record of a trace holds only what the policies ask for. So that everybody sees what their traces
//! are like, whatever the policies are, one trace of 64 is measured beside its record: by bits of its
//! id, so that all of its spans agree. That is less than a byte for each trace that is open.

use std::collections::HashMap;

use wholetrace_proto::{
    id::TraceKey,
    otlp::numbers::span,
    wire::{Cursor, Value},
};
use wholetrace_spanlog::LogTime;

use crate::policy::{Lasting, NearTimes};

/// One trace of so many is measured: a power of two.
pub(crate) const ONE_IN: u64 = 64;
/// Open traces that are measured, at most: those of a million that are open. All are forgotten when
/// there are more, since ids that are no random numbers may all be chosen.
const OPEN_MAX: usize = 16 << 10;
/// Late spans that wait to be told of, at most.
const LATE_MAX: usize = 4096;

/// What a trace was like when it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeasuredTrace {
    /// Whether it is kept.
    pub kept: bool,
    /// Spans that had come.
    pub spans: u64,
    /// Their bytes, as they came.
    pub bytes: u64,
    /// From the first start to the last end, in nanoseconds.
    pub duration_ns: u64,
    /// When its first frame came into the log.
    pub first_seen: LogTime,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Traces that were decided.
    pub traces: Vec<MeasuredTrace>,
    /// How long after the decision of their trace late spans came, in milliseconds.
    pub late: Vec<u64>,
}

/// The traces that are measured.
#[derive(Debug, Default)]
pub(crate) struct MeasuredTraces {
    open: HashMap<TraceKey, Open>,
    measured: Measured,
}

#[derive(Debug, Default)]
struct Open {
    spans: u64,
    bytes: u64,
    lasting: Lasting,
}

impl MeasuredTraces {
    /// Whether the trace `key` is one of them.
    #[inline]
    const fn is_one(key: TraceKey) -> bool {
        key.0.is_multiple_of(ONE_IN)
    }

    /// A span of an open trace.
    #[inline]
    pub(crate) fn add(&mut self, key: TraceKey, body: &[u8], near: NearTimes) {
        if Self::is_one(key) {
            self.add_one(key, body, near);
        }
    }

    fn add_one(&mut self, key: TraceKey, body: &[u8], near: NearTimes) {
        if self.open.len() >= OPEN_MAX && !self.open.contains_key(&key) {
            self.open.clear();
        }
        let open = self.open.entry(key).or_default();
        open.spans += 1;
        open.bytes += body.len() as u64;
        let (start, end) = times(body);
        open.lasting.add(near, start, end);
    }

    /// A span that came `millis` after the decision of its trace.
    #[inline]
    pub(crate) fn add_late(&mut self, key: TraceKey, millis: u64) {
        if Self::is_one(key) && self.measured.late.len() < LATE_MAX {
            self.measured.late.push(millis);
        }
    }

    /// The trace `key` is decided.
    #[inline]
    pub(crate) fn decided(&mut self, key: TraceKey, first_seen: LogTime, kept: bool) {
        if Self::is_one(key)
            && let Some(Open { spans, bytes, lasting }) = self.open.remove(&key)
        {
            let duration_ns = lasting.duration_ns();
            self.measured.traces.push(MeasuredTrace {
                kept,
                spans,
                bytes,
                duration_ns,
                first_seen,
            });
        }
    }

    /// What was measured since the last call.
    pub(crate) fn take(&mut self) -> Measured {
        std::mem::take(&mut self.measured)
    }
}

/// The start and the end of a span in nanoseconds, 0 for what it does not tell.
fn times(body: &[u8]) -> (u64, u64) {
    let (mut start, mut end) = (0, 0);
    let mut fields = Cursor::new(body);
    // What is malformed is counted by who folds the span.
    while let Ok(Some(field)) = fields.next_field() {
        match (field.number, field.value) {
            (span::START_TIME_UNIX_NANO, Value::Fixed64(ns)) => start = ns,
            (span::END_TIME_UNIX_NANO, Value::Fixed64(ns)) => end = ns,
            _ => {}
        }
    }
    (start, end)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use wholetrace_proto::otlp::Span;

    use super::*;

    const NOW_MS: u64 = 1_790_000_000_000;
    const NS_PER_MS: u64 = 1_000_000;

    fn span(from_ms: u64, to_ms: u64) -> Vec<u8> {
        let at = |ms| (NOW_MS + ms) * NS_PER_MS;
        let times = (at(from_ms), at(to_ms));
        Span { start_time_unix_nano: times.0, end_time_unix_nano: times.1, ..Span::default() }
            .encode_to_vec()
    }

    fn add(measured: &mut MeasuredTraces, key: u64, span: &[u8]) {
        measured.add(TraceKey(key), span, NearTimes::to(NOW_MS));
    }

    #[test]
    fn one_trace_of_64_is_measured_whole() {
        let mut measured = MeasuredTraces::default();
        let (first, second) = (span(5, 20), span(0, 12));
        for key in [64, 65, 128] {
            add(&mut measured, key, &first);
        }
        add(&mut measured, 64, &second);
        measured.decided(TraceKey(65), LogTime(1), true);
        measured.decided(TraceKey(64), LogTime(2), true);
        measured.add_late(TraceKey(65), 7);
        measured.add_late(TraceKey(64), 8);
        let trace = MeasuredTrace {
            kept: true,
            spans: 2,
            bytes: (first.len() + second.len()) as u64,
            duration_ns: 20 * NS_PER_MS,
            first_seen: LogTime(2),
        };
        assert_eq!(measured.take(), Measured { traces: vec![trace], late: vec![8] });
        assert_eq!(measured.take(), Measured::default());
        // The last is open, and the others are not any more.
        measured.decided(TraceKey(64), LogTime(3), false);
        measured.decided(TraceKey(128), LogTime(3), false);
        assert_eq!(measured.take().traces.len(), 1);
    }

    #[test]
    fn ids_that_are_all_chosen_take_no_more_than_their_room() {
        let mut measured = MeasuredTraces::default();
        for number in 0..3 * OPEN_MAX as u64 {
            add(&mut measured, number * ONE_IN, &[]);
            measured.add_late(TraceKey(number * ONE_IN), 1);
            assert!(measured.open.len() <= OPEN_MAX);
        }
        assert_eq!(measured.take().late.len(), LATE_MAX);
    }
}
