//! What the sampler counts of policies.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use metrics::{Counter, Gauge, counter, gauge};
use wholetrace_runtime::metrics::{Label, Metric, Unit};

use crate::{core::partition::Made, policy::PolicyHash};

/// Counters of each policy that has decided a trace, of this configuration or one before a reload.
#[derive(Clone, Default)]
pub(crate) struct PolicyMetrics {
    by_policy: Arc<Mutex<BTreeMap<String, Counter>>>,
}

impl PolicyMetrics {
    /// Adds what policies have decided.
    pub(crate) fn decided(&self, made: &Made) {
        let mut by_policy = self.by_policy.lock().unwrap_or_else(PoisonError::into_inner);
        for (policy, count) in made.named() {
            let known = |policy: &&str| by_policy.contains_key(*policy);
            let policy = policy.unwrap_or(NO_POLICY);
            let room = by_policy.len() < POLICIES_MAX;
            let policy = Some(policy).filter(|policy| room || known(policy)).unwrap_or(OTHERS);
            if let Some(counter) = by_policy.get(policy) {
                counter.increment(count);
            } else {
                let counter = counter!(BY_POLICY, "policy" => policy.to_owned());
                counter.increment(count);
                by_policy.insert(policy.to_owned(), counter);
            }
        }
    }
}

/// Tells which policies new traces are judged by.
#[derive(Clone, Debug, Default)]
pub(crate) struct PoliciesInUse(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    hashes: HashSet<PolicyHash>,
    now: Option<PolicyHash>,
}

impl PoliciesInUse {
    /// From here on it is those of `hash`.
    pub(crate) fn replace(&self, hash: PolicyHash) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = told.now.replace(hash) {
            told.gauge(before).set(0.0);
        }
        told.gauge(hash).set(1.0);
    }
}

impl Told {
    fn gauge(&mut self, hash: PolicyHash) -> Gauge {
        if self.hashes.len() < POLICIES_MAX {
            self.hashes.insert(hash);
        }
        let label = if self.hashes.contains(&hash) { hash.to_string() } else { OTHERS.to_owned() };
        gauge!(POLICIES_INFO, "hash" => label)
    }
}

/// So many names get a counter, and so many hashes a gauge, those of reloads included; others are
/// counted together.
const POLICIES_MAX: usize = 1_000;
const OTHERS: &str = "other";
/// The label of traces that no policy wanted.
const NO_POLICY: &str = "none";

const BY_POLICY: &str = "wholetrace_sampler_policy_decisions_total";
const POLICIES_INFO: &str = "wholetrace_sampler_policies_info";

/// The metrics of policies.
pub const TABLE: &[Metric] = &[
    Metric::counter(
        BY_POLICY,
        Unit::None,
        "Traces decided, by the first policy that decided so; one of type `drop` has turned them \
         down, the others have kept them. After a restart, some again.",
    )
    .labels(&[Label::capped(
        "policy",
        "its name in the configuration, `keep_signals`, `none` for traces that no policy wanted, or \
         `other` for those beyond 1,000 names",
    )]),
    Metric::gauge(
        POLICIES_INFO,
        Unit::None,
        "1 for the policies that new traces are judged by, 0 for those before a reload. Processes \
         with the same `hash` decide alike: more than one hash of value 1 in a fleet, for longer \
         than a rollout takes, is worth an alert.",
    )
    .labels(&[Label::capped(
        "hash",
        "of the policies and all that plays a part in decisions: 16 hexadecimal digits, or `other` \
         for those beyond 1,000",
    )]),
];
