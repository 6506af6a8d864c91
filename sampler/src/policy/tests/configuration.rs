//! What is accepted, what is warned of, and what is refused with which words.

use std::time::Duration;

use wholetrace_runtime::problems::Problems;

use crate::policy::{config::TailSamplingConfig, set::PolicySet, tests::support::*};

const STARTER: &str = "
decision_wait: 10s
num_traces: 100
expected_new_traces_per_sec: 10
policies:
  - name: errors
    type: status_code
    status_code: { status_codes: [ERROR] }
  - name: share
    type: probabilistic
    probabilistic: { sampling_percentage: 10 }
";

#[test]
fn a_collectors_block_loads_and_useless_keys_are_warned_of_once() {
    let (errors, warnings) = problems(STARTER);
    assert_eq!(errors, [""; 0]);
    assert_eq!(
        warnings,
        [
            "tail_sampling.num_traces: not needed; the bytes in memory are bounded, not the number \
             of traces",
            "tail_sampling.expected_new_traces_per_sec: not needed; nothing is allocated by \
             expectation",
        ]
    );
    let set = PolicySet::compile(&config(STARTER), "", &mut Problems::new()).unwrap();
    assert_eq!(set.decision_wait(), Duration::from_secs(10));
    assert_eq!(set.decision_wait_after_root(), None);
    assert_eq!(set.policy_names(), ["errors", "share", "keep_signals"]);
}

#[test]
fn without_a_configuration_errors_and_a_tenth_are_kept() {
    let set = PolicySet::compile(&TailSamplingConfig::starter(), "", &mut Problems::new()).unwrap();
    assert!(dull().span(status(ERROR)).is_kept(&set));
    assert!(!dull().is_kept(&set));
    assert!(Trace::new(0xe6_6600_0000_0000).span(status(OK)).is_kept(&set));
    assert_eq!(set.decision_wait(), Duration::from_secs(10));
}

#[test]
fn every_key_of_the_collector_is_known() {
    let (errors, warnings) = problems(
        "
decision_wait: 1m30s
decision_wait_after_root_received: 500ms
num_traces: 50000
block_on_overflow: true
expected_new_traces_per_sec: 0
decision_cache: { sampled_cache_size: 3000000, non_sampled_cache_size: 500000 }
sample_on_first_match: true
sampling_strategy: trace-complete
drop_pending_traces_on_shutdown: false
maximum_trace_size_bytes: 1000000
tail_storage: pebble_tail_storage
num_shards: 4
policies: { name: all, type: always_sample }
",
    );
    assert_eq!(errors, [""; 0]);
    assert_eq!(warnings.len(), 7, "{warnings:#?}");
}

#[test]
fn defaults_are_the_collectors() {
    let config = config("policies: [ { name: all, type: always_sample } ]");
    assert_eq!(config.decision_wait.get(), Duration::from_secs(30));
    assert!(config.decision_wait_after_root_received.get().is_zero());
    let entries = |yaml: &str| -> u64 {
        let cache: crate::policy::config::DecisionCacheConfig =
            serde_saphyr::from_str(yaml).unwrap();
        cache.entries(0)
    };
    assert_eq!(config.decision_cache.entries(0), 1_000_000);
    assert_eq!(entries("{ sampled_cache_size: 100 }"), 1_000_000);
    assert_eq!(entries("{ sampled_cache_size: 3000000, non_sampled_cache_size: 1 }"), 3_000_001);
    assert_eq!(entries("{ sampled_cache_size: 3000000, max_entries: 5 }"), 5);
}

/// The reason has an attribute of its own, or none.
#[test]
fn an_attribute_for_the_reason_is_one_that_spans_can_have() {
    let with = |key: &str| {
        let (errors, _) = problems(&format!(
            "record_reason: {key}\npolicies: [ {{ name: all, type: always_sample }} ]"
        ));
        errors
    };
    assert_eq!(with("meta.refinery.reason"), [""; 0]);
    assert_eq!(with("~"), [""; 0]);
    assert_eq!(
        with("''"),
        [
            "tail_sampling.record_reason: names no attribute; name one, such as `meta.refinery.reason`, \
          or leave it out"
        ]
    );
    assert_eq!(
        with("tailsampling.policy"),
        [
            "tail_sampling.record_reason = `tailsampling.policy`: is an attribute that spans have for \
          something else; take another name, such as `meta.refinery.reason`"
        ]
    );
    assert_eq!(with(&"k".repeat(256)), [""; 0]);
    assert_eq!(
        with(&"k".repeat(257)),
        [
            "tail_sampling.record_reason: has `257` bytes, at most `256` are possible; take a shorter \
          name, such as `meta.refinery.reason`"
        ]
    );
}

