//! Policies that are tried only.

use proptest::prelude::*;
use wholetrace_runtime::problems::Problems;

use crate::policy::{
    config::TailSamplingConfig,
    policies::PolicyConfig,
    sampling_decision::{PolicyBits, SamplingDecision},
    set::PolicySet,
    tests::{
        properties::{SETS, trace},
        support::*,
    },
};

fn compiled(policies: Vec<PolicyConfig>) -> PolicySet {
    let config = TailSamplingConfig { policies, ..TailSamplingConfig::default() };
    PolicySet::compile(&config, "", &mut Problems::new()).expect("policies")
}

fn outcome(decision: &SamplingDecision) -> (bool, u64, bool) {
    (decision.kept, decision.threshold, decision.probability_known)
}

proptest! {
    /// A set decides with a shadow as it does without that policy, and tells of the shadow what it
    /// says by itself.
    #[test]
    fn prop_shadows_say_what_they_would_and_change_nothing(trace in trace()) {
        for yaml in SETS {
            let all = config(&format!("policies:\n{yaml}")).policies;
            for place in 0..all.len() {
                let (mut tried, mut without) = (all.clone(), all.clone());
                tried[place].shadow = true;
                let alone = compiled(vec![without.remove(place)]);
                let decision = trace.decision(&compiled(tried));
                let expected = trace.decision(&compiled(without));
                prop_assert_eq!(outcome(&decision), outcome(&expected), "{} {}", place, yaml);
                let place = u16::try_from(place).unwrap();
                let says_yes = trace.decision(&alone).matched.contains(0);
                let shadow: PolicyBits = says_yes.then_some(place).into_iter().collect();
                prop_assert_eq!(decision.shadow, shadow, "{} {}", place, yaml);
            }
        }
    }
}

#[test]
fn a_shadow_is_told_where_others_decide() {
    let policies = policies(
        "
  - { name: all, type: always_sample }
  - { name: large, type: span_count, shadow: true, span_count: { min_spans: 2 } }
  - { name: no-errors, type: drop, shadow: true, drop: { drop_sub_policy: [
      { name: errors, type: status_code, status_code: { status_codes: [ERROR] } } ] } }
",
    );
    let shadows = |trace: Trace| {
        let decision = trace.decision(&policies);
        assert!(decision.kept && decision.policy == Some(0));
        assert_eq!(decision.matched, [0].into_iter().collect());
        decision.shadow.iter().collect::<Vec<_>>()
    };
    assert_eq!(shadows(dull()), [0; 0]);
    assert_eq!(shadows(dull().span(status(OK))), [1]);
    assert_eq!(shadows(dull().span(status(ERROR))), [1, 2]);
}

#[test]
fn a_policy_inside_another_is_no_shadow() {
    let (errors, _) = problems(
        "
policies: { name: outer, type: or, shadow: true, or: { or_sub_policy: [
  { name: inner, type: always_sample, shadow: true } ] } }
",
    );
    assert_eq!(
        errors,
        ["tail_sampling.policies[0].or.or_sub_policy[0].shadow: is for policies that stand in no \
          other; try the outer one, or a copy of it: give `shadow` to that"]
    );
}
