//! What a client says beside its answers: the only place where it tells why it cannot connect.

use std::sync::{Mutex, PoisonError};

use rdkafka::{
    ClientContext, config::RDKafkaLogLevel, consumer::ConsumerContext, error::KafkaError,
};

/// Remembers the last reason that a client gave for not being connected.
#[derive(Debug, Default)]
pub(crate) struct Reasons(Mutex<Option<String>>);

impl Reasons {
    /// The last reason.
    pub(crate) fn last(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, reason: &str) {
        // `[thrd:broker/1]: broker/1: what happened (after 3ms in state CONNECT, …)`
        let said = reason.split("]: ").nth(1).unwrap_or(reason);
        let said = said.split(" (after ").next().unwrap_or(said);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(said.to_owned());
    }
}

impl ClientContext for Reasons {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, "{message}");
        if facility == "FAIL" {
            self.tell(message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "{reason}");
        // "All brokers are down" follows from what was said before.
        if error.rdkafka_error_code() != Some(rdkafka::types::RDKafkaErrorCode::AllBrokersDown) {
            self.tell(reason);
        }
    }
}

impl ConsumerContext for Reasons {}
