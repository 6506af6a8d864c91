//! OTLP/JSON: requests into OTLP protobuf, and OTLP protobuf into lines of a file.
//!
//! [`to_protobuf`] reads a request as leniently as the Collector does and rejects a bad span
//! alone. It writes protobuf while it reads, with no tree of the document in between.
//! [`from_protobuf`] writes what the Collector's file exporter writes.

mod read;
mod write;

pub use read::to_protobuf;
pub use write::{WriteError, from_protobuf, write_line};
