//! Binds the listeners, runs the receivers, drains them.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wholetrace_runtime::{
    listen, memory,
    shutdown::{Shutdown, Tasks},
    tls::TlsError,
    units::HumanDuration,
};
use wholetrace_spanlog::{Writer, routing::Routing};

use crate::{
    admission::{lease::InFlightBudget, memory::MemoryGate, tenants::Tenants},
    config::{GatewayConfig, http::KeepaliveServerConfig, limits::LimitsConfig},
    http::{
        connection::{ConnectionLimits, Stop},
        cors, open_files,
        server::Server,
        stack::{Admission, HttpReceiver, stack},
    },
    ingest::framer::{Framer, Framing, Ingest, ingest},
    intake::Intake,
    metrics::{IngestMetrics, ListenerMetrics, ReceiverMetrics},
    receiver::listener::Listener,
};

/// How often the gate on the process's memory looks at it.
const MEMORY_LOOK: Duration = Duration::from_millis(250);

/// A receiver could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The endpoint cannot be listened on.
    #[error(transparent)]
    Listen(#[from] listen::BindError),
    /// The certificate of a listener cannot be used.
    #[error("`{receiver}` cannot serve TLS: {error}")]
    Tls {
        /// Name of the receiver and its protocol.
        receiver: String,
        /// What is wrong.
        error: TlsError,
    },
    /// The system does not say where the listener is.
    #[error("`{receiver}` has no address: {error}")]
    Address {
        /// Name of the receiver and its protocol.
        receiver: String,
        /// What the system says.
        error: io::Error,
    },
}

/// A gateway whose listeners are bound: senders can connect, and are served once it runs.
pub struct Gateway {
    servers: Vec<Server>,
    addresses: BTreeMap<String, SocketAddr>,
    framer: Framer,
    memory: MemoryGate,
    /// With the time between two looks at their files.
    tenants: (Tenants, Duration),
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
            addresses: BTreeMap::new(),
        };
        for listener in config.receivers.listeners() {
            binder.bind(listener).await?;
        }
        let Binder { servers, addresses, .. } = binder;
        let drain_timeout = limits.drain_timeout.get();
        Ok(Self { servers, addresses, framer, memory, tenants, drain_timeout })
    }

    /// The addresses listened on, by receiver: `otlp/grpc`, `otlp/http`, `zipkin`. Real ports,
    /// also where the configuration says 0.
    #[must_use]
    pub const fn addresses(&self) -> &BTreeMap<String, SocketAddr> {
        &self.addresses
    }

    /// Serves until shutdown is requested, then drains: nothing more is accepted, requests that
    /// have begun are finished, or cut off after the drain timeout; what was handed to the log is
    /// answered.
    pub async fn run(self, shutdown: Shutdown) {
        let Self { servers, framer, memory, tenants, drain_timeout, .. } = self;
        let tasks = Tasks::new(shutdown.clone());
        let connections = TaskTracker::new();
        let cut = CancellationToken::new();
        // The framer outlives the request for shutdown: it ends with the last stack.
        tasks.spawn("gateway framer", framer.run());
        tasks.spawn("gateway memory", watch_memory(memory, shutdown.clone()));
        let (tenants, interval) = tenants;
        tasks.spawn("gateway tokens", watch_tokens(tenants, interval, shutdown.clone()));
        for server in servers {
            let stop = Stop { drain: shutdown.clone(), cut: cut.clone() };
            tasks.spawn("gateway listener", server.run(stop, connections.clone()));
        }
        shutdown.requested().await;
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

/// Reads files of tokens again that have changed; an `interval` of zero is never.
async fn watch_tokens(tenants: Tenants, interval: Duration, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(interval), if !interval.is_zero() => {}
        }
        let tenants = tenants.clone();
        // It panics or is cancelled at the end of the process only.
        let _ = tokio::task::spawn_blocking(move || tenants.look()).await;
    }
}

/// Binds listeners one after the other.
struct Binder<'a> {
    limits: &'a LimitsConfig,
    routing: Routing,
    ingest: Ingest,
    admission: Admission,
    connections: Arc<Semaphore>,
    servers: Vec<Server>,
    addresses: BTreeMap<String, SocketAddr>,
}

impl Binder<'_> {
    async fn bind(&mut self, config: Listener<'_>) -> Result<(), BindError> {
        let name = &config.name;
        let tls = config
            .tls
            .map(|tls| tls.reloading(name, config.routes.alpn()))
            .transpose()
            .map_err(|error| BindError::Tls { receiver: name.clone(), error })?;
        let listener = listen::bind(&config.setting(), config.endpoint).await?;
        let address = listener
            .local_addr()
            .map_err(|error| BindError::Address { receiver: name.clone(), error })?;
        if tls.is_none() && !address.ip().is_loopback() {
            tracing::warn!(receiver = name, %address, "open to the network and not encrypted");
        }
        self.addresses.insert(name.clone(), address);
        // The largest message: as configured, or as there is always room for.
        let largest = config.message.bytes().min(self.limits.largest(config.need()));
        let metrics = ReceiverMetrics::new(name);
        let intake = Intake {
            routing: self.routing.clone(),
            ingest: self.ingest.clone(),
            message_bytes_max: usize::try_from(largest).unwrap_or(usize::MAX),
            span_bytes_max: self.limits.span_bytes.as_usize(),
            metrics: metrics.clone(),
        };
        let receiver = HttpReceiver {
            routes: config.routes,
            admission: self.admission.clone(),
            intake: Arc::new(intake),
            metrics,
        };
        self.servers.push(Server {
            listener,
            tls,
            stack: stack(receiver, config.cors.map(cors::layer)),
            limits: connection_limits(self.limits, &config.keepalive),
            in_flight: self.admission.in_flight.clone(),
            connections: Arc::clone(&self.connections),
            metrics: ListenerMetrics::new(name),
        });
        Ok(())
    }
}

/// Bounds of the connections of a listener.
fn connection_limits(limits: &LimitsConfig, keepalive: &KeepaliveServerConfig) -> ConnectionLimits {
    let bounded = |time: HumanDuration| Some(time.get()).filter(|time| !time.is_zero());
    let idle_timeout = limits.idle_timeout.get();
    ConnectionLimits {
        header_timeout: limits.header_timeout.get(),
        idle_timeout: bounded(keepalive.max_connection_idle)
            .map_or(idle_timeout, |idle| idle.min(idle_timeout)),
        age: bounded(keepalive.max_connection_age),
        age_grace: bounded(keepalive.max_connection_age_grace),
        header_bytes: limits.header_bytes.as_usize(),
        streams: limits.streams_per_connection,
        keepalive: (keepalive.time.get(), keepalive.timeout.get()),
    }
}
