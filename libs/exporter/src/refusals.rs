//! Spans that were refused for good, in the log: one line for each cause and minute, and none of them
//! left out.

use std::{
    mem::take,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use crate::journal::{CAUSES, INTERVAL, cause_of};

/// What was refused, and is not told yet.
#[derive(Debug)]
pub(crate) struct Refusals {
    exporter: String,
    endpoint: String,
    causes: Mutex<Vec<Cause>>,
}

#[derive(Debug)]
struct Cause {
    key: String,
    told: Instant,
    untold: Refused,
}

/// What one line is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Refused {
    /// The last of the reasons.
    reason: String,
    pieces: u64,
    spans: u64,
}

impl Refusals {
    pub(crate) const fn new(exporter: String, endpoint: String) -> Self {
        Self { exporter, endpoint, causes: Mutex::new(Vec::new()) }
    }

    fn causes(&self) -> MutexGuard<'_, Vec<Cause>> {
        self.causes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that so many pieces with so many spans were refused for `reason`; tells it now, unless
    /// the same was told less than a minute ago.
    pub(crate) fn note(&self, reason: &str, pieces: u64, spans: u64) {
        let refused = Refused { reason: reason.to_owned(), pieces, spans };
        let lines = add(&mut self.causes(), refused, Instant::now());
        self.tell(lines);
    }

    /// When [`tell_due`](Self::tell_due) has something to tell, if there is anything.
    pub(crate) fn due(&self) -> Option<Instant> {
        let causes = self.causes();
        causes.iter().filter(|cause| cause.untold.pieces > 0).map(Cause::due).min()
    }

    /// Tells what has gathered since the last line of its cause, where that is a minute ago.
    pub(crate) fn tell_due(&self) {
        let lines = take_due(&mut self.causes(), Instant::now());
        self.tell(lines);
    }

    /// Tells all that has gathered.
    pub(crate) fn tell_all(&self) {
        let lines = take(&mut *self.causes()).into_iter().map(|cause| cause.untold).collect();
        self.tell(lines);
    }

    fn tell(&self, lines: Vec<Refused>) {
        let (exporter, endpoint) = (&self.exporter, &self.endpoint);
        for Refused { reason, pieces, spans } in lines {
            if pieces > 0 {
                tracing::error!(
                    exporter,
                    endpoint,
                    pieces,
                    spans,
                    "put kept spans to the dead letters, the backend refuses them: {reason}: mend it, \
                     then send them again with `wholetrace dead-letters replay`"
                );
            }
        }
    }
}

impl Cause {
    fn due(&self) -> Instant {
        self.told + INTERVAL
    }
}

/// Adds `refused` to what is known. Gives what is to be told now.
fn add(causes: &mut Vec<Cause>, refused: Refused, now: Instant) -> Vec<Refused> {
    let key = cause_of(&refused.reason);
    if let Some(cause) = causes.iter_mut().find(|cause| cause.key == key) {
        cause.untold.pieces += refused.pieces;
        cause.untold.spans += refused.spans;
        cause.untold.reason = refused.reason;
        return take_due(causes, now);
    }
    let mut lines = vec![refused];
    if causes.len() >= CAUSES {
        let oldest = causes.iter().enumerate().min_by_key(|(_, cause)| cause.told);
        if let Some((oldest, _)) = oldest {
            lines.push(causes.swap_remove(oldest).untold);
        }
    }
    causes.push(Cause { key, told: now, untold: Refused::default() });
    lines
}

fn take_due(causes: &mut [Cause], now: Instant) -> Vec<Refused> {
    let due = causes.iter_mut().filter(|cause| cause.untold.pieces > 0 && cause.due() <= now);
    let told = due.map(|cause| {
        cause.told = now;
        take(&mut cause.untold)
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_cause_has_a_line_a_minute_and_nothing_is_left_out() {
        let (mut causes, began) = (Vec::new(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        let refused = |reason: &str, pieces, spans| {
            let reason = reason.to_owned();
            Refused { reason, pieces, spans }
        };
        let mut add = |seconds, reason: &str| add(&mut causes, refused(reason, 1, 3), at(seconds));
        assert_eq!(add(0, "400: line 7"), [refused("400: line 7", 1, 3)]);
        assert_eq!(add(1, "400: line 8"), []);
        assert_eq!(add(2, "400: line 9"), []);
        assert_eq!(add(2, "too old"), [refused("too old", 1, 3)]);
        assert_eq!(add(60, "too new"), [refused("too new", 1, 3)]);
        assert_eq!(add(61, "400: line 10"), [refused("400: line 10", 3, 9)]);
        assert_eq!(add(62, "400: line 11"), []);
        assert_eq!(take_due(&mut causes, at(120)), []);
        assert_eq!(take_due(&mut causes, at(121)), [refused("400: line 11", 1, 3)]);
        assert_eq!(take_due(&mut causes, at(500)), []);
    }

    #[test]
    fn causes_are_bounded_and_the_oldest_is_told_before_it_is_forgotten() {
        let (mut causes, now) = (Vec::new(), Instant::now());
        let mut told = 0;
        for number in 0..100 {
            for _ in 0..2 {
                let reason = "x".repeat(number);
                let refused = Refused { reason, pieces: 1, spans: 1 };
                told += add(&mut causes, refused, now).iter().map(|line| line.pieces).sum::<u64>();
            }
        }
        assert!(causes.len() <= CAUSES);
        let untold: u64 = causes.iter().map(|cause| cause.untold.pieces).sum();
        assert_eq!(told + untold, 200);
    }

    #[test]
    fn what_waits_to_be_told_has_a_time() {
        let refusals = Refusals::new("otlp".to_owned(), String::new());
        refusals.note("no", 1, 1);
        assert_eq!(refusals.due(), None);
        refusals.note("no", 1, 1);
        assert!(refusals.due().is_some());
        refusals.tell_all();
        assert_eq!(refusals.due(), None);
    }
}
