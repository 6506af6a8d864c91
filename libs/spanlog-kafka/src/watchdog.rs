//! Looks after the threads that must not hang.
//!
//! Kafka does not notice: polling any queue of a client counts as being alive.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use super::health::ClientHealth;

/// How often it looks.
const TICK: Duration = Duration::from_secs(1);

/// After so many looks without a sign of life the log is said to be in trouble.
const TROUBLE: u32 = 12;

/// After so many the process has to end: others cannot take its partitions while it seems alive.
const OVER: u32 = 60;

/// What was seen last. Counts its own looks and no time: a process that was stopped, or a machine
/// that slept, wakes up with old times and nothing wrong.
#[derive(Default)]
pub(super) struct Watchdog {
    seen: Vec<u64>,
    still: u32,
}

impl Watchdog {
    /// `beats`: counters that move as long as their threads are well.
    pub(super) fn look(&mut self, health: &ClientHealth, beats: &[u64]) {
        let moved = beats.len() != self.seen.len()
            || beats.iter().zip(&self.seen).all(|(now, before)| now != before);
        self.still = if moved { 0 } else { self.still + 1 };
        self.seen = beats.to_vec();
        let hangs = || format!("the thread of the group does nothing for {} s", self.still);
        health.trouble("watchdog", (self.still >= TROUBLE).then(hangs));
        if self.still >= OVER {
            health.end(&hangs());
        }
    }
}

/// Runs `tick` every second on a thread of its own until the other end of `ended` is dropped.
pub(super) fn start(
    tick: impl Fn(&mut Watchdog) + Send + 'static,
    ended: Receiver<()>,
) -> io::Result<()> {
    let watch = move || {
        let mut dog = Watchdog::default();
        while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            tick(&mut dog);
        }
    };
    std::thread::Builder::new().name("wholetrace-watch".to_owned()).spawn(watch).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_hangs_is_told_and_then_ends_the_process() {
        let (mut dog, health) = (Watchdog::default(), ClientHealth::new());
        for beat in 0..100 {
            dog.look(&health, &[beat, beat]);
        }
        assert_eq!(health.worst(), None);
        // One of the two hangs.
        for beat in 0..TROUBLE {
            dog.look(&health, &[99, 100 + u64::from(beat)]);
        }
        assert!(
            health.worst().is_some_and(|text| text.contains("for 12 s")),
            "{:?}",
            health.worst()
        );
        assert_eq!(health.cause(), None);
        dog.look(&health, &[100, 200]);
        assert_eq!(health.worst(), None);
        for beat in 0..OVER {
            dog.look(&health, &[100, 300 + u64::from(beat)]);
        }
        assert!(health.cause().is_some());
    }

    #[test]
    fn without_members_there_is_nothing_to_hang() {
        let (mut dog, health) = (Watchdog::default(), ClientHealth::new());
        for _ in 0..200 {
            dog.look(&health, &[]);
        }
        assert_eq!(health.worst(), None);
    }
}
