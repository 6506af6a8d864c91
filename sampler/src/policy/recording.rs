//! What kept spans are told of their decision, and under which keys.

use std::sync::Arc;

use crate::policy::{
    config::{RecordPolicy, TailSamplingConfig},
    report::Report,
};

/// The attribute with the name of the policy that kept a trace, as the Collector has it.
pub const POLICY: &str = "tailsampling.policy";

/// The attribute with the name of the policy within a composite one that kept a trace, as the Collector
/// has it.
pub const COMPOSITE_POLICY: &str = "tailsampling.composite_policy";

/// The attribute that marks spans which follow a decision made before they came, as the Collector
/// has it.
pub const CACHED_DECISION: &str = "tailsampling.cached_decision";

/// The attribute that marks the spans of a trace whose rest may have been decided otherwise.
pub const LATE_FRAGMENT: &str = "wholetrace.late_fragment";

/// The attribute with how many spans a kept one stands for.
pub const SAMPLE_RATE: &str = "SampleRate";

/// The keys of all that is told.
const KEYS: [&str; 5] = [POLICY, COMPOSITE_POLICY, CACHED_DECISION, LATE_FRAGMENT, SAMPLE_RATE];

/// Bytes of the key for the reason, at most.
const REASON_KEY_MAX: usize = 256;

/// What kept spans are told of their decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Where they are told the policy.
    pub policy: RecordPolicy,
    /// Under which key they are told the reason, if under any.
    pub reason: Option<Arc<str>>,
    /// Whether they are told how many they stand for.
    pub adjusted_count: bool,
}

impl Recording {
    pub(super) fn of(config: &TailSamplingConfig) -> Self {
        Self {
            policy: config.record_policy,
            reason: config.record_reason.as_deref().map(Arc::from),
            adjusted_count: config.record_adjusted_count,
        }
    }

    /// Whether they are told which policy within a composite one kept them.
    #[must_use]
    pub fn tells_sub_policies(&self) -> bool {
        self.policy != RecordPolicy::None || self.reason.is_some()
    }
}

/// Refuses a key for the reason that no attribute can have, or another has.
pub(super) fn check_reason(config: &TailSamplingConfig, report: &mut Report<'_>) {
    let Some(key) = &config.record_reason else { return };
    let mut report = report.under("record_reason");
    if key.is_empty() {
        report.error(
            "names no attribute",
            "name one, such as `meta.refinery.reason`, or leave it out",
        );
    } else if key.len() > REASON_KEY_MAX {
        let message = format!("has `{}` bytes, at most `{REASON_KEY_MAX}` are possible", key.len());
        report.error(message, "take a shorter name, such as `meta.refinery.reason`");
    } else if KEYS.contains(&key.as_str()) {
        let hint = "take another name, such as `meta.refinery.reason`";
        report.bad_value(key, "is an attribute that spans have for something else", hint);
    }
}
