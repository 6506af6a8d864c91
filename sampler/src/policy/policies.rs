//! The `policies` list of the configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    leaf::{
        latency::LatencyConfig, probabilistic::ProbabilisticConfig, status_code::StatusCodeConfig,
        string_attribute::StringAttributeConfig,
    },
    lenient::one_or_many,
    report::Unknown,
};

/// A policy: a name, a type, and under the name of the type its settings. The same stands in the lists
/// of an `and` and a `drop`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct PolicyConfig {
    /// Names the policy in metrics and decisions: not empty, and different from all others. Within an
    /// `and` or a `drop` it names the policy in messages only.
    pub name: String,
    /// The type: `always_sample`, `and`, `drop`, `latency`, `probabilistic`, `status_code` or
    /// `string_attribute`; not `and` or `drop` within one of these.
    #[serde(rename = "type")]
    pub kind: String,
    /// Keeps traces that lasted long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyConfig>,
    /// Keeps a share of all traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probabilistic: Option<ProbabilisticConfig>,
    /// Keeps traces with a span of given statuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_code: Option<StatusCodeConfig>,
    /// Keeps traces with a text attribute of given values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub string_attribute: Option<StringAttributeConfig>,
    /// Keeps traces that several policies would keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub and: Option<AndConfig>,
    /// Discards traces, whatever other policies say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop: Option<DropConfig>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

/// The body of an `and` policy.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct AndConfig {
    /// A trace is kept if every one of these would keep it; at least one.
    #[serde(deserialize_with = "one_or_many")]
    pub and_sub_policy: Vec<PolicyConfig>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

/// The body of a `drop` policy.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct DropConfig {
    /// A trace is not kept if every one of these would keep it; at least one.
    #[serde(deserialize_with = "one_or_many")]
    pub drop_sub_policy: Vec<PolicyConfig>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl PolicyConfig {
    /// The blocks of settings that are given.
    pub(super) fn blocks<'a>(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let given = [
            ("latency", self.latency.is_some()),
            ("probabilistic", self.probabilistic.is_some()),
            ("status_code", self.status_code.is_some()),
            ("string_attribute", self.string_attribute.is_some()),
            ("and", self.and.is_some()),
            ("drop", self.drop.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(block, _)| block)
    }
}
