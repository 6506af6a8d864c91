//! Thresholds and randomness that spans come with, also several in one trace.

use wholetrace_proto::tracestate;

use crate::policy::{
    set::PolicySet,
    tests::{
        head::{Head, Vector, vectors},
        support::*,
    },
};

/// A trace id with a high randomness.
const LUCKY: u128 = 1 << 100 | 0xff_ffff_0000_0000;

fn sampler(settings: &str) -> PolicySet {
    policy("probabilistic_sampler", settings)
}

/// Each span leaves with the threshold of the trace or its own, whichever is greater.
#[test]
fn spans_with_several_thresholds_keep_what_is_true_of_each() {
    let states = ["", "ot=th:4", "ot=th:8", "ot=th:c;x:1", "v=1"];
    let trace = came(LUCKY, &states);
    let share = policy("probabilistic", "{ sampling_percentage: 50 }");
    let equalizing = sampler("{ sampling_percentage: 50, mode: equalizing }");
    let proportional = sampler("{ sampling_percentage: 50, mode: proportional }");
    let wanted = ["ot=th:8", "ot=th:8", "ot=th:8", "ot=th:c;x:1", "ot=th:8,v=1"];
    for policies in [&share, &equalizing, &proportional] {
        assert_eq!(leave(policies, &trace), wanted);
    }
    assert_eq!(leave(&policies("  - { name: a, type: always_sample }"), &trace), states);
    // A part of what arrives, which is half: the span with the least threshold tells.
    assert_eq!(
        leave(&proportional, &came(LUCKY, &["ot=th:e", "ot=th:8", "ot=th:c"])),
        ["ot=th:e", "ot=th:c", "ot=th:c"]
    );
    // The trace is judged as a whole: what a part of its spans has passed does not keep it.
    let half_way = came(1 << 100 | 0xd0_0000_0000_0000, &["ot=th:8", "ot=th:c"]);
    let tenth = sampler("{ sampling_percentage: 10, mode: proportional }");
    assert!(!half_way.is_kept(&tenth));
    assert_eq!(verdict(&proportional, &half_way), (true, true, 3 << 54));
}

/// An untrue threshold says nothing, of its span or of others.
#[test]
fn an_untrue_threshold_among_others_is_erased() {
    let id = 1 << 100 | 0x90_0000_0000_0000;
    let trace = came(id, &["ot=th:8", "ot=th:c", "", "ot=rv:f0000000000000;th:e"]);
    let always = policies("  - { name: a, type: always_sample }");
    assert_eq!(leave(&always, &trace), ["ot=th:8", "", "", "ot=rv:f0000000000000;th:e"]);
    for mode in ["equalizing", "proportional", "hash_seed"] {
        let settings = format!("sampling_percentage: 100, mode: {mode}");
        assert!(!trace.is_kept(&sampler(&format!("{{ {settings} }}"))), "{mode}");
        let open = sampler(&format!("{{ {settings}, fail_closed: false }}"));
        let erased = ["", "", "", "ot=rv:f0000000000000"];
        assert_eq!(leave(&open, &trace), erased, "{mode}");
    }
}

/// The threshold tells nothing of spans with another randomness than the one it was compared with.
#[test]
fn spans_with_another_randomness_carry_no_threshold() {
    let share = policy("probabilistic", "{ sampling_percentage: 50 }");
    let stated = "ot=rv:90000000000000";
    let with = "ot=th:8;rv:90000000000000";
    // One service has lost the tracestate.
    for id in [LUCKY, 1] {
        assert_eq!(leave(&share, &came(id, &[stated, "", stated])), [with, "", with]);
    }
    assert!(!came(LUCKY, &["", "ot=rv:70000000000000"]).is_kept(&share));
    // The least of several is not as random as one.
    let several = came(LUCKY, &[stated, "ot=rv:a0000000000000;th:4", ""]);
    assert_eq!(verdict(&share, &several), (true, false, 0));
    assert_eq!(leave(&share, &several), [stated, "ot=rv:a0000000000000", ""]);
    // What is kept for its contents is kept whatever the randomness.
    let always = policies("  - { name: a, type: always_sample }");
    assert_eq!(leave(&always, &several), [stated, "ot=rv:a0000000000000;th:4", ""]);
}

