//! What the sampler counts of policies.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use metrics::{Counter, Gauge, counter, gauge};
use wholetrace_runtime::metrics::{Label, Metric, Unit};

use crate::{
    core::partition::{Made, Released},
    policy::{PolicyCounts, PolicyHash},
};

/// Counters of each policy that has decided a trace, of this configuration or one before a reload.
#[derive(Clone, Default)]
pub(crate) struct PolicyMetrics {
    by_policy: Arc<Mutex<BTreeMap<String, Counters>>>,
}

/// The counters of one policy: each is made when there is something to count.
#[derive(Default)]
struct Counters([Option<Counter>; NAMES.len()]);

impl Counters {
    fn add(&mut self, policy: &str, counts: [u64; NAMES.len()]) {
        for ((counter, name), count) in self.0.iter_mut().zip(NAMES).zip(counts) {
            if count > 0 {
                let made = || counter!(name, "policy" => policy.to_owned());
                counter.get_or_insert_with(made).increment(count);
            }
        }
    }
}

impl PolicyMetrics {
    /// Adds what policies have decided.
    pub(crate) fn decided(&self, made: &Made) {
        let named = made.named().map(|(policy, counts)| (policy.unwrap_or(NO_POLICY), counts));
        self.add(named.map(|(policy, counts)| {
            let PolicyCounts { evaluated, matched, alone, failed, .. } = *counts;
            let PolicyCounts { decided, would_keep, would_drop, nanos, .. } = *counts;
            (
                policy,
                [decided, 0, 0, evaluated, matched, alone, failed, would_keep, would_drop, nanos],
            )
        }));
    }

    /// Adds what was released.
    pub(crate) fn released(&self, released: &[Released]) {
        if released.is_empty() {
            return;
        }
        self.add(released.iter().map(|Released { policy, spans, bytes }| {
            let policy = policy.as_deref().unwrap_or(OTHERS);
            (policy, [0, *spans, *bytes, 0, 0, 0, 0, 0, 0, 0])
        }));
    }

    fn add<'a>(&self, counts: impl Iterator<Item = (&'a str, [u64; NAMES.len()])>) {
        let mut by_policy = self.by_policy.lock().unwrap_or_else(PoisonError::into_inner);
        for (policy, counts) in counts {
            let room = by_policy.len() < POLICIES_MAX;
            let policy = if room || by_policy.contains_key(policy) { policy } else { OTHERS };
            if let Some(counters) = by_policy.get_mut(policy) {
                counters.add(policy, counts);
            } else {
                by_policy.entry(policy.to_owned()).or_default().add(policy, counts);
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
const KEPT_SPANS: &str = "wholetrace_sampler_policy_kept_spans_total";
const KEPT_BYTES: &str = "wholetrace_sampler_policy_kept_bytes_total";
const EVALUATIONS: &str = "wholetrace_sampler_policy_evaluations_total";
const MATCHES: &str = "wholetrace_sampler_policy_matches_total";
const SOLE_MATCHES: &str = "wholetrace_sampler_policy_sole_matches_total";
const ERRORS: &str = "wholetrace_sampler_policy_errors_total";
const WOULD_KEEP: &str = "wholetrace_sampler_policy_would_keep_total";
const WOULD_DROP: &str = "wholetrace_sampler_policy_would_drop_total";
const NANOSECONDS: &str = "wholetrace_sampler_policy_evaluation_nanoseconds_total";
/// The counters of a policy.
const NAMES: [&str; 10] = [
    BY_POLICY,
    KEPT_SPANS,
    KEPT_BYTES,
    EVALUATIONS,
    MATCHES,
    SOLE_MATCHES,
    ERRORS,
    WOULD_KEEP,
    WOULD_DROP,
    NANOSECONDS,
];
const POLICIES_INFO: &str = "wholetrace_sampler_policies_info";

const POLICY: Label = Label::capped(
    "policy",
    "its name in the configuration, `keep_signals`, `none` for traces that no policy wanted, or \
     `other` for those beyond 1,000 names",
);

/// The metrics of policies.
pub const TABLE: &[Metric] = &[
    Metric::counter(
        BY_POLICY,
        Unit::None,
        "Traces decided, by the first policy that decided so; one of type `drop` has turned them \
         down, the others have kept them. After a restart, some again.",
    )
    .labels(&[POLICY]),
    Metric::counter(
        KEPT_SPANS,
        Unit::None,
        "Spans released to the exporters, by the first policy that kept their trace; not those for \
         an exporter that is behind the others.",
    )
    .labels(&[POLICY]),
    Metric::counter(KEPT_BYTES, Unit::Bytes, "Bytes of those spans, as they came.")
        .labels(&[POLICY]),
    Metric::counter(
        EVALUATIONS,
        Unit::None,
        "Traces that the policy was asked about. After one of type `drop` has said yes, others are \
         not asked, but for shadows.",
    )
    .labels(&[POLICY]),
    Metric::counter(MATCHES, Unit::None, "Traces that the policy said yes to, shadows included.")
        .labels(&[POLICY]),
    Metric::counter(
        SOLE_MATCHES,
        Unit::None,
        "Traces that are kept for this policy alone: no other one that is obeyed said yes. What is \
         saved without it.",
    )
    .labels(&[POLICY]),
    Metric::counter(
        ERRORS,
        Unit::None,
        "Traces that the policy failed for: it said neither yes nor no.",
    )
    .labels(&[POLICY]),
    Metric::counter(
        WOULD_KEEP,
        Unit::None,
        "Of a policy with `shadow: true`: traces that no policy wanted, and that it would have kept.",
    )
    .labels(&[POLICY]),
    Metric::counter(
        WOULD_DROP,
        Unit::None,
        "Of a policy of type `drop` with `shadow: true`: traces that are kept, and that it would \
         have discarded.",
    )
    .labels(&[POLICY]),
    Metric::counter(
        NANOSECONDS,
        Unit::None,
        "Nanoseconds that evaluating the policy took, about: one decision in 64 is timed, and counts \
         for all. What the policies look for in spans is found in one scan for all together, and \
         is not in it.",
    )
    .labels(&[POLICY]),
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
