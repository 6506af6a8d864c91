//! A number for what a configuration decides.

use std::fmt;

use serde::Serialize;
use wholetrace_runtime::units::HumanDuration;

use crate::policy::{
    compatibility::Compatibility,
    config::{DropSignal, KeepSignal, TailSamplingConfig},
    fnv,
    policies::PolicyConfig,
};

/// A number for what a configuration decides: processes with equal ones decide alike. It is shown
/// as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PolicyHash(pub u64);

/// What of a configuration plays a part in decisions.
#[derive(Serialize)]
struct Deciding<'c> {
    policies: &'c [PolicyConfig],
    decision_wait: HumanDuration,
    decision_wait_after_root_received: HumanDuration,
    keep_signals: &'c [KeepSignal],
    /// Left out where there are none, as before there were any.
    #[serde(skip_serializing_if = "<[DropSignal]>::is_empty")]
    drop_signals: &'c [DropSignal],
    compatibility: Compatibility,
    maximum_trace_size_bytes: u64,
}

impl PolicyHash {
    /// That of a configuration: FNV-1a, 64 bits wide, over its JSON without spaces, with sorted keys
    /// and all defaults. How it was written, and keys that are not needed, play no part.
    pub(super) fn of(config: &TailSamplingConfig) -> Self {
        let deciding = Deciding {
            policies: &config.policies,
            decision_wait: config.decision_wait,
            decision_wait_after_root_received: config.decision_wait_after_root_received,
            keep_signals: &config.keep_signals,
            drop_signals: &config.drop_signals,
            compatibility: config.compatibility,
            maximum_trace_size_bytes: config.maximum_trace_size_bytes.unwrap_or_default(),
        };
        // Maps with keys that are no text cannot be JSON, and there are none.
        let mut value = serde_json::to_value(deciding).unwrap_or_default();
        value.sort_all_objects();
        Self(fnv::hash(value.to_string().as_bytes()))
    }
}

impl fmt::Display for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(yaml: &str) -> String {
        let config: TailSamplingConfig = serde_saphyr::from_str(yaml).unwrap();
        PolicyHash::of(&config).to_string()
    }

    /// The number is compared between processes and versions, and stands in logs.
    #[test]
    fn the_hash_is_a_given_one() {
        assert_eq!(hash(ONE), "154cfe5b821902d7");
    }

    const ONE: &str = "
policies: [ { name: a, type: latency, latency: { threshold_ms: 5, upper_threshold_ms: 9 } } ]
decision_wait: 10s
";

    #[test]
    fn only_what_decides_plays_a_part() {
        for same in [
            "{ decision_wait: 10000ms, num_traces: 7, decision_cache: { max_age: 2h }, policies: \
             { type: latency, name: a, latency: { upper_threshold_ms: 9, threshold_ms: 5 } } }",
            "{ decision_wait: 10s, keep_signals: [debug], maximum_trace_size_bytes: 0, policies: \
             { type: latency, name: a, latency: { upper_threshold_ms: 9, threshold_ms: 5 }, \
             shadow: false } }",
        ] {
            assert_eq!(hash(same), hash(ONE), "{same}");
        }
        for other in [
            "threshold_ms: 6",
            "name: b",
            "shadow: true, name: a",
            "decision_wait: 11s",
            "compatibility: collector\ndecision_wait: 10s",
            "keep_signals: []\ndecision_wait: 10s",
            "drop_signals: [sampling_priority]\ndecision_wait: 10s",
        ] {
            let (key, _) = other.rsplit(['\n', ',']).next().unwrap().split_once(':').unwrap();
            let from = ONE.find(key.trim()).unwrap();
            let to = from + ONE[from..].find([',', '\n']).unwrap();
            let changed = format!("{}{}{}", &ONE[..from], other, &ONE[to..]);
            assert_ne!(hash(&changed), hash(ONE), "{changed}");
        }
    }
}
