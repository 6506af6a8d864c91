//! Trace bytes: OTLP by ranges, JSON, Zipkin, records of the log.
//!
//! On the way of the data no span is decoded. A request is walked ([`spans`]), each span is
//! checked where it lies ([`check`]), and ranges are joined to what is stored and forwarded
//! ([`assemble`]), on top of a bounded protobuf cursor ([`wire`]).

pub mod assemble;
pub mod check;
pub mod hex;
pub mod id;
pub mod json;
pub mod otlp;
pub mod otlp_json;
pub mod record;
pub mod reject;
pub mod repair;
mod room;
mod schema;
pub mod set_attribute;
pub mod spans;
pub mod split;
pub mod tracestate;
pub mod translated;
pub mod wire;
pub mod zipkin;