/// A policy, and what is said of it.
const REFUSED: &[(&str, &str)] = &[
    (
        "{ name: a, type: latency, latency: { treshold_ms: 5 } }",
        "policies[0].latency.treshold_ms: unknown key; did you mean `threshold_ms`?",
    ),
    (
        "{ name: a, type: always_sample, latancy: { threshold_ms: 5 } }",
        "policies[0].latancy: unknown key; did you mean `latency`?",
    ),
    (
        "{ name: a, type: latency }",
        "policies[0]: a policy of type `latency` without its settings; give them under \
             `latency`",
    ),
    (
        "{ name: a, type: status_code, status_code: { status_codes: [OK, Error] } }",
        "policies[0].status_code.status_codes[1] = `Error`: is no status; take `OK`, `ERROR` \
             or `UNSET`",
    ),
    (
        "{ name: a, type: status_code, status_code: { status_codes: [] } }",
        "policies[0].status_code.status_codes: no status is given; take `OK`, `ERROR` or \
             `UNSET`",
    ),
    (
        "{ name: a, type: probabilistic, probabilistic: { sampling_percentage: .nan } }",
        "policies[0].probabilistic.sampling_percentage = `NaN`: is no number; take 0 to 100",
    ),
    (
        "{ name: a, type: string_attribute, string_attribute: { key: k, values: ['(a'], \
             enabled_regex_matching: true } }",
        "policies[0].string_attribute.values[0] = `(a`: is no regular expression: unclosed \
             group; take the syntax of Go's regexp, as the Collector does",
    ),
    (
        "{ name: a, type: drop, drop: { drop_sub_policy: [] } }",
        "policies[0].drop.drop_sub_policy: there are no policies in it; a Collector would \
             discard every trace by it",
    ),
    (
        "{ name: a, type: drop, drop: { drop_sub_policy: [ { name: b, type: latency, \
             latency: { x: 1 } } ] } }",
        "policies[0].drop.drop_sub_policy[0].latency.x: unknown key; known here are \
             `threshold_ms`, `upper_threshold_ms`",
    ),
    (
        "{ name: a, type: and, and: { and_sub_policy: [ { name: b, type: drop, drop: { \
             drop_sub_policy: [ { name: c, type: always_sample } ] } } ] } }",
        "policies[0].and.and_sub_policy[0].drop: discards traces whatever others say, and cannot \
             stand inside another; take `not` here, or put it beside the other policies",
    ),
    (
        "{ name: a, type: not, not: { not_sub_policy: [ { name: b, type: always_sample }, { \
             name: c, type: always_sample } ] } }",
        "policies[0].not.not_sub_policy: has `2` policies, must have `1`; put them into an `and` \
             or an `or`",
    ),
    (
        "{ name: a, type: numeric_attribute, numeric_attribute: { key: k } }",
        "policies[0].numeric_attribute: neither `min_value` nor `max_value` is given, and 0 \
             stands for none; give at least one; a Collector panics at its first decision",
    ),
    (
        "{ name: a, type: latenci }",
        "policies[0].type = `latenci`: policy `a` is of an unknown type; did you mean \
             `latency`?",
    ),
    ("{ name: '', type: always_sample }", "policies[0].name: the policy has no name; give it one"),
];

#[test]
fn wrong_policies_are_refused_with_a_word_of_help() {
    for (policy, expected) in REFUSED {
        let (errors, _) = problems(&format!("policies: [ {policy} ]"));
        assert_eq!(errors, [format!("tail_sampling.{expected}")], "{policy}");
    }
}

/// What a Collector merely shrugs at.
#[test]
fn what_is_useless_and_loses_nothing_is_warned_of() {
    let cases = [
        (
            "{ name: a, type: string_attribute, string_attribute: { values: [x] } }",
            "policies[0].string_attribute.key: no attribute is named, so nothing matches; give the \
             name of one",
        ),
        (
            "{ name: a, type: and, and: { and_sub_policy: [] } }",
            "policies[0].and.and_sub_policy: there are no policies in it, so it keeps every trace; \
             take `always_sample` to say so",
        ),
        ("", "policies: there are none, so no trace is kept; give at least one policy"),
    ];
    for (policy, expected) in cases {
        let (errors, warnings) = problems(&format!("policies: [ {policy} ]"));
        assert_eq!(errors, [""; 0], "{policy}");
        assert_eq!(warnings, [format!("tail_sampling.{expected}")], "{policy}");
    }
}

