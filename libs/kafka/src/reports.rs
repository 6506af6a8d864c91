//! What a client says of itself: log lines and errors.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    client::Client,
    config::{ClientConfig, RDKafkaLogLevel},
    error::{KafkaError, RDKafkaErrorCode},
};
use wholetrace_kafka_bootstrap::Bootstrap;

/// How often a client's errors are told in the log of the process: while a broker is away the same one
/// comes many times a second.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// How long an error says something about now: a client repeats itself every 30 s only.
const FRESH: Duration = Duration::from_secs(60);

/// Takes what the client of one exporter or receiver says of itself, for its `ClientContext`.
#[derive(Debug)]
pub struct Reports {
    /// Whose client it is.
    user: String,
    last: Mutex<Option<Last>>,
    bootstrap: Bootstrap,
}

/// The last error.
#[derive(Debug)]
struct Last {
    text: String,
    at: Instant,
    told: Option<Instant>,
    untold: u64,
    fatal: bool,
}

impl Reports {
    /// Of the client of `user`, the name of an exporter or receiver, which will have these `settings`.
    #[must_use]
    pub fn new(user: &str, settings: &ClientConfig) -> Self {
        Self { user: user.to_owned(), last: Mutex::default(), bootstrap: Bootstrap::new(settings) }
    }

    /// What the client counts, for `ClientContext::stats_raw`.
    pub fn statistics(&self, json: &[u8]) {
        self.bootstrap.look(json);
    }

    /// Has the `client` begin again if it has forgotten all brokers; to be called whenever it is polled.
    pub fn remind<C: ClientContext>(&self, client: &Client<C>) {
        self.bootstrap.remind(client);
    }

    /// A log line of the client, for `ClientContext::log`.
    pub fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        use RDKafkaLogLevel as Level;
        let user = &self.user;
        match level {
            Level::Emerg | Level::Alert | Level::Critical => {
                tracing::error!(user, fac, "{message}");
            }
            // It may come with any change of a group's members. Nobody can do anything about it, and
            // nothing is lost.
            Level::Error | Level::Warning if fac == "COMMITFAIL" && is_outrun(message) => {
                tracing::info!(user, fac, "{message}; read again from the last mark");
            }
            // An idempotent producer gets its number from brokers that may just be starting: it goes on
            // asking.
            Level::Error | Level::Warning if !matches!(fac, "FAIL" | "ERROR" | "GETPID") => {
                tracing::warn!(user, fac, "{message}");
            }
            // What is an error is told by `error`, once; here it floods. But that a broker hangs up on
            // us, as when it wants TLS, is said only here.
            _ => {
                tracing::debug!(user, fac, "{message}");
                if matches!(fac, "FAIL" | "ERROR") {
                    drop(self.note(plain(message), Instant::now()));
                }
            }
        }
    }

    /// An error of the client, for `ClientContext::error`.
    pub fn error(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        // The last of several messages: the broker's own words came before, and say more.
        let vague = code == Some(RDKafkaErrorCode::AllBrokersDown) && self.last_error().is_some();
        if code == Some(RDKafkaErrorCode::PartitionEOF) || vague {
            return;
        }
        let text = if reason.is_empty() { error.to_string() } else { plain(reason).to_owned() };
        let now = Instant::now();
        let mut last = self.note(&text, now);
        let Some(last) = last.as_mut() else { return };
        last.fatal |= code == Some(RDKafkaErrorCode::Fatal);
        if last.told.is_some_and(|told| now.saturating_duration_since(told) < TELL_EVERY) {
            last.untold += 1;
            return;
        }
        last.told = Some(now);
        let untold = std::mem::take(&mut last.untold);
        tracing::warn!(
            user = self.user,
            error = text,
            untold,
            "the Kafka client reports a problem"
        );
    }

    /// What went wrong last, if that is not long ago.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        let last = self.last();
        last.as_ref().filter(|last| last.at.elapsed() < FRESH).map(|last| last.text.clone())
    }

    /// Whether the client has met an error after which it does no more work.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.last().as_ref().is_some_and(|last| last.fatal)
    }

    fn note(&self, text: &str, now: Instant) -> MutexGuard<'_, Option<Last>> {
        let mut last = self.last();
        let new = Last { text: String::new(), at: now, told: None, untold: 0, fatal: false };
        let found = last.get_or_insert(new);
        (found.text, found.at) = (text.to_owned(), now);
        last
    }

    fn last(&self) -> MutexGuard<'_, Option<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a commit failed because the group has other members, or a new generation, since.
fn is_outrun(message: &str) -> bool {
    let reasons = ["group generation id is not valid", "Unknown member", "rebalance in progress"];
    reasons.iter().any(|reason| message.contains(reason))
}

/// A reason without what only the client's makers understand:
/// `broker/1: what happened` of `[thrd:broker/1]: broker/1: what happened (after 3ms in state …)`.
#[must_use]
pub fn plain(reason: &str) -> &str {
    let said = reason.split_once("]: ").map_or(reason, |(_, said)| said);
    said.split_once(" (after ").map_or(said, |(said, _)| said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_said_plainly() {
        let reason = "[thrd:localhost:1/bootstrap]: localhost:1/bootstrap: Connect to \
                      ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
        let said = "localhost:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused";
        assert_eq!(plain(reason), said);
        assert_eq!(plain("3/3 brokers are down"), "3/3 brokers are down");
    }

    #[test]
    fn only_commits_that_a_group_has_outrun_are_harmless() {
        let failed =
            "Offset commit (manual) failed for 1/1 partition(s) in join-state init: Broker: ";
        let is = |why| is_outrun(&format!("{failed}{why}: spans((null))[0]@164(Broker: {why})"));
        assert!(is("Specified group generation id is not valid"));
        assert!(is("Unknown member") && is("Group rebalance in progress"));
        assert!(!is("Group authorization failed") && !is("Offset metadata string too large"));
    }

    /// That all brokers are away says less than why the last of them is.
    #[test]
    fn the_reason_that_says_most_is_kept() {
        let reports = Reports::new("kafka", &ClientConfig::new());
        let error = |code| KafkaError::Global(code);
        reports.error(&error(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(reports.last_error().as_deref(), Some("1/1 brokers are down"));
        reports.error(&error(RDKafkaErrorCode::Authentication), "[thrd:a]: a:1: not you");
        reports.error(&error(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(reports.last_error().as_deref(), Some("a:1: not you"));
        assert!(!reports.is_fatal());
        reports.error(&error(RDKafkaErrorCode::Fatal), "the end");
        assert!(reports.is_fatal());
    }
}
