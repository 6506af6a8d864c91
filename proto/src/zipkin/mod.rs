//! Zipkin spans into OTLP: v2 in JSON and protobuf, v1 in JSON and Thrift; and back into v2 JSON.
//!
//! What becomes what (OpenTelemetry's own translation, without its losses):
//!
//! | Zipkin | OTLP |
//! |---|---|
//! | trace id of 64 bits | the low half; zeros before it |
//! | `parentId` zero or the span's own id | no parent: a root |
//! | no kind | that in tag `span.kind`, else unspecified; a kind or tag of no known word: an attribute `span.kind` |
//! | `localEndpoint.serviceName` | resource `service.name`, or the name in tag `otlp.service.name.source`; a tag of that name goes before it |
//! | tags that describe the resource | the resource; spans with equal ones share it |
//! | tags `otel.scope.*`, else `otel.library.*` (`name`, `version`) | the scope |
//! | `localEndpoint` address, port | `network.local.address`, `net.host.port` |
//! | `remoteEndpoint` name, address, port | `service.peer.name`, `network.peer.address`, `net.peer.port`; tags of these names stand |
//! | addresses of both versions | the one of version 6 as above, the other as `zipkin.local.ipv4`, `zipkin.peer.ipv4`; each in its canonical form, what is no address left out |
//! | tag `error` | status error, whatever it says; the tag stays unless it is `true` |
//! | tags `otel.status_code`, `otel.status_description` | status; a code of no known word: attributes |
//! | tag `w3c.tracestate` | trace state |
//! | tags `otlp.link.0` to `otlp.link.127` | links; of another form: attributes |
//! | annotation | event; `name\|{attributes}\|dropped` is taken apart, any other text is its name |
//! | no timestamp | start 0 and [`START_ABSENT_ATTRIBUTE`]; the end is the duration |
//! | a time after the year 2262 (nanoseconds instead of microseconds) | the last moment that all receivers of OTLP can read, as the end; the duration stays |
//! | no duration | the end is the start |
//! | `debug` | [`KEEP_ATTRIBUTE`](crate::translated::KEEP_ATTRIBUTE) with [`KEEP_ZIPKIN_DEBUG`](crate::translated::KEEP_ZIPKIN_DEBUG) |
//! | `shared`, but on a client's span | [`SHARED_ATTRIBUTE`] |
//! | other tags | attributes, as text but for those of v1; of one name, the last |
//!
//! A span of v1 becomes one of v2 for each service that has written to it, as Zipkin does it, and
//! then the above:
//!
//! | Zipkin v1 | v2 |
//! |---|---|
//! | annotations `cs` and `cr`, `sr` and `ss`, `ms`, `mr`, of an endpoint | the kind of that endpoint's span, and its times |
//! | `cs` and `sr` in one span | two spans of one id: the client's, with the times of the span, and the server's, with those of its annotations, `shared` |
//! | `sr` alone, and the span has no times | `shared` |
//! | one of a pair alone | what it says of kind and start; `cr` and `ss` stay annotations, and tell the start when they end with the span |
//! | `ws`, `wr` beside `ms`, `mr` | the other end of the times |
//! | binary annotations `sa`, `ca`, `ma` that are `true` (also as text), 1 or empty, with an endpoint | the remote endpoint of the client's, the server's, the messaging span; that of the own side is left out |
//! | other binary annotations | tags with their types, bytes of Thrift as text in base64 |
//! | a ninth service and those after it | the first span |
//! | fields of v2 beside those of v1 | as in v2, on the first span |
//!
//! And the other way, so that what is written reads back as it was, but for types and nanoseconds:
//!
//! | OTLP | Zipkin v2 |
//! |---|---|
//! | trace id whose high half is zero | its low half |
//! | kind internal | tag `span.kind` |
//! | resource `service.name`, else `faas.name`, `k8s.deployment.name`, `process.executable.name` (with tag `otlp.service.name.source`), else a name by configuration | `localEndpoint.serviceName` |
//! | attributes of the resource, the scope and the span | tags, as text: lists and maps in JSON, bytes in base64; of one name, the span's |
//! | name and version of the scope | tags `otel.scope.*` |
//! | attributes that the tables above make of endpoints | endpoints again |
//! | `peer.service`; for a client's or a producer's span also `server.address` and older names | `remoteEndpoint`; they stay tags |
//! | status | tags `otel.status_code` (`STATUS_CODE_ERROR`), `otel.status_description`, and `error` on an error |
//! | attribute `error` that is `false`, or on a span whose status is OK | left out: to Zipkin it would be an error |
//! | trace state, links, counts of what was dropped | tags `w3c.tracestate`, `otlp.link.N`, `otel.dropped_*_count` |
//! | event | annotation, `name\|{attributes}\|dropped` if there is more than a name; without a time it has that of the span |
//! | times | microseconds, cut off; less than one is one; a negative duration is none |
//! | no start | the end, with no duration |
//! | flags, schema URLs, entities, types of values | lost |

mod address;
mod draft;
mod encode;
mod error;
mod ipv4_text;
mod json;
mod known;
mod links_events;
mod model;
mod own;
mod parts;
mod plain_json;
mod plain_thrift;
mod proto3;
mod request;
mod resource_keys;
mod scopes;
mod tags;
mod thrift;
mod translate;
mod v1;
mod write;

/// The path of the call over gRPC that takes spans: a `ListOfSpans`, answered by a message without
/// fields.
pub const REPORT_PATH: &str = "/zipkin.proto3.SpanService/Report";

pub use error::ZipkinError;
pub use own::{SHARED_ATTRIBUTE, START_ABSENT_ATTRIBUTE};
pub use tags::NO_SERVICE_NAME;
pub use translate::{Encoding, Envelope, thrift_list_to_protobuf, to_protobuf};
pub use write::JsonWriter;
