//! The end of an ownership.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval, sleep};
use wholetrace_exporter::outcomes::Outcomes;

use crate::shell::worker::{jobs::WorkerError, shell::Shell};

/// How long what is under way may take when the process stops by itself.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked whether an exporter fails, and a commit is tried again.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How a worker is to stop: told before it is told to.
#[derive(Debug, Default)]
pub(crate) struct Leaving(Mutex<Option<(bool, Duration)>>);

impl Leaving {
    /// The partition is taken away: it may be another process's already (`lost`), or is so
    /// `within` this time.
    pub(crate) fn revoked(&self, lost: bool, within: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((lost, within));
    }

    /// Whether another process may be at work already: then there is nothing to finish.
    pub(super) fn is_lost(&self) -> bool {
        self.told().is_some_and(|(lost, _)| lost)
    }

    /// How long what is under way may take.
    pub(super) fn within(&self) -> Duration {
        self.told().map_or(STOP_WITHIN, |(_, within)| within.min(STOP_WITHIN))
    }

    fn told(&self) -> Option<(bool, Duration)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Commits what is finished at once, so that the next owner does not repeat it, and again whenever
/// something more is, until nothing is under way but with exporters that fail.
///
/// # Errors
/// When the log takes no commit of this process any more.
pub(super) async fn finish(
    shell: &mut Shell,
    outcomes: &mut Outcomes,
    within: Duration,
) -> Result<(), WorkerError> {
    shell.end();
    shell.commit();
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut settled = Vec::new();
    let end = sleep(within);
    tokio::pin!(end);
    while !shell.is_at_rest() || shell.is_committing() {
        tokio::select! {
            biased;
            () = &mut end => return Ok(()),
            done = shell.next_done() => shell.on_done(done)?,
            () = outcomes.next(&mut settled) => {
                shell.settle(std::mem::take(&mut settled));
                shell.commit();
            }
            _ = look.tick() => shell.commit(),
        }
    }
    Ok(())
}
