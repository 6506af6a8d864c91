//! What the admin listener can be told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The admin listener: `/metrics`, `/livez`, `/readyz`, `/log_level`, `/api/decisions`, over plain
/// HTTP and without authentication. Keep it on an address that only your operators reach.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Address and port to listen on; port 0 takes a free one.
    pub endpoint: String,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { endpoint: "127.0.0.1:8890".to_owned() }
    }
}
