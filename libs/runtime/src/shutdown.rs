//! Stopping in order, and tasks whose end is noticed.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFuture, WaitForCancellationFutureOwned},
    task::TaskTracker,
};

use crate::metrics::process::task_panicked;

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
    pub fn requested(&self) -> WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }

    /// The same, without a borrow.
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
/// process in order: nothing goes on half. Clones share the tasks.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: Shutdown,
    running: Arc<Mutex<Running>>,
}

#[derive(Debug, Default)]
struct Running {
    next: u64,
    names: BTreeMap<u64, &'static str>,
}

impl Tasks {
    /// No tasks yet; a panic among them calls [`Shutdown::fail`] on `shutdown`.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self { tracker: TaskTracker::new(), shutdown, running: Arc::default() }
    }

    /// Runs `task` on the current runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let entry = Entry::new(&self.running, name);
        let shutdown = self.shutdown.clone();
        self.tracker.spawn(async move {
            let _entry = entry;
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                task_panicked(name);
                let text = panic_text(&*panic);
                tracing::error!(task = name, "a task panicked, the process stops: {text}");
                shutdown.fail(format!("task `{name}` panicked: {text}"));
            }
        });
    }

    /// As [`spawn`](Self::spawn), for a task that can fail: its error is logged and stops the
    /// process in order.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn_fallible<E: fmt::Display>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let shutdown = self.shutdown.clone();
        self.spawn(name, async move {
            if let Err(error) = task.await {
                tracing::error!(task = name, "a task failed, the process stops: {error}");
                shutdown.fail(format!("{name}: {error}"));
            }
        });
    }

    /// Waits until all tasks have ended, at most `bound`; `false` when some had not by then. They
    /// are logged, and go on.
    pub async fn join(&self, bound: Duration) -> bool {
        self.tracker.close();
        let ended = tokio::time::timeout(bound, self.tracker.wait()).await.is_ok();
        if !ended {
            tracing::warn!(tasks = self.names().join(", "), "tasks did not end in time");
        }
        ended
    }

    /// Names of the tasks that have not ended, in the order they were begun.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        lock(&self.running).names.values().copied().collect()
    }

    /// How many tasks have not ended.
    #[must_use]
    pub fn running(&self) -> usize {
        lock(&self.running).names.len()
    }
}

/// The place of a running task in the list of names.
struct Entry {
    running: Arc<Mutex<Running>>,
    id: u64,
}

impl Entry {
    fn new(running: &Arc<Mutex<Running>>, name: &'static str) -> Self {
        let mut list = lock(running);
        let id = list.next;
        list.next += 1;
        list.names.insert(id, name);
        drop(list);
        Self { running: Arc::clone(running), id }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.running).names.remove(&self.id);
    }
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
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
        assert!(tasks.join(Duration::from_secs(30)).await);
        assert_eq!(shutdown.failure().as_deref(), Some("task `broken` panicked: on purpose"));
    }

    #[tokio::test]
    async fn an_error_of_a_task_stops_the_process() {
        let shutdown = Shutdown::new();
        let tasks = Tasks::new(shutdown.clone());
        tasks.spawn_fallible("log", async { Err("disk is gone") });
        assert!(tasks.join(Duration::from_secs(30)).await);
        assert_eq!(shutdown.failure().as_deref(), Some("log: disk is gone"));
    }

    #[tokio::test]
    async fn tasks_that_do_not_end_are_named() {
        let tasks = Tasks::new(Shutdown::new());
        tasks.spawn("stubborn", std::future::pending());
        assert!(!tasks.join(Duration::ZERO).await);
        assert_eq!((tasks.names(), tasks.running()), (vec!["stubborn"], 1));
    }

    #[tokio::test]
    async fn a_child_stops_alone_and_with_its_parent() {
        let parent = Shutdown::new();
        let (first, second) = (parent.child(), parent.child());
        first.request();
        assert!(first.is_requested() && !parent.is_requested() && !second.is_requested());
        parent.request();
        second.requested().await;
        assert_eq!(second.failure(), None);
    }
}
