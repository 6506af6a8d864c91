//! What holds for all inputs: the ways by byte ranges against full decoding, and each decoder
//! against mutated and random bytes.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in its helpers"
)]

mod allocation;
#[path = "../../fuzz/checks.rs"]
mod checks;
mod fuzz;
mod fuzz_translators;
mod jaeger;
mod jaeger_batch;
mod jaeger_links;
#[path = "../../fuzz/jaeger_model.rs"]
mod jaeger_model;
#[path = "../../fuzz/jaeger_shapes.rs"]
mod jaeger_shapes;
#[path = "../../fuzz/jaeger_thrift.rs"]
mod jaeger_thrift;
mod jaeger_thrift_batch;
mod jaeger_written;
mod kept;
#[path = "../../fuzz/nested.rs"]
mod nested;
mod otlp_json;
mod otlp_json_document;
mod ranges;
mod rejects;
mod rewriting;
mod sample;
mod strategy;
#[path = "../../fuzz/translators.rs"]
mod translators;
mod traps;
mod zipkin;
mod zipkin_encodings;
mod zipkin_protobuf;
mod zipkin_request;
mod zipkin_thrift;
mod zipkin_v1;
mod zipkin_written;
