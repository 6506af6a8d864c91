//! Which policy within a composite one keeps a trace.

use crate::policy::{
    set::PolicySet,
    tests::support::{ERROR, OK, Trace, config, policies, problems, status, within},
};
use wholetrace_runtime::problems::Problems;

/// Below every threshold of a probability of a hundredth and more.
const LUCKY: u128 = 1 << 100 | 0xff_ffff_ffff_ffff;

/// A composite policy that shares a thousand spans a second between errors and all.
fn shares(name: &str) -> String {
    format!(
        "  - {{ name: {name}, type: composite, composite: {{ max_total_spans_per_second: 1000, \
         composite_sub_policy: [ \
         {{ name: {name} errors, type: status_code, status_code: {{ status_codes: [ERROR] }} }}, \
         {{ name: {name} all, type: always_sample }} ] }} }}\n"
    )
}

const ERRORS: &str =
    "  - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }\n";

fn recorded(yaml: &str) -> PolicySet {
    let config = config(&format!("record_policy: span\npolicies:\n{yaml}"));
    let mut problems = Problems::new();
    let set = PolicySet::compile(&config, "tail_sampling", &mut problems);
    set.unwrap_or_else(|| panic!("{problems}"))
}

/// Who decided, and the policy within which composite one.
fn told(set: &PolicySet, status_code: i32, left: &[f64]) -> (String, Option<(String, String)>) {
    let trace = Trace::new(LUCKY).span(status(status_code));
    let (decision, _) = within(set, &trace, left);
    let name = |index: u16| set.policy_name(index).unwrap_or_default().to_owned();
    let sub_policy = decision
        .sub_policy
        .map(|sub| (name(sub.of), set.sub_policy_names()[usize::from(sub.name)].clone()));
    (decision.policy.map(name).unwrap_or_default(), sub_policy)
}

fn pair(of: &str, name: &str) -> Option<(String, String)> {
    Some((of.to_owned(), name.to_owned()))
}

/// The first in their order that says yes and has room, as a Collector would have it if it went on to
/// the next where there is no room.
#[test]
fn the_first_that_has_room_is_told() {
    let set = recorded(&shares("c"));
    for (status_code, left, sub_policy) in [
        (ERROR, [1.0, 1.0], pair("c", "c errors")),
        (ERROR, [0.0, 1.0], pair("c", "c all")),
        (OK, [1.0, 1.0], pair("c", "c all")),
    ] {
        assert_eq!(told(&set, status_code, &left), ("c".to_owned(), sub_policy), "{left:?}");
    }
    assert_eq!(told(&set, OK, &[1.0, 0.0]), (String::new(), None), "none has room");

    // Together they may have less than their shares.
    let allocation = "always_sample } ], rate_allocation: [ { policy: c all, percent: 90 } ] }";
    let together = shares("c").replace("always_sample } ] }", allocation);
    let set = recorded(&together);
    assert_eq!(told(&set, ERROR, &[1.0, 1.0, 1.0]).1, pair("c", "c errors"));
    assert_eq!(told(&set, ERROR, &[1.0, 1.0, 0.0]), (String::new(), None));
}

/// A composite policy is told also where a policy before it decides; of several the first.
#[test]
fn the_first_composite_policy_is_told() {
    let set = recorded(&[ERRORS, &shares("a"), &shares("b")].concat());
    assert_eq!(told(&set, ERROR, &[1.0; 4]), ("errors".to_owned(), pair("a", "a errors")));
    assert_eq!(told(&set, OK, &[1.0; 4]), ("a".to_owned(), pair("a", "a all")));
    let left = [0.0, 0.0, 1.0, 1.0];
    assert_eq!(told(&set, ERROR, &left), ("errors".to_owned(), pair("b", "b errors")));
    assert_eq!(told(&set, OK, &left), ("b".to_owned(), pair("b", "b all")));
}

#[test]
fn nothing_is_told_where_nobody_wants_to_know() {
    let set = policies(&shares("c"));
    assert_eq!(told(&set, ERROR, &[1.0, 1.0]), ("c".to_owned(), None));
    assert!(set.sub_policy_names().is_empty());
}

