//! How the whole is doing, as the clients see it: what went wrong last, and whether all is over.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

/// How often the same client's errors are told in the log of the process.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// How long an error says something about now: the client repeats itself every 30 s only.
const FRESH: Duration = Duration::from_secs(60);

/// How the clients of one log are doing.
pub(super) struct ClientHealth {
    closed: AtomicBool,
    /// Why all is over, once it is.
    end: watch::Sender<Option<String>>,
    /// What went wrong last, by client.
    errors: Mutex<BTreeMap<&'static str, Failure>>,
    /// What is wrong at the moment, by client.
    troubles: Mutex<BTreeMap<&'static str, String>>,
}

/// What a client said went wrong.
struct Failure {
    text: String,
    at: Instant,
    told: Instant,
    untold: u64,
}

impl ClientHealth {
    pub(super) fn new() -> Self {
        Self {
            closed: AtomicBool::new(false),
            end: watch::Sender::new(None),
            errors: Mutex::default(),
            troubles: Mutex::default(),
        }
    }

    /// From now on nothing is taken any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The process has to end, because of `cause`. The first cause counts.
    pub(super) fn end(&self, cause: &str) {
        let first = self.end.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                *end = Some(cause.to_owned());
            }
            first
        });
        if first {
            tracing::error!(cause, "the log over Kafka has ended");
        }
    }

    /// Why all is over, if it is.
    pub(super) fn cause(&self) -> Option<String> {
        self.end.borrow().clone()
    }

    /// Resolves with the cause once all is over.
    pub(super) async fn ended(&self) -> String {
        let mut end = self.end.subscribe();
        let cause = end.wait_for(Option::is_some).await;
        // The sender lives as long as this.
        cause.ok().and_then(|cause| cause.clone()).unwrap_or_default()
    }

    /// `client` met an error. The same one floods while a broker is away: it is a state, and told
    /// now and then.
    pub(super) fn failed(&self, client: &'static str, text: String) {
        let now = Instant::now();
        let mut errors = self.errors();
        let quiet = errors.get(client).is_some_and(|last| now - last.told < TELL_EVERY);
        let (told, untold) = match errors.get(client) {
            Some(last) if quiet => (last.told, last.untold + 1),
            last => {
                let untold = last.map_or(0, |last| last.untold);
                tracing::warn!(client, error = text, untold, "the Kafka client reports a problem");
                (now, 0)
            }
        };
        errors.insert(client, Failure { text, at: now, told, untold });
    }

    /// `client` has something to say that explains an error, should there be one.
    pub(super) fn noted(&self, client: &'static str, text: &str) {
        let now = Instant::now();
        let mut errors = self.errors();
        // Not told yet: the first error is.
        let told = now.checked_sub(TELL_EVERY).unwrap_or(now);
        let note = || Failure { text: String::new(), at: now, told, untold: 0 };
        let last = errors.entry(client).or_insert_with(note);
        (last.text, last.at) = (text.to_owned(), now);
    }

    /// What went wrong last with any client, if that is not long ago.
    pub(super) fn last_error(&self) -> Option<String> {
        let errors = self.errors();
        let fresh = errors.values().filter(|failure| failure.at.elapsed() < FRESH);
        fresh.max_by_key(|failure| failure.at).map(|failure| failure.text.clone())
    }

    /// States what is wrong with `who` at the moment, or that nothing is.
    pub(super) fn trouble(&self, who: &'static str, what: Option<String>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            Some(what) => drop(troubles.insert(who, what)),
            None => drop(troubles.remove(who)),
        }
    }

    /// What is wrong at the moment, if anything.
    pub(super) fn worst(&self) -> Option<String> {
        let cause = self.cause();
        cause.or_else(|| {
            let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
            troubles.values().next().cloned()
        })
    }

    fn errors(&self) -> MutexGuard<'_, BTreeMap<&'static str, Failure>> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
