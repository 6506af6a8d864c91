//! Says when a planned span leaves its service.
//!
//! At a given rate a span leaves once it has ended, a late one later; spans of one trace so come
//! from several services, spread over time and out of order. Without a rate there is no clock:
//! the spans of some hundred traces are mixed and leave at once.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::shape::Trace;

/// How many traces are mixed when there is no rate.
pub(crate) const MIXED_TRACES: usize = 256;

/// A span that waits to leave: due time in microseconds since the run began, its trace and its
/// place in it.
type Waiting = Reverse<(u64, usize, usize)>;

/// Spans of open traces in the order in which they leave.
#[derive(Default)]
pub(crate) struct Schedule {
    waiting: BinaryHeap<Waiting>,
    /// Traces with spans left, by slot: the trace, its start and how many spans are left.
    traces: Vec<Option<(Trace, u64, usize)>>,
    free: Vec<usize>,
}

impl Schedule {
    /// Takes a trace that starts at `now` (microseconds since the run began).
    pub(crate) fn begin(&mut self, trace: Trace, now: u64, late_by: u64) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.traces.push(None);
            self.traces.len() - 1
        });
        for (index, span) in trace.spans.iter().enumerate() {
            let late = if span.late { late_by } else { 0 };
            self.waiting.push(Reverse((now + span.start + span.duration + late, slot, index)));
        }
        let left = trace.spans.len();
        if let Some(place) = self.traces.get_mut(slot) {
            *place = Some((trace, now, left));
        }
    }

    /// When the last span that waits is due, in microseconds since the run began.
    pub(crate) fn last_due(&self) -> Option<u64> {
        self.waiting.iter().map(|Reverse((due, ..))| *due).max()
    }

    /// Gives spans due at `now` to `leave`, with their traces and the traces' starts: `most` of them,
    /// the first ones. Tells whether there are more.
    pub(crate) fn due(
        &mut self,
        now: u64,
        most: usize,
        mut leave: impl FnMut(&Trace, u64, usize),
    ) -> bool {
        let mut left_now = 0;
        while let Some(&Reverse((due, slot, index))) = self.waiting.peek() {
            if due > now {
                return false;
            }
            if left_now == most {
                return true;
            }
            left_now += 1;
            self.waiting.pop();
            let Some(place) = self.traces.get_mut(slot) else { continue };
            let Some((trace, start, left)) = place else { continue };
            leave(trace, *start, index);
            *left -= 1;
            if *left == 0 {
                *place = None;
                self.free.push(slot);
            }
        }
        false
    }

    /// When the next span is due; `None` when no span waits.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.waiting.peek().map(|Reverse((due, ..))| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Span;

    fn span(id: u64, end: u64, late: bool) -> Span {
        Span {
            id,
            parent: None,
            service: 0,
            second_operation: false,
            start: 0,
            duration: end,
            error: false,
            late,
        }
    }

    #[test]
    fn spans_leave_when_they_end_and_late_ones_later() {
        let spans = vec![span(1, 500, false), span(2, 100, false), span(3, 100, true)];
        let trace = Trace { id: [1; 16], spans, error: false, slow: false, late: true };
        let mut schedule = Schedule::default();
        schedule.begin(trace, 1_000, 10_000);
        let mut left = Vec::new();
        schedule.due(1_099, 9, |trace, _, index| left.push(trace.spans[index].id));
        assert!(left.is_empty());
        assert!(schedule.due(1_500, 1, |trace, _, index| left.push(trace.spans[index].id)));
        assert_eq!(left, [2]);
        assert!(!schedule.due(1_500, 9, |trace, _, index| left.push(trace.spans[index].id)));
        assert_eq!(left, [2, 1]);
        assert_eq!(schedule.next_due(), Some(11_100));
        schedule.due(11_100, 9, |trace, start, index| left.push(trace.spans[index].id + start));
        assert_eq!(left, [2, 1, 1_003]);
        assert_eq!(schedule.next_due(), None);
    }
}
