//! What the gateway can be told: `receivers`, `authentication` and `limits` of the configuration
//! file.

pub(crate) mod check;
pub(crate) mod http;
pub(crate) mod limits;
pub(crate) mod receivers;
pub(crate) mod tenants;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use wholetrace_runtime::problems::{Problems, join};

use self::{
    check::{check_limits, check_receivers},
    limits::LimitsConfig,
    receivers::ReceiversConfig,
    tenants::AuthenticationConfig,
};

/// The gateway's sections of the configuration file.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Where spans come in.
    pub receivers: ReceiversConfig,
    /// Who may send.
    pub authentication: AuthenticationConfig,
    /// Bounds of what is held and waited for.
    pub limits: LimitsConfig,
}

impl GatewayConfig {
    /// Adds everything that is wrong with it to `problems`. The sections are told by their own
    /// names; `path` is what they stand under, empty for the top of the file.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        self.authentication.check(&join(path, "authentication"), problems);
        check_limits(&self.limits, &join(path, "limits"), problems);
        check_receivers(&self.receivers, &self.limits, &join(path, "receivers"), problems);
    }
}

#[cfg(test)]
mod tests;
