//! What the sampler counts of policies.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use metrics::{Counter, Gauge, counter, gauge};
use wholetrace_runtime::metrics::{Label, Metric, Unit};

use crate::{
    core::partition::{Made, Released},
    policy::{PolicyCounts, PolicyHash},
};

/// Counters of each policy, of this configuration or one before a reload.
#[derive(Clone, Default)]
pub(crate) struct PolicyMetrics(Arc<Mutex<ByPolicy>>);

#[derive(Default)]
struct ByPolicy {
    counters: Vec<Counters>,
    /// Where the counters of a policy are, by its name.
    places: HashMap<String, usize>,
    /// The same for the set that was counted last, by the number of the policy.
    last: Option<(PolicyHash, Vec<usize>)>,
}

/// The counters of one policy: each is made when there is something to count.
struct Counters {
    policy: String,
    made: [Option<Counter>; NAMES.len()],
}

impl Counters {
    fn add(&mut self, counts: [u64; NAMES.len()]) {
        for ((counter, name), count) in self.made.iter_mut().zip(NAMES).zip(counts) {
            if count > 0 {
                let made = || counter!(name, "policy" => self.policy.clone());
                counter.get_or_insert_with(made).increment(count);
            }
        }
    }
}

impl PolicyMetrics {
    /// Adds what policies have decided.
    pub(crate) fn decided(&self, made: &Made) {
        let mut by_policy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = made.policies.hash();
        // Looking names up costs more than counting.
        let known = by_policy.last.take().filter(|(of, _)| *of == hash);
        let (_, places) = known.unwrap_or_else(|| {
            let names = made.named().map(|(policy, _)| policy.unwrap_or(NO_POLICY));
            (hash, names.map(|policy| by_policy.place(policy)).collect())
        });
        for (place, (_, counts)) in places.iter().zip(made.named()) {
            by_policy.add(*place, decided(counts));
        }
        by_policy.last = Some((hash, places));
    }

    /// Adds what was released.
    pub(crate) fn released(&self, released: &[Released]) {
        if released.is_empty() {
            return;
        }
        let mut by_policy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Released { policy, spans, bytes } in released {
            let place = by_policy.place(policy.as_deref().unwrap_or(OTHERS));
            by_policy.add(place, [0, *spans, *bytes, 0, 0, 0, 0, 0, 0, 0]);
        }
    }
}

/// What the decisions of a policy add to its counters.
const fn decided(counts: &PolicyCounts) -> [u64; NAMES.len()] {
    let PolicyCounts { evaluated, matched, alone, failed, .. } = *counts;
    let PolicyCounts { decided, would_keep, would_drop, nanos, .. } = *counts;
    [decided, 0, 0, evaluated, matched, alone, failed, would_keep, would_drop, nanos]
}

impl ByPolicy {
    /// Where the counters of a policy are.
    fn place(&mut self, policy: &str) -> usize {
        if let Some(place) = self.places.get(policy) {
            return *place;
        }
        let always = [NO_POLICY, OTHERS].contains(&policy);
        if self.counters.len() >= POLICIES_MAX && !always {
            return self.place(OTHERS);
        }
        let policy = policy.to_owned();
        self.counters.push(Counters { policy: policy.clone(), made: Default::default() });
        self.places.insert(policy, self.counters.len() - 1);
        self.counters.len() - 1
    }

    fn add(&mut self, place: usize, counts: [u64; NAMES.len()]) {
        if let Some(counters) = self.counters.get_mut(place) {
            counters.add(counts);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// However many policies there are and whatever reloads bring, labels are bounded, and those of
    /// traces that nobody wanted have their own.
    #[test]
    fn names_beyond_a_bound_are_counted_together() {
        let mut by_policy = ByPolicy::default();
        let places: HashSet<usize> =
            (0..3 * POLICIES_MAX).map(|number| by_policy.place(&number.to_string())).collect();
        assert_eq!(places.len(), POLICIES_MAX + 1);
        let (none, others) = (by_policy.place(NO_POLICY), by_policy.place(OTHERS));
        assert!(none != others && !places.contains(&none) && places.contains(&others));
        assert_eq!(by_policy.place("7"), 7);
        assert_eq!(by_policy.counters.len(), POLICIES_MAX + 2);
    }

    #[test]
    fn what_is_counted_is_declared() {
        for name in NAMES.iter().chain(&[POLICIES_INFO]) {
            assert!(TABLE.iter().any(|metric| metric.name == *name), "{name}");
        }
    }
}
