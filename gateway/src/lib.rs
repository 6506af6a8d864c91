//! Spans in, span log out.
//!
//! A request comes over a connection of `http`, passes the `stack` (admission, reading,
//! inflating), is translated to OTLP by its receiver, `split` by partition as byte ranges, and
//! joined by `ingest` with other requests to frames of the span log. Its sender is answered once
//! the log has made them durable.

mod admission;
mod config;
mod format;
mod gateway;
mod http;
mod inflate;
mod ingest;
mod intake;
mod metrics;
mod outcome;
mod receiver;
mod reject;
mod split;

pub use config::{
    GatewayConfig,
    http::{CorsConfig, KeepaliveConfig, KeepaliveServerConfig},
    limits::LimitsConfig,
    receivers::ReceiversConfig,
    tenants::{AuthenticationConfig, TenantConfig},
};
pub use format::{FORMATS, Format};
pub use gateway::{BindError, Gateway};
pub use ingest::batch::{Frame, frames};
pub use metrics::TABLE as METRICS;
pub use receiver::{
    ReceiverConfig, ReceiverKind,
    listener::{Listener, ListenerKind},
    otlp::{OtlpConfig, OtlpGrpcConfig, OtlpHttpConfig, OtlpProtocols},
    zipkin::ZipkinConfig,
};
pub use reject::{RejectReason, Rejection, SpanRejects};
pub use split::{BODY_BYTES_MAX, Split, split};
