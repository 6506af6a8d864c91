//! Who may use this machine: most tests beside others, those that measure a rate alone.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The tests that use brokers now.
struct Running {
    /// Those that mind no others.
    beside: usize,
    /// One runs that minds them, or waits for them to end: no other begins.
    alone: bool,
}

static RUNNING: Mutex<Running> = Mutex::new(Running { beside: 0, alone: false });
static CHANGED: Condvar = Condvar::new();

/// Leave to use the machine, until it is dropped.
pub(crate) struct Leave {
    alone: bool,
}

impl Leave {
    /// Waits until no test runs that wants to be alone.
    pub(crate) fn beside_others() -> Self {
        let mut running = wait_while(running(), |running| running.alone);
        running.beside += 1;
        Self { alone: false }
    }

    /// Waits until no other test runs. None begins before it is dropped.
    pub(crate) fn alone() -> Self {
        let mut running = wait_while(running(), |running| running.alone);
        running.alone = true;
        drop(wait_while(running, |running| running.beside > 0));
        Self { alone: true }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut running = running();
        if self.alone {
            running.alone = false;
        } else {
            running.beside -= 1;
        }
        CHANGED.notify_all();
    }
}

fn running() -> MutexGuard<'static, Running> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_while(
    running: MutexGuard<'static, Running>,
    busy: impl Fn(&Running) -> bool,
) -> MutexGuard<'static, Running> {
    CHANGED.wait_while(running, |running| busy(running)).unwrap_or_else(PoisonError::into_inner)
}
