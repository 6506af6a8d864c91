//! JSON text: a bounded reader that can go back, values read leniently, and a writer.
//!
//! What the text means is not known here: see [`otlp_json`](crate::otlp_json) and
//! [`zipkin`](crate::zipkin).

pub(crate) mod error;
pub(crate) mod kind;
pub(crate) mod number;
pub(crate) mod reader;
mod sniff;
pub(crate) mod values;
pub(crate) mod writer;

pub use error::{Found, JsonError};
