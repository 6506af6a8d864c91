//! Binds what a gateway listens on.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::PathBuf,
    sync::Arc,
};

use rustix::net::sockopt;
use tokio::{
    net::UdpSocket,
    sync::{Semaphore, watch},
};
use wholetrace_runtime::{listen, tls::TlsError, units::HumanDuration};
use wholetrace_spanlog::routing::Routing;

use crate::{
    admission::Admission,
    config::{http::KeepaliveServerConfig, limits::LimitsConfig},
    datagram::server::DatagramServer,
    http::{
        connection::ConnectionLimits,
        cors,
        health::HealthService,
        server::Server,
        socket::{Address, Socket},
        stack::{HttpReceiver, stack},
    },
    ingest::framer::Ingest,
    intake::Intake,
    metrics::{DatagramMetrics, ListenerMetrics, ReceiverMetrics},
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

/// Binds listeners one after the other.
pub(crate) struct Binder<'a> {
    pub(crate) limits: &'a LimitsConfig,
    pub(crate) routing: Routing,
    pub(crate) ingest: Ingest,
    pub(crate) admission: Admission,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) servers: Vec<Server>,
    pub(crate) datagram_servers: Vec<DatagramServer>,
    pub(crate) strategies: HashMap<PathBuf, StrategySource>,
    pub(crate) addresses: BTreeMap<String, Address>,
    pub(crate) serving: watch::Sender<bool>,
}

impl Binder<'_> {
    pub(crate) async fn bind(&mut self, config: Listener<'_>) -> Result<(), BindError> {
        let name = &config.name;
        let tls = config
            .tls
            .map(|tls| tls.reloading(name, config.routes.alpn()))
            .transpose()
            .map_err(|error| BindError::Tls { receiver: name.clone(), error })?;
        let (setting, transport) = (config.setting(), config.transport);
        let listener = Socket::bind(&setting, transport, config.endpoint).await?;
        self.bound(name, listener.address(), tls.is_some())?;
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

    pub(crate) async fn bind_datagrams(
        &mut self,
        config: &Listener<'_>,
        datagrams: Datagrams,
    ) -> Result<(), BindError> {
        let name = &config.name;
        let socket = listen::bind_datagrams(&config.setting(), config.endpoint).await?;
        self.bound(name, socket.local_addr().map(Address::Ip), false)?;
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
    pub(crate) fn sources(
        &self,
        receivers: &ReceiversConfig,
    ) -> Result<Vec<KafkaSource>, BindError> {
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
        address: io::Result<Address>,
        is_encrypted: bool,
    ) -> Result<(), BindError> {
        let name = || receiver.to_owned();
        let address = address.map_err(|error| BindError::Address { receiver: name(), error })?;
        let is_open = address.ip().is_some_and(|address| !address.ip().is_loopback());
        if !is_encrypted && is_open {
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
