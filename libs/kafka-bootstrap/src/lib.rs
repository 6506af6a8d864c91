//! Tells clients that know no broker any more where to begin again.
//!
//! A client drops brokers that metadata do not name any more (librdkafka, from 2.10 on). The last broker
//! of a cluster that stops in order, as when all are started anew or the only one is, answers until the
//! end, and may name none. A client that believes it has nobody left to ask, and never asks again: what
//! it writes times out, what it reads does not come, until the process is started anew. This was seen
//! with 2.12.1, now and then, when a broker was stopped on a busy machine.
//!
//! What a client knows stands in its statistics: [`Bootstrap::look`] takes them from its context, and
//! [`Bootstrap::remind`] is for the thread that polls it. The interface of `rdkafka` has no way to add
//! brokers; librdkafka's own has, and calling it is all that this crate is for.

use std::{
    collections::HashMap,
    ffi::CString,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rdkafka::{
    ClientContext, bindings::rd_kafka_brokers_add, client::Client, config::ClientConfig,
};
use serde::Deserialize;

/// How often a client counts what it has. With hundreds of partitions that is a document of some 100 KB
/// each time.
const INTERVAL: Duration = Duration::from_secs(10);

/// Has a client with these `settings` give its statistics, every 10 s. It has to be polled: they wait for
/// that.
pub fn count(settings: &mut ClientConfig) {
    settings.set("statistics.interval.ms", INTERVAL.as_millis().to_string());
}

/// The part of a client's statistics that is looked at.
#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    brokers: HashMap<String, Broker>,
}

#[derive(Deserialize)]
struct Broker {
    #[serde(default)]
    source: String,
}

/// Where one client begins, and whether it has forgotten all brokers.
#[derive(Debug)]
pub struct Bootstrap {
    servers: CString,
    forgotten: AtomicBool,
}

impl Bootstrap {
    /// Of a client with these `settings`, of which it takes `bootstrap.servers`.
    #[must_use]
    pub fn new(settings: &ClientConfig) -> Self {
        let servers = settings.get("bootstrap.servers").unwrap_or_default();
        // No client is made with a zero byte in its settings.
        let servers = CString::new(servers).unwrap_or_default();
        Self { servers, forgotten: AtomicBool::new(false) }
    }

    /// Takes the statistics of the client, a JSON document, for `ClientContext::stats_raw`. Gives whether
    /// it knows no broker: none that the cluster told of, and none to begin with. What cannot be read
    /// tells nothing.
    pub fn look(&self, statistics: &[u8]) -> bool {
        let Ok(statistics) = serde_json::from_slice::<Statistics>(statistics) else { return false };
        // The coordinator of a group is another name for one of the others.
        let forgotten = statistics.brokers.values().all(|broker| broker.source == "logical");
        self.forgotten.store(forgotten, Ordering::Release);
        forgotten
    }

    /// Tells the `client` its bootstrap brokers again if it has forgotten all. It connects to one of them
    /// within about a second, and what waits to be written is written then. Cheap; to be called whenever
    /// the client is polled.
    pub fn remind<C: ClientContext>(&self, client: &Client<C>) {
        if !self.forgotten.swap(false, Ordering::AcqRel) {
            return;
        }
        let added = self.add_to(client);
        let servers = self.servers.to_string_lossy();
        tracing::info!(%servers, added, "a Kafka client knew no broker any more: it begins again");
    }

    /// How many brokers there are now of those to begin with.
    #[expect(unsafe_code, reason = "rdkafka has no such call")]
    fn add_to<C: ClientContext>(&self, client: &Client<C>) -> i32 {
        // SAFETY: the handle is that of a client that lives as long as this borrow of it, and the call is
        // for any thread (rdkafka.h). The text ends with a zero byte, lives until the call is over, and
        // is copied by it.
        unsafe { rd_kafka_brokers_add(client.native_ptr(), self.servers.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rdkafka::{
        consumer::{BaseConsumer, Consumer as _, ConsumerContext},
        mocking::MockCluster,
    };

    use super::*;

    struct Context(Arc<Bootstrap>);

    impl ClientContext for Context {
        fn stats_raw(&self, statistics: &[u8]) {
            self.0.look(statistics);
        }
    }

    impl ConsumerContext for Context {}

    #[test]
    fn who_knows_nobody_is_told_by_the_statistics() {
        let bootstrap = Bootstrap::new(&ClientConfig::new());
        for (brokers, forgotten) in [
            (r#"{"a:1/1":{"nodeid":1,"source":"learned","state":"DOWN"}}"#, false),
            (r#"{"a:1/bootstrap":{"nodeid":-1,"source":"configured","state":"INIT"}}"#, false),
            (r#"{"GroupCoordinator":{"nodeid":-1,"source":"logical","state":"INIT"}}"#, true),
            ("{}", true),
            ("[]", false),
        ] {
            let statistics = format!(r#"{{"ts":1,"brokers":{brokers}}}"#);
            assert_eq!(bootstrap.look(statistics.as_bytes()), forgotten, "{brokers}");
        }
    }

    /// One that was made without any is as one that has forgotten all.
    #[test]
    fn a_client_that_knows_nobody_finds_the_cluster() {
        let cluster = MockCluster::new(1).unwrap();
        let mut settings = ClientConfig::new();
        settings.set("group.id", "any").set("statistics.interval.ms", "50");
        let mut known = settings.clone();
        known.set("bootstrap.servers", cluster.bootstrap_servers());
        let bootstrap = Arc::new(Bootstrap::new(&known));
        let client: BaseConsumer<Context> =
            settings.create_with_context(Context(Arc::clone(&bootstrap))).unwrap();
        let short = Duration::from_millis(200);
        assert!(client.fetch_metadata(None, short).is_err(), "it knows somebody");
        loop {
            assert!(client.poll(short).is_none_or(|polled| polled.is_err()));
            bootstrap.remind(client.client());
            if let Ok(metadata) = client.fetch_metadata(None, short) {
                assert_eq!(metadata.brokers().len(), 1);
                break;
            }
        }
        // Now it knows the broker, and is told nothing.
        for _ in 0..5 {
            assert!(client.poll(short).is_none_or(|polled| polled.is_err()));
            assert!(!bootstrap.forgotten.load(Ordering::Acquire));
        }
    }
}
