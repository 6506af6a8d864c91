//! The protocols by which spans come.

pub(crate) mod otlp_grpc;
pub(crate) mod otlp_http;
pub(crate) mod zipkin;
