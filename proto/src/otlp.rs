//! The messages of OTLP traces, generated from `proto/`, where the fields are documented.
//!
//! They are for what has to look at all of a message: answers, sample traffic, translations, and
//! tests. On the way of the data nothing is decoded: see [`spans`](crate::spans).

pub(crate) mod depth;
pub(crate) mod enums;
pub(crate) mod message;
pub mod numbers;
pub(crate) mod plain;
pub(crate) mod writer;

#[expect(unreachable_pub, reason = "generated modules, re-exported below")]
mod messages {
    include!(concat!(env!("OUT_DIR"), "/messages.rs"));
}

pub use messages::opentelemetry::proto::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    },
    common::v1::{
        AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList, any_value,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData, span, status},
};

/// The path of the OTLP export call over gRPC.
pub const EXPORT_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// The most messages that may stand in each other, a `TracesData` at the top counted as 1. An array
/// in an array takes two of them, a map in a map three.
///
/// Readers of protobuf refuse the whole message behind some 100: Rust's, C++'s, Java's. The rest is
/// for those that put a `TracesData` into something else.
pub const NESTING_MAX: u32 = 95;

/// The level of a span in a `TracesData`: below `ResourceSpans` and `ScopeSpans`.
pub(crate) const SPAN_LEVEL: u32 = 4;
