//! What a receiver listens on, as configured: the one description that binding, checking and
//! telling of a listener go by.

use std::{ops::RangeInclusive, path::Path};

use wholetrace_runtime::{
    listen,
    problems::{Problems, join},
    tls::ServerTlsConfig,
};

use crate::{
    config::http::{CorsConfig, KeepaliveServerConfig, Transport},
    format::Format,
    http::{route::RouteTable, socket::Socket},
};

/// A socket that a receiver listens on.
#[derive(Clone, Debug)]
pub struct Listener<'c> {
    /// Its name in metrics, logs and messages: that of the receiver, and the protocol behind a
    /// slash where the receiver has several (`otlp/grpc`, `otlp/agents/http`, `zipkin`).
    pub name: String,
    /// Key path of its settings.
    pub path: String,
    /// What is spoken there.
    pub kind: ListenerKind,
    /// How it is reached.
    pub transport: Transport,
    /// Address and port as configured, or the path of its socket.
    pub endpoint: &'c str,
    /// Its certificate, where it is encrypted.
    pub tls: Option<&'c ServerTlsConfig>,
    pub(crate) message: MessageLimit,
    pub(crate) keepalive: KeepaliveServerConfig,
    pub(crate) cors: Option<&'c CorsConfig>,
    pub(crate) routes: RouteTable,
    /// Where it takes datagrams, and nothing is routed.
    pub(crate) datagrams: Option<Datagrams>,
    /// The questions of Jaeger's clients that it answers.
    pub(crate) sampling: Option<SamplingPlace<'c>>,
}

/// Where questions of Jaeger's clients are answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SamplingPlace<'c> {
    /// The file with the answers.
    pub(crate) file: &'c Path,
    /// The paths over HTTP; `None` for any.
    pub(crate) paths: Option<&'static [&'static str]>,
}

/// Datagrams that a listener takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagrams {
    /// What each of them is.
    pub(crate) format: &'static Format,
    /// How many may be under way at once.
    pub(crate) waiting: u32,
    /// Bytes of the socket's receive buffer; 0 for what the system gives.
    pub(crate) buffer_bytes: u64,
}

impl Datagrams {
    /// Adds everything that is wrong with them to `problems`; `path` is where they stand.
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) {
        problems.within(path, "queue_size", &self.waiting, &(1..=1_000_000));
        problems.within(path, "socket_buffer_size", &self.buffer_bytes, &(0..=1 << 30));
    }
}

impl Listener<'_> {
    /// Key path of the endpoint.
    #[must_use]
    pub fn setting(&self) -> String {
        join(&self.path, "endpoint")
    }

    /// How many times its size a message takes of the bytes in flight, at most.
    pub(crate) fn need(&self) -> u64 {
        let datagrams = self.datagrams.map(|datagrams| datagrams.format);
        self.routes.formats().chain(datagrams).map(|format| format.need).max().unwrap_or(1)
    }

    /// Whether it is a socket for datagrams (UDP).
    #[must_use]
    pub const fn takes_datagrams(&self) -> bool {
        self.datagrams.is_some()
    }

    /// Listens for a moment, to see whether that can be done.
    ///
    /// # Errors
    /// When the endpoint cannot be listened on.
    pub async fn probe(&self) -> Result<(), listen::BindError> {
        let setting = self.setting();
        if self.takes_datagrams() {
            listen::bind_datagrams(&setting, self.endpoint).await.map(drop)
        } else {
            Socket::bind(&setting, self.transport, self.endpoint).await.map(drop)
        }
    }
}

/// What is spoken at a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// OTLP over gRPC.
    OtlpGrpc,
    /// OTLP over HTTP.
    OtlpHttp,
    /// Zipkin over HTTP.
    Zipkin,
    /// Jaeger over gRPC.
    JaegerGrpc,
    /// Jaeger's Thrift over HTTP.
    JaegerThriftHttp,
    /// Jaeger's Thrift in datagrams.
    JaegerAgent,
    /// Jaeger's remote sampling over HTTP.
    JaegerSampling,
}

impl ListenerKind {
    /// What people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::OtlpGrpc => "OTLP gRPC",
            Self::OtlpHttp => "OTLP HTTP",
            Self::Zipkin => "Zipkin",
            Self::JaegerGrpc => "Jaeger gRPC",
            Self::JaegerThriftHttp => "Jaeger Thrift over HTTP",
            Self::JaegerAgent => "Jaeger Thrift over UDP",
            Self::JaegerSampling => "Jaeger remote sampling",
        }
    }
}

/// The setting for the largest message of a listener, inflated.
#[derive(Clone, Debug)]
pub(crate) struct MessageLimit {
    /// Its key.
    pub(crate) key: &'static str,
    pub(crate) value: u64,
    /// Bytes that `value` counts.
    pub(crate) unit: u64,
    /// The value that means: as much as there is always room for.
    pub(crate) default: u64,
    /// What `value` may be.
    pub(crate) bounds: RangeInclusive<u64>,
}

impl MessageLimit {
    /// The largest body of a listener over HTTP, in bytes.
    pub(crate) const fn body(value: u64, default: u64) -> Self {
        Self { key: "max_request_body_size", value, unit: 1, default, bounds: 1_024..=1 << 30 }
    }

    /// The largest message of a listener over gRPC, in MiB.
    pub(crate) fn grpc(value: u32, default: u32) -> Self {
        let (value, default) = (u64::from(value), u64::from(default));
        let key = "max_recv_msg_size_mib";
        Self { key, value, unit: 1 << 20, default, bounds: 1..=1_024 }
    }

    /// The largest datagram in bytes.
    pub(crate) fn datagram(value: u32) -> Self {
        let value = u64::from(value);
        Self { key: "max_packet_size", value, unit: 1, default: value, bounds: 1_024..=65_527 }
    }

    /// The largest message in bytes.
    pub(crate) const fn bytes(&self) -> u64 {
        self.value.saturating_mul(self.unit)
    }
}
