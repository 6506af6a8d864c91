//! Trace bytes: OTLP by ranges, OTLP/JSON, Zipkin, Jaeger, records of the log.
//!
//! ```text
//!  OTLP protobuf ─────────────────────────────┐
//!  OTLP/JSON ── json ── otlp_json ────────────┤ TracesData, as bytes
//!  Zipkin ── json, wire, thrift ── zipkin ────┘
//!                                             ▼
//!    spans       walks it: heads of resources and scopes, and spans, as byte ranges
//!    check       tells which spans every receiver can read; reject: why one is not;
//!                repair makes text UTF-8
//!    id          names the trace of a span
//!    tracestate  states with what probability a span was kept; set_attribute marks it
//!    assemble    joins heads and spans; split parts them in two
//!                                             ▼
//!                                             TracesData, as bytes ──▶ the log, exporters
//!                                             └── otlp_json ──▶ lines of a file
//!
//!    wire        reads and writes protobuf fields; otlp::numbers names those of OTLP
//!    thrift      reads and writes Thrift
//!    record      decisions and dead letters, in logs of their own
//! ```
//!
//! On the way of the data no span is decoded, and what nobody knows yet is forwarded as it came.
//!
//! One trace, from a sender to a file:
//!
//! ```
//! use wholetrace_proto::{
//!     assemble::Assembler,
//!     check::check_span,
//!     id::TraceKey,
//!     otlp_json,
//!     spans::{Head, ScopeRef, SpanRef, Visitor, visit},
//!     translated::Limits,
//! };
//!
//! // Two spans of a trace, and one that cannot be read: it is refused alone.
//! let request = br#"{"resourceSpans":[{
//!     "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
//!     "scopeSpans":[{"scope":{"name":"http"},"spans":[
//!         {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",
//!             "name":"GET /"},
//!         {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b175",
//!             "parentSpanId":"eee19b7ec3c1b174","name":"SELECT"},
//!         {"traceId":"of no form","name":"lost"}
//!     ]}]
//! }]}"#;
//! let translated = otlp_json::to_protobuf(request, &mut Limits::default())?;
//! assert_eq!((translated.spans, translated.rejected.total()), (2, 1));
//! let why = translated.rejected.first().map(ToString::to_string).unwrap_or_default();
//! assert!(why.contains("is `of no form`, must be `32` hexadecimal digits"), "{why}");
//!
//! // The spans of the trace are taken out where they lie, with what stands above them.
//! struct Trace<'a> {
//!     key: TraceKey,
//!     out: Assembler<'a>,
//! }
//!
//! impl<'a> Visitor<'a> for Trace<'a> {
//!     fn resource(&mut self, head: Head<'a>) {
//!         self.out.resource(head);
//!     }
//!
//!     fn scope(&mut self, scope: ScopeRef<'a>) {
//!         self.out.scope(scope.head());
//!     }
//!
//!     fn span(&mut self, span: SpanRef<'a>) {
//!         if check_span(span.body).is_ok_and(|checked| checked.trace_id.key() == self.key) {
//!             self.out.span(span.body);
//!         }
//!     }
//! }
//!
//! // The low half of the trace id.
//! let mut trace = Trace { key: TraceKey(0xd269_b633_813f_c60c), out: Assembler::new() };
//! visit(&translated.bytes, &mut trace)?;
//! let kept = trace.out.to_vec();
//! assert_eq!(kept, translated.bytes);
//!
//! let line = String::from_utf8(otlp_json::from_protobuf(&kept)?)?;
//! assert!(line.contains(r#""key":"service.name","value":{"stringValue":"shop"}"#), "{line}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod assemble;
pub mod check;
pub mod each_span;
pub mod hex;
pub mod id;
pub mod jaeger;
pub mod json;
pub mod otlp;
pub mod otlp_json;
mod parts;
pub mod record;
pub mod reject;
pub mod repair;
mod room;
mod schema;
pub mod set_attribute;
pub mod spans;
pub mod split;
mod texts;
pub mod thrift;
pub mod tracestate;
pub mod translated;
mod utf8;
pub mod wire;
pub mod zipkin;
