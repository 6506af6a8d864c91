//! What clients tell of themselves: log lines, errors, figures.

use std::{collections::HashMap, sync::Arc};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError as ClientError, RDKafkaErrorCode},
};
use serde::Deserialize;

use super::{fate::Fate, metrics::ClientMeters};

/// What one client tells, and to whom.
pub(super) struct Events {
    client: &'static str,
    fate: Arc<Fate>,
    meters: ClientMeters,
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
    /// Of `client`, one of the values of the metrics' label.
    pub(super) fn new(client: &'static str, fate: &Arc<Fate>) -> Self {
        Self { client, fate: Arc::clone(fate), meters: ClientMeters::new(client) }
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
        let reason = if up == 0 { self.fate.last_error() } else { None };
        let trouble = reason.map(|reason| format!("no broker is connected: {reason}"));
        self.fate.trouble(self.client, trouble);
        // In microseconds and in milliseconds.
        self.meters.round_trip.set(round_trip / 1e6);
        self.meters.throttle.set(throttle / 1e3);
    }
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        use RDKafkaLogLevel as Level;
        let client = self.client;
        match level {
            Level::Emerg | Level::Alert | Level::Critical => {
                tracing::error!(client, fac, "{message}");
            }
            // A broker that is away is told once, by `error`; here it floods.
            Level::Error | Level::Warning if matches!(fac, "FAIL" | "ERROR") => {
                tracing::debug!(client, fac, "{message}");
            }
            Level::Error | Level::Warning => tracing::warn!(client, fac, "{message}"),
            Level::Notice | Level::Info | Level::Debug => {
                tracing::debug!(client, fac, "{message}");
            }
        }
    }

    fn stats_raw(&self, json: &[u8]) {
        self.figures(json);
    }

    fn error(&self, error: ClientError, reason: &str) {
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        self.meters.errors.increment(1);
        if code == Some(RDKafkaErrorCode::Fatal) {
            let client = self.client;
            self.fate.end(&format!("the Kafka client `{client}` cannot go on: {reason}"));
            return;
        }
        // The last of several messages: the broker's own words came before, and say more.
        if code == Some(RDKafkaErrorCode::AllBrokersDown) && self.fate.last_error().is_some() {
            return;
        }
        let text = if reason.is_empty() { error.to_string() } else { reason.to_owned() };
        self.fate.failed(self.client, text);
    }
}

impl ConsumerContext for Events {}
