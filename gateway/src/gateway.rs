//! Binds the listeners, runs the receivers, drains them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wholetrace_runtime::{
    memory,
    shutdown::{Shutdown, Tasks},
};
use wholetrace_spanlog::{Writer, routing::Routing};

#[cfg(feature = "kafka")]
use crate::kafka::KafkaSource;
use crate::{
    admission::{Admission, lease::InFlightBudget, memory::MemoryGate, tenants::Tenants},
    bind::{BindError, Binder},
    config::{GatewayConfig, limits::LimitsConfig},
    datagram::server::DatagramServer,
    http::{connection::Stop, open_files, server::Server, socket::Address},
    ingest::framer::{Framer, Framing, ingest},
    metrics::IngestMetrics,
    remote_sampling::source::StrategySource,
};

/// How often the gate on the process's memory looks at it.
const MEMORY_LOOK: Duration = Duration::from_millis(250);

/// A gateway whose listeners are bound: senders can connect, and are served once it runs.
pub struct Gateway {
    servers: Vec<Server>,
    datagram_servers: Vec<DatagramServer>,
    addresses: BTreeMap<String, Address>,
    #[cfg(feature = "kafka")]
    sources: Vec<KafkaSource>,
    framer: Framer,
    memory: MemoryGate,
    /// With the time between two looks at their files.
    tenants: (Tenants, Duration),
    /// The same of the files of sampling strategies.
    strategies: Vec<(StrategySource, Duration)>,
    /// Whether it serves, for who asks that.
    serving: watch::Sender<bool>,
    drain_timeout: Duration,
}

impl Gateway {
    /// Binds all listeners of `config`, which must have passed its check. Spans go to `writer`, to
    /// the partitions that `routing` says.
    ///
    /// # Errors
    /// The first listener that cannot be bound, or whose certificate cannot be used.
    pub async fn bind(
        config: &GatewayConfig,
        routing: Routing,
        writer: Arc<dyn Writer>,
    ) -> Result<Self, BindError> {
        let limits = &config.limits;
        let memory =
            MemoryGate::new(memory::limit(limits.process_memory.get()).unwrap_or(u64::MAX));
        let framing = Framing {
            epoch: routing.epoch(),
            frame_bytes: limits.frame_bytes.as_usize(),
            append_timeout: limits.append_timeout.get(),
            log_in_flight: limits.log_in_flight.as_usize(),
        };
        let waiting = limits.waiting_requests as usize;
        let (ingest, framer) = ingest(writer, framing, waiting, IngestMetrics::new());
        let in_flight = InFlightBudget::new(limits.in_flight.as_usize());
        let admission = Admission {
            tenants: Tenants::new(&config.authentication, &in_flight),
            memory: memory.clone(),
            in_flight,
            request_timeout: limits.request_timeout.get(),
            body_rate_min: limits.min_body_rate.as_usize(),
        };
        let tenants = (admission.tenants.clone(), config.authentication.reload_interval.get());
        let mut binder = Binder {
            limits,
            routing,
            ingest,
            admission,
            connections: Arc::new(Semaphore::new(connections(limits))),
            servers: Vec::new(),
            datagram_servers: Vec::new(),
            strategies: HashMap::new(),
            addresses: BTreeMap::new(),
            serving: watch::Sender::new(false),
        };
        for listener in config.receivers.listeners() {
            match listener.datagrams {
                Some(datagrams) => binder.bind_datagrams(&listener, datagrams).await?,
                None => binder.bind(listener).await?,
            }
        }
        #[cfg(feature = "kafka")]
        let sources = binder.sources(&config.receivers)?;
        let Binder { servers, datagram_servers, strategies, addresses, serving, .. } = binder;
        let strategies = config.receivers.0.values().filter_map(|receiver| {
            let (file, interval) = receiver.strategy_file()?;
            Some((strategies.get(file)?.clone(), interval))
        });
        let strategies = strategies.collect();
        let drain_timeout = limits.drain_timeout.get();
        Ok(Self {
            servers,
            datagram_servers,
            addresses,
            #[cfg(feature = "kafka")]
            sources,
            framer,
            memory,
            tenants,
            strategies,
            serving,
            drain_timeout,
        })
    }

    /// The addresses listened on, by receiver: `otlp/grpc`, `otlp/http`, `zipkin`. Real ports,
    /// also where the configuration says 0.
    #[must_use]
    pub const fn addresses(&self) -> &BTreeMap<String, Address> {
        &self.addresses
    }

    /// Serves until shutdown is requested, then drains: nothing more is accepted, requests that
    /// have begun are finished, or cut off after the drain timeout; what was handed to the log is
    /// answered.
    pub async fn run(self, shutdown: Shutdown) {
        let drain_timeout = self.drain_timeout;
        let Self {
            servers, datagram_servers, framer, memory, tenants, strategies, serving, ..
        } = self;
        serving.send_replace(true);
        let tasks = Tasks::new(shutdown.clone());
        let connections = TaskTracker::new();
        let cut = CancellationToken::new();
        // The framer outlives the request for shutdown: it ends with the last stack.
        tasks.spawn("gateway framer", framer.run());
        tasks.spawn("gateway memory", watch_memory(memory, shutdown.clone()));
        let (tenants, interval) = tenants;
        let look = move || tenants.look();
        tasks.spawn("gateway tokens", watch_files(look, interval, shutdown.clone()));
        for (source, interval) in strategies {
            let look = move || source.look();
            tasks.spawn("gateway strategies", watch_files(look, interval, shutdown.clone()));
        }
        #[cfg(feature = "kafka")]
        for source in self.sources {
            tasks.spawn("gateway kafka", source.run(shutdown.clone(), drain_timeout));
        }
        for server in servers {
            let stop = Stop { drain: shutdown.clone(), cut: cut.clone() };
            tasks.spawn("gateway listener", server.run(stop, connections.clone()));
        }
        for server in datagram_servers {
            let running = server.run(shutdown.clone(), connections.clone());
            tasks.spawn("gateway datagrams", running);
        }
        shutdown.requested().await;
        serving.send_replace(false);
        connections.close();
        if timeout(drain_timeout, connections.wait()).await.is_err() {
            let left = connections.len();
            tracing::warn!(connections = left, "requests did not finish before the drain timeout");
            cut.cancel();
        }
        tasks.join(drain_timeout).await;
    }
}

/// Connections as configured, or as many as the process's open files allow.
fn connections(limits: &LimitsConfig) -> usize {
    let allowed = open_files::connections(limits.connections);
    if allowed < limits.connections {
        tracing::warn!(
            connections = allowed,
            configured = limits.connections,
            "the limit of open files allows fewer connections than configured: raise it \
             (`ulimit -n`, `LimitNOFILE`)"
        );
    }
    allowed as usize
}

async fn watch_memory(gate: MemoryGate, shutdown: Shutdown) {
    loop {
        if let Some(used) = memory::resident() {
            gate.observe(used);
        }
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(MEMORY_LOOK) => {}
        }
    }
}

/// Has files read again that have changed, by `look`; an `interval` of zero is never.
async fn watch_files(
    look: impl Fn() + Clone + Send + 'static,
    interval: Duration,
    shutdown: Shutdown,
) {
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(interval), if !interval.is_zero() => {}
        }
        // It panics or is cancelled at the end of the process only.
        let _ = tokio::task::spawn_blocking(look.clone()).await;
    }
}