/// All types of the Collector's are there.
#[test]
fn what_only_an_extension_could_be_is_refused() {
    let (errors, _) = problems("policies: [ { name: mine, type: my_extension } ]");
    let [error] = &*errors else { panic!("{errors:?}") };
    let expected = "tail_sampling.policies[0].type = `my_extension`: policy `mine` is of an unknown \
                    type; supported here are `always_sample`, `and`, ";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn goals_of_dynamic_policies_are_checked() {
    let cases = [
        (
            "{ fields: [a] }",
            "dynamic: no goal is given; give `goal_sample_rate` or `goal_throughput_per_sec`",
        ),
        (
            "{ fields: [a], goal_sample_rate: 5, goal_throughput_per_sec: 5 }",
            "dynamic: two goals are given; give `goal_sample_rate` or `goal_throughput_per_sec`",
        ),
        (
            "{ fields: [a], goal_sample_rate: 0.5 }",
            "dynamic.goal_sample_rate = `0.5`: is no goal; take a number from 1 on",
        ),
        (
            "{ goal_sample_rate: 5 }",
            "dynamic.fields: has `0` fields, 1 to `16` are possible; name the attributes that tell \
             kinds of traces apart",
        ),
    ];
    for (settings, expected) in cases {
        let (errors, _) =
            problems(&format!("policies: [ {{ name: a, type: dynamic, dynamic: {settings} }} ]"));
        assert_eq!(errors, [format!("tail_sampling.policies[0].{expected}")], "{settings}");
    }
}

/// `and`, `or` and `not` stand in one another, to a bound.
#[test]
fn policies_nest() {
    let nested = |depth: usize| {
        let mut policy = "{ name: x, type: always_sample }".to_owned();
        for level in 0..depth {
            policy = match level % 3 {
                0 => format!("{{ name: x, type: not, not: {{ not_sub_policy: {policy} }} }}"),
                1 => format!("{{ name: x, type: or, or: {{ or_sub_policy: [ {policy} ] }} }}"),
                _ => format!("{{ name: x, type: and, and: {{ and_sub_policy: [ {policy} ] }} }}"),
            };
        }
        format!("policies: [ {policy} ]")
    };
    let (errors, _) = problems(&nested(16));
    assert_eq!(errors, [""; 0]);
    let (errors, _) = problems(&nested(17));
    assert!(errors.len() == 1 && errors[0].contains("stands inside `16` others"), "{errors:?}");
}

#[test]
fn all_problems_are_told_at_once() {
    let (errors, warnings) = problems(
        "
decision_wait: 25h
sampling_strategy: span-digest
decision_cache: { max_age: 8d, max_entries: 1000000001 }
policies:
  - { name: a, type: latency, latency: { threshold: 5 }, status_code: { status_codes: [OK] } }
  - { name: a, type: status_code, status_code: { status_codes: [NO, OK, NOR] } }
  - { name: b, type: composites, latency: {} }
",
    );
    assert_eq!(errors.len(), 9, "{errors:#?}");
    assert_eq!(
        warnings,
        ["tail_sampling.policies[0].status_code: not looked at; the type of the policy is \
          `latency`"]
    );
}

#[test]
fn unknown_keys_of_the_block_are_refused_when_it_is_read() {
    for yaml in ["decision_weight: 5s", "decision_cache: { size: 5 }", "keep_signals: [bugs]"] {
        assert!(serde_saphyr::from_str::<TailSamplingConfig>(yaml).is_err(), "{yaml}");
    }
}

#[test]
fn conditions_are_shared_and_bounded() {
    let policy = |number: usize, value: usize| {
        format!(
            "  - {{ name: p{number}, type: string_attribute, string_attribute: \
             {{ key: k, values: [v{value}] }} }}\n"
        )
    };
    let set = |count: usize, different: usize| -> String {
        (0..count).map(|number| policy(number, number % different)).collect()
    };
    let (errors, _) = problems(&format!("policies:\n{}", set(4000, 2000)));
    assert_eq!(errors, [""; 0]);
    // Several conditions of one policy: more than one for each.
    let many: String = (0..4097)
        .map(|value| {
            format!(
                "{{ name: x, type: string_attribute, string_attribute: \
                 {{ key: k, values: [v{value}] }} }}, "
            )
        })
        .collect();
    let (errors, _) = problems(&format!(
        "policies: [ {{ name: a, type: or, or: {{ or_sub_policy: [ {many} ] }} }} ]"
    ));
    assert!(errors[0].contains("more than `4096` different conditions"), "{errors:?}");
    let all = policies(&set(1000, 1000));
    for value in [0, 60, 61, 999] {
        let value = format!("v{value}");
        let decision = dull().span(with(vec![text("k", &value)])).decision(&all);
        assert_eq!(all.policy_name(decision.policy.unwrap()).unwrap()[1..], value[1..]);
    }
    assert!(!dull().span(with(vec![text("k", "v1000")])).is_kept(&all));
}

#[test]
fn counts_and_the_fields_of_conditions_are_bounded() {
    let trace = |conditions: Vec<String>| {
        let quoted: Vec<String> = conditions.iter().map(|text| format!("'{text}'")).collect();
        format!(
            "policies: [ {{ name: a, type: trace_condition, trace_condition: {{ trace: [ {} ] }} }} ]",
            quoted.join(", ")
        )
    };
    let counts = |most: usize| {
        trace((0..most).map(|number| format!("count(span, name == \"{number}\") > 1")).collect())
    };
    assert_eq!(problems(&counts(4096)).0, [""; 0]);
    let (errors, _) = problems(&counts(4097));
    assert!(errors.len() == 1 && errors[0].contains("more than `4096`"), "{errors:?}");
    let fields = |number: usize| {
        let one = |field| format!("attributes[\"{number}.{field}\"] == 1");
        (0..50).map(one).collect::<Vec<_>>().join(" or ")
    };
    let many = trace((0..328).map(|number| format!("any(span, {})", fields(number))).collect());
    let (errors, _) = problems(&many);
    assert!(errors.len() == 1 && errors[0].contains("or `16384` fields"), "{errors:?}");
}
