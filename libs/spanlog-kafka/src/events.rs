//! What clients tell of themselves: log lines, errors, figures.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rdkafka::{
    ClientContext,
    client::Client,
    config::{ClientConfig, RDKafkaLogLevel},
    consumer::ConsumerContext,
    error::{KafkaError as ClientError, RDKafkaErrorCode},
};
use serde::Deserialize;
use wholetrace_kafka::{Bootstrap, plain};

use super::{health::ClientHealth, metrics::ClientMeters};

/// Where the log lines, errors and statistics of one client go.
pub(super) struct Events {
    client: &'static str,
    health: Arc<ClientHealth>,
    meters: ClientMeters,
    /// Whether this client does no work, not yet or not any more: what it meets says nothing of how
    /// the log is doing.
    idle: AtomicBool,
    /// The last error of an idle client.
    last_error: Mutex<Option<String>>,
    bootstrap: Bootstrap,
}

/// The figures that are looked at: a few of some hundred.
#[derive(Deserialize)]
struct Figures {
    #[serde(default)]
    brokers: HashMap<String, Broker>,
}

#[derive(Deserialize)]
struct Broker {
    nodeid: i64,
    state: String,
    #[serde(default)]
    rtt: Window,
    #[serde(default)]
    throttle: Window,
}

#[derive(Default, Deserialize)]
struct Window {
    #[serde(default)]
    avg: f64,
    #[serde(default)]
    max: f64,
}

impl Events {
    /// Of `client`, one of the values of the metrics' label, which will have these `settings`.
    pub(super) fn new(
        client: &'static str,
        settings: &ClientConfig,
        health: &Arc<ClientHealth>,
    ) -> Self {
        Self {
            client,
            health: Arc::clone(health),
            meters: ClientMeters::new(client),
            idle: AtomicBool::new(false),
            last_error: Mutex::default(),
            bootstrap: Bootstrap::new(settings),
        }
    }

    /// The same of a client that does no work yet.
    pub(super) fn idle(self) -> Self {
        self.set_idle(true);
        self
    }

    /// States whether the client does work.
    pub(super) fn set_idle(&self, idle: bool) {
        self.idle.store(idle, Ordering::Release);
    }

    /// Takes only of the client's statistics whether it has forgotten all brokers.
    pub(super) fn look(&self, statistics: &[u8]) {
        self.bootstrap.look(statistics);
    }

    /// Has the `client` begin again if it has forgotten all brokers; to be called whenever it is polled.
    pub(super) fn remind<C: ClientContext>(&self, client: &Client<C>) {
        self.bootstrap.remind(client);
    }

    /// The last error that the client met while it was idle.
    pub(super) fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_idle(&self) -> bool {
        self.idle.load(Ordering::Acquire)
    }

    fn figures(&self, json: &[u8]) {
        let Ok(figures) = serde_json::from_slice::<Figures>(json) else { return };
        // Brokers without a number are bootstrap addresses and the group's coordinator.
        let brokers = figures.brokers.values().filter(|broker| broker.nodeid >= 0);
        let (mut up, mut round_trip, mut throttle) = (0_u32, 0.0_f64, 0.0_f64);
        for broker in brokers {
            up += u32::from(broker.state == "UP");
            round_trip = round_trip.max(broker.rtt.avg);
            throttle = throttle.max(broker.throttle.max);
        }
        self.meters.brokers.set(up);
        let reason = if up == 0 { self.health.last_error() } else { None };
        let trouble = reason.map(|reason| format!("no broker is connected: {reason}"));
        self.health.trouble(self.client, trouble);
        // In microseconds and in milliseconds.
        self.meters.round_trip.set(round_trip / 1e6);
        self.meters.throttle.set(throttle / 1e3);
    }
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        use RDKafkaLogLevel as Level;
        let client = self.client;
        if self.is_idle() {
            tracing::debug!(client, fac, "{message}");
            return;
        }
        match level {
            Level::Emerg | Level::Alert | Level::Critical => {
                tracing::error!(client, fac, "{message}");
            }
            // A broker that is away is told once, by `error`; here it floods. But that a broker hangs
            // up on us, as when it wants TLS, is said only here.
            Level::Error | Level::Warning if matches!(fac, "FAIL" | "ERROR") => {
                tracing::debug!(client, fac, "{message}");
                self.health.noted(client, plain(message));
            }
            Level::Error | Level::Warning => tracing::warn!(client, fac, "{message}"),
            Level::Notice | Level::Info | Level::Debug => {
                tracing::debug!(client, fac, "{message}");
                if fac == "FAIL" {
                    self.health.noted(client, plain(message));
                }
            }
        }
    }

    fn stats_raw(&self, json: &[u8]) {
        self.look(json);
        if !self.is_idle() {
            self.figures(json);
        }
    }

    fn error(&self, error: ClientError, reason: &str) {
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        let text = if reason.is_empty() { error.to_string() } else { plain(reason).to_owned() };
        if self.is_idle() {
            // The last of several messages says less than those before.
            let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
            if code != Some(RDKafkaErrorCode::AllBrokersDown) || last.is_none() {
                *last = Some(text);
            }
            return;
        }
        self.meters.errors.increment(1);
        if code == Some(RDKafkaErrorCode::Fatal) {
            let client = self.client;
            self.health.end(&format!("the Kafka client `{client}` cannot go on: {reason}"));
            return;
        }
        // The last of several messages: the broker's own words came before, and say more.
        if code == Some(RDKafkaErrorCode::AllBrokersDown) && self.health.last_error().is_some() {
            return;
        }
        self.health.failed(self.client, text);
    }
}

impl ConsumerContext for Events {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_client_are_understood() {
        let json = br#"{"ts":1,"brokers":{
            "a:1/1":{"nodeid":1,"state":"UP","rtt":{"avg":1500,"max":9},"throttle":{"max":20}},
            "a:1/bootstrap":{"nodeid":-1,"state":"UP"},
            "b:1/2":{"nodeid":2,"state":"CONNECT"}}}"#;
        let figures: Figures = serde_json::from_slice(json).unwrap();
        assert_eq!(figures.brokers.len(), 3);
        assert!((figures.brokers["a:1/1"].rtt.avg - 1500.0).abs() < 1e-9);
    }
}
