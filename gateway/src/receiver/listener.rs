//! What a receiver listens on, as configured: the one description that binding, checking and
//! telling of a listener go by.

use std::ops::RangeInclusive;

use wholetrace_runtime::{problems::join, tls::ServerTlsConfig};

use crate::{
    config::http::{CorsConfig, KeepaliveServerConfig},
    http::route::RouteTable,
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
    /// Address and port as configured.
    pub endpoint: &'c str,
    /// Its certificate, where it is encrypted.
    pub tls: Option<&'c ServerTlsConfig>,
    pub(crate) message: MessageLimit,
    pub(crate) keepalive: KeepaliveServerConfig,
    pub(crate) cors: Option<&'c CorsConfig>,
    pub(crate) routes: RouteTable,
}

impl Listener<'_> {
    /// Key path of the endpoint.
    #[must_use]
    pub fn setting(&self) -> String {
        join(&self.path, "endpoint")
    }

    /// How many times its size a message takes of the bytes in flight, at most.
    pub(crate) fn need(&self) -> u64 {
        self.routes.formats().map(|format| format.need).max().unwrap_or(1)
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
}

impl ListenerKind {
    /// What people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::OtlpGrpc => "OTLP gRPC",
            Self::OtlpHttp => "OTLP HTTP",
            Self::Zipkin => "Zipkin",
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

    /// The largest message in bytes.
    pub(crate) const fn bytes(&self) -> u64 {
        self.value.saturating_mul(self.unit)
    }
}
