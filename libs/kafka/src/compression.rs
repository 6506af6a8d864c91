//! Codecs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A codec of Kafka.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As they are.
    None,
    /// Well known, slow.
    Gzip,
    /// Fast.
    Snappy,
    /// Fast, and smaller than `snappy`.
    #[default]
    Lz4,
    /// A third smaller than `lz4` for about twice the work.
    Zstd,
}

impl Compression {
    /// Its name in Kafka.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}
