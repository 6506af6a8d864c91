//! Jaeger spans into OTLP, and back into `api_v2`.
//!
//! What becomes what (OpenTelemetry's own translation, without its losses):
//!
//! | Jaeger | OTLP |
//! |---|---|
//! | trace id of 64 bits | the low half; zeros before it |
//! | a span's own process, else that of its batch | the resource; spans with equal ones share it |
//! | `serviceName` | resource `service.name`; a tag of that name goes before it |
//! | process tags `hostname`, `jaeger.version` | resource `host.name`, `opencensus.exporterversion`, unless there are such tags |
//! | parent id (thrift), else the first `CHILD_OF` in the same trace, else the first `FOLLOWS_FROM` in it | parent |
//! | other references, and a `FOLLOWS_FROM` that gave the parent | links with `opentracing.ref_type`; those to no span are left out |
//! | start absent or before 1970 | start 0; the end is the duration |
//! | a time after the year 2262 | the last moment that all receivers of OTLP can read, as the end; the duration stays |
//! | negative duration | none, and a warning |
//! | tag `span.kind` | kind; of no known kind: an attribute |
//! | tag `error` that is true, also in text | status error; any other value is an attribute |
//! | tags `otel.status_code`, `otel.status_description` | status, if no `error`; a code that says another thing than the status stays as attribute |
//! | tags `http.status_code`, `http.response.status_code` | status error from 400 on (of a server, from 500 on) if nothing else says a status, with `http.status_message`; they stay attributes |
//! | tag `w3c.tracestate` | trace state |
//! | tags `otel.scope.*`, else `otel.library.*` (`name`, `version`) | the scope |
//! | log | event; field `event` is its name |
//! | sampled flag | W3C's, in the span's flags |
//! | debug flag | [`KEEP_ATTRIBUTE`](crate::translated::KEEP_ATTRIBUTE) with [`KEEP_JAEGER_DEBUG`](crate::translated::KEEP_JAEGER_DEBUG) |
//! | other flags | [`FLAGS_ATTRIBUTE`], with all of them |
//! | warnings | [`WARNINGS_ATTRIBUTE`] |
//! | `process_id` | [`PROCESS_ID_ATTRIBUTE`] |
//! | other tags | attributes with their types; of one name, the last |
//!
//! And the other way, so that what is written reads back as it was:
//!
//! | OTLP | Jaeger |
//! |---|---|
//! | resource | the process, of the request or the span; without `service.name` it is called `OTLPResourceNoServiceName` |
//! | parent, links | `CHILD_OF`, `FOLLOWS_FROM` (or as `opentracing.ref_type` says); of links to no span and what else links have: nothing |
//! | attributes of the scope and the span | tags with their types, lists and maps as JSON; of one name, the span's |
//! | name and version of the scope, kind, status, trace state, counts of what was dropped | tags `otel.scope.*`, `span.kind`, `otel.status_*`, `w3c.tracestate`, `otel.dropped_*_count` |
//! | status error | tag `error`, which is true; where the status is OK, an attribute that says so is left out |
//! | event | log, its name in field `event` |
//! | attributes that the table above makes of flags, warnings, `process_id` | these again |
//! | no start | the end, with no duration; a negative duration is none |
//! | flags but sampled, schema URLs, entities | lost |

pub mod api_v2;
mod batch;
mod encode;
mod error;
mod model;
mod numbers;
mod plain_tag;
mod process;
mod read_protobuf;
mod read_thrift;
mod tags;
pub mod thrift;
mod write;

pub use encode::{FLAGS_ATTRIBUTE, PROCESS_ID_ATTRIBUTE, WARNINGS_ATTRIBUTE};
pub use error::JaegerError;
pub use write::{PostSpansWriter, SpanMessage, SpanMessagesWriter};