/// Agents that draw by the hash state what they have drawn, which a policy with the same seed takes up.
#[test]
fn the_hash_of_agents_with_the_same_seed_is_comparable() {
    let id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
    let agent = |seed: u32| Head::hash_seed(seed, 60.0).let_pass(id, 0, "").unwrap();
    let of = |seed: u32| sampler(&format!("{{ sampling_percentage: 1, hash_seed: {seed} }}"));
    // Of 16,384 buckets 163 are kept.
    let (one, rejected) = (of(0), (16_384 - 163) << 42);
    assert_eq!(verdict(&one, &came(id, &[&agent(0)])), (true, true, rejected));
    let left = leave(&one, &came(id, &[&agent(0), ""]));
    assert!(left[0].starts_with("ot=th:fd74;rv:fdc") && left[1].is_empty(), "{left:?}");
    // Another randomness is not the one of this seed.
    assert_eq!(verdict(&one, &came(id, &["ot=rv:fffffffffffff0"])), (true, false, 0));
    assert_eq!(verdict(&one, &came(id, &[""])), (true, false, 0));
    assert!(!came(id, &[&agent(0)]).is_kept(&of(22)));
}

/// A trace of one span is judged as the Collector's processor judges the span.
#[test]
fn single_spans_are_judged_as_by_the_collector() {
    let mut kept = 0;
    for vector in vectors() {
        let Vector { mode, percentage, seed, precision, id, before, behind } = vector;
        let policies = sampler(&format!(
            "{{ mode: {mode}, sampling_percentage: {percentage}, hash_seed: {seed}, \
             sampling_precision: {precision} }}"
        ));
        let trace = came(id, &[before]);
        assert_eq!(trace.is_kept(&policies), behind.is_some(), "{vector:?}");
        let Some(behind) = behind else { continue };
        kept += 1;
        // By the hash nothing is written, but what one with the same seed has written stays.
        let trace = if mode == "hash_seed" { came(id, &[behind]) } else { trace };
        let left = tracestate::read(leave(&policies, &trace)[0].as_bytes());
        assert_eq!(left, tracestate::read(behind.as_bytes()), "{vector:?}");
        assert!(trace.decision(&policies).probability_known);
    }
    assert!(kept > 30, "{kept}");
}

#[test]
fn shares_are_as_exact_as_is_asked() {
    let threshold =
        |settings: &str| verdict(&policy("probabilistic", settings), &came(LUCKY, &[""])).2;
    assert_eq!(threshold("{ sampling_percentage: 1 }"), 0xfd_70a0_0000_0000);
    for (precision, wanted) in [
        (1, 0xfd_0000_0000_0000),
        (2, 0xfd_7000_0000_0000),
        (4, 0xfd_70a0_0000_0000),
        (14, 0xfd_70a3_d70a_3d71),
    ] {
        let settings = format!("{{ sampling_percentage: 1, sampling_precision: {precision} }}");
        assert_eq!(threshold(&settings), wanted, "{precision}");
    }
    let of = |settings: &str| {
        problems(&format!(
            "policies: [ {{ name: a, type: probabilistic, probabilistic: {{ \
             sampling_percentage: 1, {settings} }} }} ]"
        ))
    };
    for precision in ["0", "15"] {
        let (errors, _) = of(&format!("sampling_precision: {precision}"));
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("sampling_precision") && errors[0].contains(precision));
    }
    // A hash is as exact as it can be.
    let (errors, warnings) = of("sampling_precision: 14, hash_salt: x");
    assert!(errors.is_empty() && warnings.len() == 1, "{errors:?} {warnings:?}");
}
