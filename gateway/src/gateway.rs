//! Binds the listeners, runs the receivers, drains them.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wholetrace_runtime::{
    listen, memory,
    shutdown::{Shutdown, Tasks},
    tls::{ServerTlsConfig, TlsError},
    units::HumanDuration,
};
use wholetrace_spanlog::{Writer, routing::Routing};

use crate::{
    admission::{lease::InFlightBudget, memory::MemoryGate, tenants::Tenants},
    config::{
        GatewayConfig,
        limits::{LimitsConfig, OTLP_NEED, ZIPKIN_NEED},
        receivers::{KeepaliveServerConfig, OtlpGrpcConfig, OtlpHttpConfig, ZipkinConfig},
    },
    http::{
        connection::{ConnectionLimits, Stop},
        cors, open_files,
        server::Server,
    },
    ingest::framer::{Framer, Framing, ingest},
    metrics::{IngestMetrics, ListenerMetrics, ReceiverMetrics},
    protocol::Protocol,
    receiver::{otlp_grpc::OtlpGrpc, otlp_http::OtlpHttp, zipkin::Zipkin},
    stack::{Receiver, Shared, stack},
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
        let shared = Shared {
            routing,
            ingest,
            tenants: Tenants::new(&config.authentication, &in_flight),
            in_flight,
            memory: memory.clone(),
            span_bytes_max: limits.span_bytes.as_usize(),
            request_timeout: limits.request_timeout.get(),
            body_rate_min: limits.min_body_rate.as_usize(),
        };
        let mut binder = Binder {
            limits,
            shared,
            connections: Arc::new(Semaphore::new(connections(limits))),
            servers: Vec::new(),
            addresses: BTreeMap::new(),
        };
        for (name, otlp) in &config.receivers.otlp {
            let setting = format!("receivers.{name}.protocols");
            if let Some(grpc) = &otlp.protocols.grpc {
                let setting = format!("{setting}.grpc.endpoint");
                binder.grpc(&format!("{name}/grpc"), setting, grpc).await?;
            }
            if let Some(http) = &otlp.protocols.http {
                let setting = format!("{setting}.http.endpoint");
                binder.http(&format!("{name}/http"), setting, http).await?;
            }
        }
        for (name, zipkin) in &config.receivers.zipkin {
            binder.zipkin(name, format!("receivers.{name}.endpoint"), zipkin).await?;
        }
        let Binder { servers, addresses, shared, .. } = binder;
        let drain_timeout = limits.drain_timeout.get();
        let tenants = (shared.tenants, config.authentication.reload_interval.get());
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
    shared: Shared,
    connections: Arc<Semaphore>,
    servers: Vec<Server>,
    addresses: BTreeMap<String, SocketAddr>,
}

/// What a listener needs beside its stack.
struct Listener<'a> {
    name: &'a str,
    /// Key path of the endpoint.
    setting: String,
    endpoint: &'a str,
    tls: Option<&'a ServerTlsConfig>,
    alpn: &'static [&'static [u8]],
    keepalive: KeepaliveServerConfig,
}

impl Binder<'_> {
    /// The largest message: as configured, or as there is always room for.
    fn largest(&self, configured: u64, need: u64) -> usize {
        usize::try_from(configured.min(self.limits.largest(need))).unwrap_or(usize::MAX)
    }

    async fn grpc(
        &mut self,
        name: &str,
        setting: String,
        config: &OtlpGrpcConfig,
    ) -> Result<(), BindError> {
        let listener = Listener {
            name,
            setting,
            endpoint: &config.endpoint,
            tls: config.tls.as_ref(),
            alpn: &[b"h2"],
            keepalive: config.keepalive.server_parameters.clone(),
        };
        let receiver = Receiver {
            protocol: OtlpGrpc,
            cors: None,
            message_bytes_max: self
                .largest(u64::from(config.max_recv_msg_size_mib) << 20, OTLP_NEED),
            metrics: ReceiverMetrics::new(name),
        };
        self.add(listener, receiver).await
    }

    async fn http(
        &mut self,
        name: &str,
        setting: String,
        config: &OtlpHttpConfig,
    ) -> Result<(), BindError> {
        let listener = Listener::http(name, setting, &config.endpoint, config.tls.as_ref());
        let mut paths = vec![config.traces_url_path.clone()];
        paths.extend(config.extra_traces_url_paths.iter().cloned());
        let receiver = Receiver {
            protocol: OtlpHttp { paths },
            cors: config.cors.as_ref().map(cors::layer),
            message_bytes_max: self.largest(config.max_request_body_size, OTLP_NEED),
            metrics: ReceiverMetrics::new(name),
        };
        self.add(listener, receiver).await
    }

    async fn zipkin(
        &mut self,
        name: &str,
        setting: String,
        config: &ZipkinConfig,
    ) -> Result<(), BindError> {
        let listener = Listener::http(name, setting, &config.endpoint, config.tls.as_ref());
        let receiver = Receiver {
            protocol: Zipkin,
            cors: None,
            message_bytes_max: self.largest(config.max_request_body_size, ZIPKIN_NEED),
            metrics: ReceiverMetrics::new(name),
        };
        self.add(listener, receiver).await
    }

    async fn add<P: Protocol>(
        &mut self,
        listener: Listener<'_>,
        receiver: Receiver<P>,
    ) -> Result<(), BindError> {
        let Listener { name, setting, endpoint, tls, alpn, keepalive } = listener;
        let tls = tls
            .map(|tls| tls.reloading(name, alpn))
            .transpose()
            .map_err(|error| BindError::Tls { receiver: name.to_owned(), error })?;
        let listener = listen::bind(&setting, endpoint).await?;
        let address = listener
            .local_addr()
            .map_err(|error| BindError::Address { receiver: name.to_owned(), error })?;
        if tls.is_none() && !address.ip().is_loopback() {
            tracing::warn!(receiver = name, %address, "open to the network and not encrypted");
        }
        self.addresses.insert(name.to_owned(), address);
        let bounded = |time: HumanDuration| Some(time.get()).filter(|time| !time.is_zero());
        let idle_timeout = self.limits.idle_timeout.get();
        let limits = ConnectionLimits {
            header_timeout: self.limits.header_timeout.get(),
            idle_timeout: bounded(keepalive.max_connection_idle)
                .map_or(idle_timeout, |idle| idle.min(idle_timeout)),
            age: bounded(keepalive.max_connection_age),
            age_grace: bounded(keepalive.max_connection_age_grace),
            header_bytes: self.limits.header_bytes.as_usize(),
            streams: self.limits.streams_per_connection,
            keepalive: (keepalive.time.get(), keepalive.timeout.get()),
        };
        self.servers.push(Server {
            listener,
            tls,
            stack: stack(&self.shared, receiver),
            limits,
            in_flight: self.shared.in_flight.clone(),
            connections: Arc::clone(&self.connections),
            metrics: ListenerMetrics::new(name),
        });
        Ok(())
    }
}

impl<'a> Listener<'a> {
    fn http(
        name: &'a str,
        setting: String,
        endpoint: &'a str,
        tls: Option<&'a ServerTlsConfig>,
    ) -> Self {
        let keepalive = KeepaliveServerConfig::default();
        Self { name, setting, endpoint, tls, alpn: &[b"h2", b"http/1.1"], keepalive }
    }
}
