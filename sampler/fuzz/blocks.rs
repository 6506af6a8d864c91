//! Blocks of policies out of bytes: of every type and in one another, with settings that fit and with
//! some that do not.

use std::fmt::Write as _;

/// What choices are made by: bytes, and zeros when they are used up.
pub(crate) struct Choices<'a>(std::slice::Iter<'a, u8>);

impl<'a> Choices<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or_default()
    }

    /// One of `items`; the first one where nothing is left to choose by.
    pub(crate) fn one<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        &items[usize::from(self.byte()) % items.len()]
    }

    /// Whether something happens that does so `in_256` times of so many.
    pub(crate) fn happens(&mut self, in_256: u8) -> bool {
        // Nothing odd happens where nothing is left to choose by.
        self.byte() > u8::MAX - in_256
    }
}

/// Stands for a list of policies.
const POLICIES: &str = "<policies>";

/// Names of settings, each with values that fit it. The first ones make a policy that compiles.
type Settings = &'static [(&'static str, &'static [&'static str])];

const SUB: &[&str] = &[POLICIES];
const KEY: &[&str] = &["k", "kk", "''", "service.name"];
const YES: &[&str] = &["false", "true"];
const RATE: &[&str] = &["500", "1", "0", "9223372036854775807"];

/// All types of policies, with their settings.
pub(crate) const TYPES: [(&str, Settings); 21] = [
    ("always_sample", &[]),
    ("and", &[("and_sub_policy", SUB)]),
    ("boolean_attribute", &[("key", KEY), ("value", YES), ("invert_match", YES)]),
    ("bytes_limiting", &[("bytes_per_second", RATE), ("burst_capacity", RATE)]),
    (
        "composite",
        &[
            ("composite_sub_policy", SUB),
            ("max_total_spans_per_second", RATE),
            ("policy_order", &["[a, b]", "[]"]),
            ("rate_allocation", &["[{ policy: a, percent: 60 }]", "[{ policy: a, percent: 900 }]"]),
        ],
    ),
    ("drop", &[("drop_sub_policy", SUB)]),
    (
        "dynamic",
        &[
            ("fields", &["[k, root.kk, name]", "service.name", "['']"]),
            ("goal_sample_rate", &["2.5", "1", "1e300"]),
            ("max_keys", &["500", "1"]),
        ],
    ),
    ("latency", &[("threshold_ms", &["5", "0"]), ("upper_threshold_ms", &["9", "0"])]),
    ("not", &[("not_sub_policy", SUB)]),
    (
        "numeric_attribute",
        &[
            ("key", KEY),
            ("min_value", &["-5", "0", "-9223372036854775808"]),
            ("max_value", &["7", "0", "9223372036854775807"]),
            ("invert_match", YES),
        ],
    ),
    ("or", &[("or_sub_policy", SUB)]),
    (
        "ottl_condition",
        &[
            ("error_mode", &["ignore", "propagate", "silent"]),
            (
                "span",
                &[
                    r#"['attributes["k"] == "a" and kind == SPAN_KIND_SERVER']"#,
                    r#"['IsMatch(attributes["kk"], "^a+$") or Int(attributes["k"]) > 3']"#,
                    r#"['Len(attributes) > 2', 'resource.attributes["k"] == attributes["k"]']"#,
                ],
            ),
            ("spanevent", &[r#"['name == "e"']"#, r#"'attributes["k"] != nil'"#]),
            ("resource", &[r#"['Concat([attributes["k"], "b"], "") == "ab"']"#]),
            ("scope", &[r#"['name == "s" or version != nil']"#]),
        ],
    ),
    (
        "probabilistic",
        &[
            ("sampling_percentage", &["10", "0", "100", "1e-30"]),
            ("hash_salt", &["x", "''"]),
            ("sampling_precision", &["14", "1"]),
        ],
    ),
    (
        "probabilistic_sampler",
        &[
            ("sampling_percentage", &["10", "0", "100", "1e-30"]),
            ("mode", &["hash_seed", "proportional", "equalizing"]),
            ("hash_seed", &["22", "4294967295"]),
            ("fail_closed", YES),
            ("sampling_precision", &["4", "1", "14"]),
        ],
    ),
    ("rate_limiting", &[("spans_per_second", RATE), ("burst_capacity", RATE)]),
    ("span_count", &[("min_spans", &["1", "3"]), ("max_spans", &["3", "0"])]),
    ("status_code", &[("status_codes", &["[ERROR]", "[OK, UNSET]"])]),
    (
        "string_attribute",
        &[
            ("key", KEY),
            ("values", &["[a, b]", "['^a+$', '']", "['(a*)*b']"]),
            ("enabled_regex_matching", YES),
            ("invert_match", YES),
            ("cache_max_size", &["10"]),
        ],
    ),
    (
        "trace_condition",
        &[
            ("error_mode", &["ignore", "propagate"]),
            (
                "trace",
                &[
                    r#"['trace.duration > Duration("3ms") and trace.error_count > 0']"#,
                    r#"['trace.root.attributes["k"] == "a"', 'trace.service_count == 2']"#,
                    r#"['count(span, attributes["k"] != nil) > 1 and any(spanevent, name == "e")']"#,
                    r#"['all(span, Int(attributes["kk"]) < 5) or not trace.has_root']"#,
                ],
            ),
        ],
    ),
    ("trace_flags", &[]),
    ("trace_state", &[("key", &["vendor", "ot"]), ("values", &["[x, yy]", "[]"])]),
];

/// What hardly anything fits.
const ODD: [&str; 16] = [
    "~",
    "''",
    "-1",
    "99999999999999999999999",
    "1e400",
    ".nan",
    "true",
    "[]",
    "{}",
    "[[a]]",
    "{ a: 1 }",
    "'a{999}{999}'",
    "['(']",
    "['\\p{L}{1,500}']",
    "'and and and'",
    "2001-01-01",
];

/// How deep policies stand in one another; one more than is allowed.
const DEPTH_MAX: usize = 17;
/// Policies in a block, with those inside others.
const COUNT_MAX: usize = 60;

/// A block `tail_sampling` with policies of `types`.
pub(crate) fn block(choices: &mut Choices<'_>, types: &[(&str, Settings)]) -> String {
    let mut block = String::new();
    for (key, values) in [
        ("decision_wait", ["10s", "0s", "25h"]),
        ("compatibility", ["collector", "consistent", "other"]),
        ("maximum_trace_size_bytes", ["500", "0", "-1"]),
        ("keep_signals", ["[debug]", "[jaeger_debug_id, sampling_priority]", "[none]"]),
    ] {
        if choices.happens(60) {
            let _ = writeln!(block, "{key}: {}", choices.one(&values));
        }
    }
    let mut left = COUNT_MAX;
    let policies = policies(choices, types, 0, &mut left);
    let _ = writeln!(block, "policies: {policies}");
    block
}

/// A list of policies, which stand `depth` deep in others.
fn policies(
    choices: &mut Choices<'_>,
    types: &[(&str, Settings)],
    depth: usize,
    left: &mut usize,
) -> String {
    let mut list = String::from("[");
    for name in ["a", "b", "c", "d"] {
        *left = left.saturating_sub(1);
        // Deep inside, and where many stand already, there are none that hold others.
        let is_last = depth > DEPTH_MAX || *left == 0;
        let &(kind, settings) = if is_last { &TYPES[0] } else { choices.one(types) };
        let policy = policy(choices, name, kind, settings, depth, left);
        let _ = write!(list, "{policy}, ");
        if is_last || !choices.happens(100) {
            break;
        }
    }
    list.push(']');
    list
}

fn policy(
    choices: &mut Choices<'_>,
    name: &str,
    kind: &str,
    settings: Settings,
    depth: usize,
    left: &mut usize,
) -> String {
    let mut policy = format!("{{ name: {name}, type: {kind}");
    if choices.happens(20) {
        policy.push_str(", shadow: true");
    }
    let mut block = String::new();
    for (key, values) in settings {
        if choices.happens(40) {
            continue;
        }
        let value = if choices.happens(20) { choices.one(&ODD) } else { choices.one(values) };
        let _ = if *value == POLICIES {
            // Of all types, whatever is outside.
            write!(block, "{key}: {}, ", policies(choices, &TYPES, depth + 1, left))
        } else {
            write!(block, "{key}: {value}, ")
        };
        if choices.happens(4) {
            let _ = write!(block, "{key}: ~, ");
        }
    }
    if choices.happens(4) {
        block.push_str("unknown: 1, ");
    }
    if !settings.is_empty() || !block.is_empty() {
        let _ = write!(policy, ", {kind}: {{ {block} }}");
    }
    policy.push_str(" }");
    policy
}
