//! OTLP/JSON: requests into OTLP protobuf, and OTLP protobuf into lines of a file.
//!
//! [`to_protobuf`] reads a request as leniently as the Collector does and rejects a bad span
//! alone. It writes protobuf while it reads, with no tree of the document in between.
//! [`from_protobuf`] writes what the Collector's file exporter writes.

pub(crate) mod error;
mod format;
mod line;
mod line_value;
pub(crate) mod nest;
pub(crate) mod number;
mod object;
pub(crate) mod open;
mod parts;
pub(crate) mod reader;
mod request;
pub(crate) mod room;
pub(crate) mod scalar;
pub(crate) mod span;
pub(crate) mod value;

pub use error::{Found, JsonError};
pub use line::{from_protobuf, write_line};
pub use line_value::LineError;
pub use request::to_protobuf;
