//! Stopping in order, and tasks whose end is noticed.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFuture, WaitForCancellationFutureOwned},
    task::TaskTracker,
};

/// Tasks that panicked, by name.
pub(crate) const PANICS: &str = "wholetrace_process_task_panics_total";

/// Tells every part of the process to stop. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    failure: Arc<Mutex<Option<String>>>,
}

impl Shutdown {
    /// Nothing has asked to stop yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything to stop.
    pub fn request(&self) {
        self.token.cancel();
    }

    /// Asks everything to stop because of `reason`; the process then ends with a failure. The
    /// first reason stays.
    pub fn fail(&self, reason: impl Into<String>) {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| reason.into());
        self.token.cancel();
    }

    /// Why the process must end with a failure, if it must.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether stopping was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Resolves once stopping is asked for.
    #[must_use]
    pub fn requested(&self) -> WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }

    /// The same, without a borrow.
    #[must_use]
    pub fn requested_owned(&self) -> WaitForCancellationFutureOwned {
        self.token.clone().cancelled_owned()
    }

    /// A part that can be stopped alone; stopping this one stops it too. Failures are shared.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { token: self.token.child_token(), failure: self.failure.clone() }
    }
}

/// Named tasks of one part of the process. A task that panics is logged, counted, and stops the
/// process in order.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: Shutdown,
    panicked: Arc<AtomicBool>,
}

impl Tasks {
    /// No tasks yet; a panic among them calls [`Shutdown::fail`] on `shutdown`.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self { tracker: TaskTracker::new(), shutdown, panicked: Arc::default() }
    }

    /// Runs `task` on the current runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let running = self.tracker.spawn(task);
        let (shutdown, panicked) = (self.shutdown.clone(), self.panicked.clone());
        self.tracker.spawn(async move {
            if let Err(error) = running.await
                && error.is_panic()
            {
                panicked.store(true, Ordering::Relaxed);
                metrics::counter!(PANICS, "task" => name).increment(1);
                tracing::error!(task = name, "a task panicked, the process stops: {error}");
                shutdown.fail(format!("task `{name}` panicked"));
            }
        });
    }

    /// Waits until all tasks have ended, at most `bound`; `false` when some had not by then.
    pub async fn join(&self, bound: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(bound, self.tracker.wait()).await.is_ok()
    }

    /// How many tasks have not ended.
    #[must_use]
    pub fn running(&self) -> usize {
        // Each task has a watcher of its own.
        self.tracker.len().div_ceil(2)
    }

    /// Whether any of them panicked.
    #[must_use]
    pub fn panicked(&self) -> bool {
        self.panicked.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_stops_the_process_with_its_reason() {
        let shutdown = Shutdown::new();
        let tasks = Tasks::new(shutdown.clone());
        tasks.spawn("calm", shutdown.requested_owned());
        tasks.spawn("broken", async { panic!("on purpose") });
        shutdown.requested().await;
        assert!(tasks.join(Duration::from_secs(10)).await);
        assert!(tasks.panicked());
        assert_eq!(shutdown.failure().as_deref(), Some("task `broken` panicked"));
    }

    #[tokio::test]
    async fn a_task_that_does_not_stop_is_not_waited_for_for_ever() {
        let tasks = Tasks::new(Shutdown::new());
        tasks.spawn("stubborn", std::future::pending());
        assert!(!tasks.join(Duration::from_millis(1)).await);
        assert_eq!(tasks.running(), 1);
    }
}
