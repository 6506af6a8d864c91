//! Options that several exporters share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the bytes of a request are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all: the least work here.
    #[serde(alias = "")]
    None,
    /// gzip: every receiver reads it.
    Gzip,
    /// zstd: smaller and cheaper than gzip; the receiver must be able to read it (Collectors and
    /// Jaeger are).
    Zstd,
}

/// What the bodies of OTLP HTTP requests are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Binary protobuf: nothing is decoded here.
    #[default]
    Proto,
    /// OTLP/JSON: several times the work, here and at the receiver.
    Json,
}

/// How much the debug exporter says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// How many spans there were.
    #[default]
    Basic,
    /// A line for each span.
    Normal,
    /// All of each span.
    Detailed,
}
