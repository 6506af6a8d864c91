//! What is made of certificate files, and is made anew when these change.
//!
//! The files are looked at when a connection is made and the interval is over, as the Collector does
//! it: who makes connections has what the files hold now. And once an interval without any: what is told
//! of them, that they cannot be used or when they expire, is true of a process that keeps its
//! connections for weeks, too.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

use crate::{
    metrics::process,
    tls::{error::TlsError, expiry::tell_expiration, marks::FileMarks},
};

/// After files that could not be used, they are looked at this soon again if the interval is longer:
/// they may have been written half when they were read.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Without connections they are looked at this often at most.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Something made of files. Cheap to clone: clones share it.
#[derive(Clone)]
pub struct Reloading<T>(Arc<Inner<T>>);

struct Inner<T> {
    /// What it is for, in log lines: the name of an exporter or a listener.
    user: String,
    files: FileMarks,
    /// The one with the certificate that is shown to others, if one is.
    shown: Option<PathBuf>,
    /// Zero: never.
    interval: Duration,
    make: Box<dyn Fn() -> Result<T, TlsError> + Send + Sync>,
    state: Mutex<State<T>>,
}

struct State<T> {
    current: Arc<T>,
    /// What the files held when `current` was made, or when making it failed.
    seen: u64,
    look_at: Instant,
    /// A look is under way; others go on with what there is.
    looking: bool,
}

impl<T: Send + Sync + 'static> Reloading<T> {
    /// Makes it for the first time. `make` reads `files`, and is called again when they have
    /// changed, at most once an `interval`; an interval of zero is never. When the certificate in
    /// `shown` expires is told in the metrics, of what is made within a runtime: a configuration that is
    /// only checked has no user.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn new(
        user: &str,
        (files, shown): (Vec<PathBuf>, Option<PathBuf>),
        interval: Duration,
        make: impl Fn() -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let files = FileMarks::new(files);
        // First: what is written from here on is seen as a change.
        let seen = files.mark();
        let state = State {
            current: Arc::new(make()?),
            seen,
            look_at: Instant::now() + interval,
            looking: false,
        };
        let inner = Arc::new(Inner {
            user: user.to_owned(),
            files,
            shown,
            interval,
            make: Box::new(make),
            state: Mutex::new(state),
        });
        if let Ok(runtime) = Handle::try_current() {
            inner.tell_expiration();
            runtime.spawn(watch(Arc::downgrade(&inner), interval));
        }
        Ok(Self(inner))
    }

    /// What the files hold, or held when they could last be used. Files are read on a thread that may
    /// block.
    pub async fn current(&self) -> Arc<T> {
        let inner = Arc::clone(&self.0);
        if inner.is_due() {
            // It panics or is cancelled at the end of the process only.
            let _ = tokio::task::spawn_blocking(move || inner.look()).await;
        }
        Arc::clone(&self.0.state().current)
    }
}

/// Looks at the files once an `interval`, until nobody uses them any more.
async fn watch<T: Send + Sync + 'static>(inner: Weak<Inner<T>>, interval: Duration) {
    if interval.is_zero() {
        return;
    }
    loop {
        tokio::time::sleep(interval.max(WATCH_INTERVAL)).await;
        let Some(inner) = inner.upgrade() else { return };
        if inner.is_due() {
            let _ = tokio::task::spawn_blocking(move || inner.look()).await;
        }
    }
}

impl<T> Inner<T> {
    fn tell_expiration(&self) {
        if let Some(shown) = &self.shown {
            tell_expiration(shown);
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether to look at the files now; the caller that gets this answer has to.
    fn is_due(&self) -> bool {
        if self.interval.is_zero() || self.files.is_empty() {
            return false;
        }
        let mut state = self.state();
        let due = !state.looking && state.look_at <= Instant::now();
        state.looking |= due;
        due
    }

    fn look(&self) {
        let holding = self.files.mark();
        let known = self.state().seen == holding;
        let made = if known { None } else { Some((self.make)()) };
        let mut state = self.state();
        state.looking = false;
        state.look_at = Instant::now() + self.interval;
        match made {
            None => {}
            Some(Ok(made)) => {
                state.current = Arc::new(made);
                state.seen = holding;
                self.tell_expiration();
                process::tls_reloaded(true);
                tracing::info!(
                    user = self.user,
                    files = self.files.names(),
                    "certificate files have changed: new connections use them"
                );
            }
            Some(Err(error)) => {
                state.seen = holding;
                state.look_at = Instant::now() + self.interval.min(AGAIN_AFTER);
                process::tls_reloaded(false);
                tracing::warn!(
                    user = self.user,
                    files = self.files.names(),
                    %error,
                    "certificate files have changed and cannot be used: the former ones stay in \
                     use; put a certificate and the key that fits it there"
                );
            }
        }
    }
}
