//! What Jaeger's agent listened for: datagrams of clients, in two protocols.
//!
//! * Configuration: [`JaegerCompactConfig`] and [`JaegerBinaryConfig`], `protocols.thrift_compact` (port
//!   6831) and `protocols.thrift_binary` (6832) of `receivers.jaeger`.
//! * Limits: the largest datagram (`max_packet_size`), how many wait for the log (`queue_size`), the
//!   receive buffer (`socket_buffer_size`); of `limits` those for memory and for spans.
//! * Metrics, labelled `jaeger/thrift_compact` and `jaeger/thrift_binary`: requests, spans and what was
//!   refused of them by reason, as with OTLP, since nobody is answered; and
//!   `wholetrace_gateway_datagrams_lost_total`, what the kernel threw away before.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::problems::join;

use crate::{
    config::http::{KeepaliveServerConfig, Transport},
    format::{JAEGER_AGENT_BINARY, JAEGER_AGENT_COMPACT},
    http::route::RouteTable,
    receiver::listener::{Datagrams, Listener, ListenerKind, MessageLimit},
};

/// The settings of datagrams in one protocol: they differ in their defaults alone, which are part of
/// a type.
macro_rules! datagrams {
    ($(#[$doc:meta])* $name:ident, $key:literal, $endpoint:literal, $format:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            /// Address and port to listen on; port 0 takes a free one. Only this machine reaches a
            /// loopback address.
            pub endpoint: String,
            /// Largest datagram in bytes. 1,024 to 65,527, which is all that one can hold.
            pub max_packet_size: u32,
            /// How many datagrams may wait for the log at once; more are refused, and counted as
            /// `queue`. 1 to 1,000,000.
            pub queue_size: u32,
            /// Bytes of the socket's receive buffer, as far as the machine allows them
            /// (`net.core.rmem_max`). `0` for what the system gives, which loses bursts. 0 to
            /// 1,073,741,824.
            pub socket_buffer_size: u64,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    endpoint: $endpoint.to_owned(),
                    max_packet_size: 65_000,
                    queue_size: 10_000,
                    socket_buffer_size: 4 << 20,
                }
            }
        }

        impl $name {
            /// What it listens on, for the receiver called `name`, which stands at the key `path`.
            pub(super) fn listener(&self, name: &str, path: &str) -> Listener<'_> {
                let datagrams = Datagrams {
                    format: &$format,
                    waiting: self.queue_size,
                    buffer_bytes: self.socket_buffer_size,
                };
                Listener {
                    name: format!("{name}/{}", $key),
                    path: join(path, concat!("protocols.", $key)),
                    kind: ListenerKind::JaegerAgent,
                    transport: Transport::Tcp,
                    endpoint: &self.endpoint,
                    tls: None,
                    message: MessageLimit::datagram(self.max_packet_size),
                    keepalive: KeepaliveServerConfig::default(),
                    cors: None,
                    routes: RouteTable::default(),
                    datagrams: Some(datagrams),
                    sampling: None,
                }
            }
        }
    };
}

datagrams! {
    /// Jaeger's batches in datagrams, in Thrift's compact protocol. They cannot be encrypted, carry no
    /// tenant's token, and are not answered: what is refused is counted.
    JaegerCompactConfig, "thrift_compact", "127.0.0.1:6831", JAEGER_AGENT_COMPACT
}

datagrams! {
    /// Jaeger's batches in datagrams, in Thrift's binary protocol. They cannot be encrypted, carry no
    /// tenant's token, and are not answered: what is refused is counted.
    JaegerBinaryConfig, "thrift_binary", "127.0.0.1:6832", JAEGER_AGENT_BINARY
}
