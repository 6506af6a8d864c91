//! Spans in, span log out.
//!
//! ```text
//!  sender ──► http/server ──► http/connection ──► http/stack ──► intake ──► ingest ──► span log
//!             accept          TLS, HTTP,          find the       inflate    gather,       │
//!                             timeouts            route, admit,  translate  join to       │
//!                                                 read the body  split      frames        │
//!  sender ◄── http/answer ◄───────────────────────────────────── outcome ◄────────────────┘ durable
//!
//!  receiver/{otlp,zipkin,jaeger}.rs: configuration, and the tables of routes that http/stack reads
//!  format.rs: the table of formats that routes name, each with its translator (crate `proto`)
//! ```
//!
//! One request on its way: an SDK posts 300 spans to `/v1/traces` at port 4318, in protobuf and
//! gzip. `http/server.rs` accepts its connection, `http/connection.rs` serves HTTP on it and ends it
//! at its timeouts. `http/stack.rs` has its steps in a table: it finds the route in the table of
//! `receiver/otlp.rs`, which says that the body is `otlp_proto` and that the answer is one of OTLP
//! over HTTP; it asks `admission` whether the sender's tenant may send, whether the process has
//! memory, and for a lease of the first bytes; then it reads the body, and the lease grows as bytes
//! come. From here on no step knows of HTTP. `intake.rs` inflates the message, and calls the
//! translator of its format: OTLP in protobuf stays as it is. `split` looks at each span once: which
//! partition it belongs to, and whether it is one; 298 go on as byte ranges, 2 have no trace id and
//! are left out. `ingest` gathers them with the spans of other requests, and appends one frame for
//! each partition. When the log has made all of these durable, the lease ends, and `http/answer` says
//! 200: 2 spans rejected, and why the first of them was.
//!
//! A protocol is a translator, a table and a configuration:
//!
//! | to add | write |
//! |---|---|
//! | a format | its translator in the crate `proto`, and a row of the table in `format.rs` |
//! | requests that carry it | a route in the table of `receiver/*.rs` |
//! | a receiver | a file in `receiver/`: configuration, listeners, table |
//! | its word in the configuration | a variant in `receiver/mod.rs` |
//!
//! Binding, checking, probing and announcing go by the listeners, and need no change. A transport other
//! than HTTP (`datagram`, `kafka`) receives bytes, takes a lease for them, and hands them to
//! `Intake::take`.

mod admission;
mod bind;
mod config;
mod datagram;
mod format;
mod gateway;
mod http;
mod inflate;
mod ingest;
mod intake;
#[cfg(feature = "kafka")]
mod kafka;
mod metrics;
mod outcome;
mod receiver;
mod reject;
mod remote_sampling;
mod split;

pub use admission::tenant_metrics::TABLE as TENANT_METRICS;
pub use bind::BindError;
pub use config::{
    GatewayConfig,
    http::{CorsConfig, KeepaliveConfig, KeepaliveServerConfig, Transport},
    limits::LimitsConfig,
    receivers::ReceiversConfig,
    tenants::{AuthenticationConfig, TenantConfig},
};
pub use format::{FORMATS, Format};
pub use gateway::Gateway;
pub use http::socket::Address;
pub use ingest::batch::{Frame, frames};
#[cfg(feature = "kafka")]
pub use kafka::metrics::TABLE as KAFKA_METRICS;
pub use metrics::TABLE as METRICS;
#[cfg(feature = "kafka")]
pub use receiver::kafka::{
    AutocommitConfig, InitialOffset, KafkaReceiverConfig, MessageEncoding, TopicsConfig,
};
pub use receiver::{
    ReceiverConfig, ReceiverKind,
    jaeger::{JaegerConfig, JaegerGrpcConfig, JaegerProtocols, JaegerThriftHttpConfig},
    jaeger_agent::{JaegerBinaryConfig, JaegerCompactConfig},
    jaeger_sampling::JaegerSamplingConfig,
    listener::{Listener, ListenerKind},
    otlp::{OtlpConfig, OtlpGrpcConfig, OtlpHttpConfig, OtlpProtocols},
    zipkin::ZipkinConfig,
};
pub use reject::{RejectReason, Rejection, SpanRejects};
pub use split::{BODY_BYTES_MAX, Split, split, split_checked};