/// A composite policy may stand in another one: what is told is of the outer one.
#[test]
fn policies_of_the_outer_composite_policy_are_told() {
    let inner = shares("inner").trim_start_matches("  - ").to_owned();
    let set = recorded(&format!(
        "  - {{ name: outer, type: composite, composite: {{ max_total_spans_per_second: 1000, \
         composite_sub_policy: [ {} ] }} }}\n",
        inner.trim_end()
    ));
    assert_eq!(set.sub_policy_names(), ["inner"]);
    assert_eq!(told(&set, OK, &[1.0; 3]), ("outer".to_owned(), pair("outer", "inner")));
}

/// A composite policy within `and` and `or`, however deep, is told as one at the top is.
#[test]
fn composite_policies_within_others_are_told() {
    let composite = |name: &str| shares(name).trim_start_matches("  - ").trim_end().to_owned();
    let inside = |kind: &str, policies: &[&str]| {
        let policies = policies.join(", ");
        format!("{{ name: {kind}, type: {kind}, {kind}: {{ {kind}_sub_policy: [ {policies} ] }} }}")
    };
    let errors = ERRORS.trim_start_matches("  - ").trim_end();
    let (a, b) = (composite("a"), composite("b"));
    let within = |policy: &str| recorded(&format!("  - {policy}\n"));

    let set = within(&inside("and", &[errors, &a]));
    assert_eq!(set.sub_policy_names(), ["a errors", "a all"]);
    assert_eq!(told(&set, ERROR, &[1.0; 2]), ("and".to_owned(), pair("and", "a errors")));
    assert_eq!(told(&set, ERROR, &[0.0, 1.0]), ("and".to_owned(), pair("and", "a all")));
    assert_eq!(told(&set, OK, &[1.0; 2]), (String::new(), None), "the whole does not keep it");

    let set = within(&inside("and", &[&inside("or", &[errors, &a, &b])]));
    assert_eq!(told(&set, OK, &[1.0; 4]), ("and".to_owned(), pair("and", "a all")));
    assert_eq!(told(&set, OK, &[0.0, 0.0, 1.0, 1.0]), ("and".to_owned(), pair("and", "b all")));
    assert_eq!(told(&set, ERROR, &[0.0; 4]), ("and".to_owned(), None), "none has room");

    let set = within(&inside("not", &[&a]));
    assert!(set.sub_policy_names().is_empty());
    assert_eq!(told(&set, OK, &[0.0; 2]), ("not".to_owned(), None));
}

/// A tried policy keeps nothing, and what is in it neither.
#[test]
fn policies_within_a_tried_one_are_not_told() {
    let tried = shares("tried").replace("name: tried, ", "name: tried, shadow: true, ");
    let set = recorded(&[&tried, "  - { name: all, type: always_sample }"].concat());
    assert_eq!(told(&set, ERROR, &[1.0; 2]), ("all".to_owned(), None));
}

/// A record of the decision log has room for the names of all policies that it may speak of.
#[test]
fn names_that_are_told_have_a_bound() {
    let parts: Vec<String> =
        (0..4093).map(|n| format!("{{ name: n{n}, type: always_sample }}")).collect();
    let yaml = |record: &str, parts: &[String]| {
        format!(
            "record_policy: {record}\npolicies:\n  - {{ name: c, type: composite, composite: {{ \
             max_total_spans_per_second: 1000000, composite_sub_policy: [ {} ] }} }}",
            parts.join(", ")
        )
    };
    assert!(problems(&yaml("none", &parts)).0.is_empty());
    assert!(problems(&yaml("scope", &parts[1..])).0.is_empty());
    let (errors, _) = problems(&yaml("scope", &parts));
    assert_eq!(
        errors,
        [
            "tail_sampling.policies: has `1` policies and `4093` within composite ones, at most `4093` \
          together can be recorded; leave `record_policy` and `record_reason` out"
        ]
    );
}
