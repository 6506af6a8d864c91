//! With whom shares of the traces agree.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// With whom `probabilistic` policies without a `hash_salt` agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compatibility {
    /// With all samplers that follow OpenTelemetry's consistent probability sampling.
    #[default]
    Consistent,
    /// With the Collector's `tail_sampling` processor.
    Collector,
}
