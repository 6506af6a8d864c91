//! Binds the listeners, runs the receivers, drains them.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use rustix::net::sockopt;
use tokio::{
    net::UdpSocket,
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wholetrace_runtime::{
    listen, memory,
    shutdown::{Shutdown, Tasks},
    tls::TlsError,
    units::HumanDuration,
};
use wholetrace_spanlog::{Writer, routing::Routing};

use crate::{
    admission::{Admission, lease::InFlightBudget, memory::MemoryGate, tenants::Tenants},
    config::{GatewayConfig, http::KeepaliveServerConfig, limits::LimitsConfig},
    datagram::server::DatagramServer,
    http::{
        connection::{ConnectionLimits, Stop},
        cors,
        health::HealthService,
        open_files,
        server::Server,
        stack::{HttpReceiver, stack},
    },
    ingest::framer::{Framer, Framing, Ingest, ingest},
    intake::Intake,
    metrics::{DatagramMetrics, IngestMetrics, ListenerMetrics, ReceiverMetrics},
    receiver::listener::{Datagrams, Listener, SamplingPlace},
    remote_sampling::{
        query::{CALL_PATH, Queries},
        source::StrategySource,
    },
};
#[cfg(feature = "kafka")]
use crate::{
    config::receivers::ReceiversConfig,
    kafka::KafkaSource,
    receiver::{ReceiverConfig, kafka::KafkaReceiverConfig},
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
    /// The client of a receiver that reads topics cannot be made.
    #[cfg(feature = "kafka")]
    #[error("`{receiver}` cannot read: {error}: check `tls`, `auth` and `traces.topics`")]
    Kafka {
        /// Name of the receiver.
        receiver: String,
        /// What the client says.
        error: rdkafka::error::KafkaError,
    },
    /// A file of sampling strategies cannot be used.
    #[error("sampling strategies: {0}")]
    Strategies(String),
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
    datagram_servers: Vec<DatagramServer>,
    addresses: BTreeMap<String, SocketAddr>,
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
    pub const fn addresses(&self) -> &BTreeMap<String, SocketAddr> {
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

/// Binds listeners one after the other.
struct Binder<'a> {
    limits: &'a LimitsConfig,
    routing: Routing,
    ingest: Ingest,
    admission: Admission,
    connections: Arc<Semaphore>,
    servers: Vec<Server>,
    datagram_servers: Vec<DatagramServer>,
    strategies: HashMap<PathBuf, StrategySource>,
    addresses: BTreeMap<String, SocketAddr>,
    serving: watch::Sender<bool>,
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
        self.bound(name, listener.local_addr(), tls.is_some())?;
        let metrics = ReceiverMetrics::new(name);
        let intake = self.intake(config.message.bytes(), config.need(), &metrics);
        let health = self.health(&config);
        let receiver = HttpReceiver {
            routes: config.routes,
            admission: self.admission.clone(),
            intake,
            queries: config.sampling.map(|place| self.queries(place)).transpose()?,
            health,
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

    /// What the listener `config` tells of its services, where it speaks gRPC.
    fn health(&self, config: &Listener<'_>) -> Option<HealthService> {
        let routes = &config.routes.grpc;
        let sampling = config.sampling.map(|_| CALL_PATH);
        let paths = routes.iter().map(|route| route.path).chain(sampling);
        (!routes.is_empty()).then(|| HealthService::new(paths, self.serving.subscribe()))
    }

    async fn bind_datagrams(
        &mut self,
        config: &Listener<'_>,
        datagrams: Datagrams,
    ) -> Result<(), BindError> {
        let name = &config.name;
        let socket = listen::bind_datagrams(&config.setting(), config.endpoint).await?;
        self.bound(name, socket.local_addr(), false)?;
        give_buffer(&socket, datagrams.buffer_bytes, name);
        let metrics = ReceiverMetrics::new(name);
        let intake = self.intake(config.message.bytes(), config.need(), &metrics);
        self.datagram_servers.push(DatagramServer {
            socket,
            format: datagrams.format,
            bytes_max: intake.message_bytes_max,
            waiting: Arc::new(Semaphore::new(datagrams.waiting as usize)),
            admission: self.admission.clone(),
            intake,
            metrics,
            datagrams: DatagramMetrics::new(name),
        });
        Ok(())
    }

    /// What a listener answers by the file of `place`, which is read once for all of them.
    fn queries(&mut self, place: SamplingPlace<'_>) -> Result<Queries, BindError> {
        let SamplingPlace { file, paths } = place;
        let source = match self.strategies.get(file) {
            Some(source) => source.clone(),
            None => {
                let source = StrategySource::new(file).map_err(BindError::Strategies)?;
                self.strategies.insert(file.to_owned(), source.clone());
                source
            }
        };
        Ok(Queries { source, paths })
    }

    /// The receivers that read topics.
    #[cfg(feature = "kafka")]
    fn sources(&self, receivers: &ReceiversConfig) -> Result<Vec<KafkaSource>, BindError> {
        let kafka = receivers.0.iter().filter_map(|(name, receiver)| match receiver {
            ReceiverConfig::Kafka(config) => Some((name, &**config)),
            _ => None,
        });
        let source = |(name, config): (&String, &KafkaReceiverConfig)| {
            let metrics = ReceiverMetrics::new(name);
            let intake = self.intake(u64::MAX, config.need(), &metrics);
            KafkaSource::new(name, config, &self.admission, intake, metrics)
                .map_err(|error| BindError::Kafka { receiver: name.clone(), error })
        };
        kafka.map(source).collect()
    }

    /// Notes the address of `receiver`.
    fn bound(
        &mut self,
        receiver: &str,
        address: io::Result<SocketAddr>,
        is_encrypted: bool,
    ) -> Result<(), BindError> {
        let name = || receiver.to_owned();
        let address = address.map_err(|error| BindError::Address { receiver: name(), error })?;
        if !is_encrypted && !address.ip().is_loopback() {
            tracing::warn!(receiver, %address, "open to the network and not encrypted");
        }
        self.addresses.insert(name(), address);
        Ok(())
    }

    /// What takes the messages of one receiver: none larger than `most` bytes, or than there is always
    /// room for, if each takes `need` times its size.
    fn intake(&self, most: u64, need: u64, metrics: &ReceiverMetrics) -> Arc<Intake> {
        let largest = most.min(self.limits.largest(need));
        Arc::new(Intake {
            routing: self.routing.clone(),
            ingest: self.ingest.clone(),
            message_bytes_max: usize::try_from(largest).unwrap_or(usize::MAX),
            span_bytes_max: self.limits.span_bytes.as_usize(),
            metrics: metrics.clone(),
        })
    }
}

/// Gives the socket of `receiver` a receive buffer of `bytes`, as far as the system allows it; 0 leaves
/// it what it has.
fn give_buffer(socket: &UdpSocket, bytes: u64, receiver: &str) {
    let Some(wanted) = usize::try_from(bytes).ok().filter(|bytes| *bytes > 0) else { return };
    if let Err(error) = sockopt::set_socket_recv_buffer_size(socket, wanted) {
        tracing::warn!(receiver, %error, "cannot set the receive buffer");
        return;
    }
    // Linux says twice as much as it was told: it counts what it needs itself.
    let got = sockopt::socket_recv_buffer_size(socket).unwrap_or(0) / 2;
    if got < wanted {
        tracing::info!(
            receiver,
            bytes = got,
            wanted,
            "the system allows a smaller receive buffer: raise `net.core.rmem_max`, or bursts of \
             datagrams get lost"
        );
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
