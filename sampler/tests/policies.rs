//! Policies in mutated text.

#![expect(clippy::panic, reason = "a check fails by panicking")]

#[path = "../fuzz/checks.rs"]
mod checks;

use proptest::{collection::vec, prelude::*, sample::select};

/// Blocks with policies of all types.
const BLOCKS: [&str; 3] = [
    "decision_wait: 10s\npolicies:\n\
     - { name: a, type: status_code, status_code: { status_codes: [ERROR] } }\n\
     - { name: b, type: latency, latency: { threshold_ms: 5, upper_threshold_ms: 9 } }\n\
     - { name: c, type: probabilistic, probabilistic: { sampling_percentage: 10, hash_salt: x } }\n\
     - { name: d, type: span_count, span_count: { min_spans: 1, max_spans: 3 }, shadow: true }\n",
    "compatibility: collector\npolicies:\n\
     - { name: a, type: string_attribute, string_attribute: { key: k, values: ['^a+$'], enabled_regex_matching: true } }\n\
     - { name: b, type: boolean_attribute, boolean_attribute: { key: k, value: true, invert_match: true } }\n\
     - { name: c, type: numeric_attribute, numeric_attribute: { key: k, min_value: 5 } }\n\
     - { name: d, type: trace_state, trace_state: { key: k, values: [v] } }\n\
     - { name: e, type: trace_flags }\n",
    "maximum_trace_size_bytes: 500\npolicies:\n\
     - name: a\n  type: and\n  and:\n    and_sub_policy:\n\
     \x20   - { name: b, type: not, not: { not_sub_policy: { name: c, type: always_sample } } }\n\
     \x20   - { name: d, type: or, or: { or_sub_policy: [{ name: e, type: trace_flags }] } }\n\
     - { name: f, type: drop, drop: { drop_sub_policy: [{ name: g, type: trace_flags }] } }\n",
];

/// What is put into them.
const PIECES: [&str; 28] = [
    "",
    "0",
    "-1",
    "9223372036854775807",
    "1e400",
    ".nan",
    "''",
    "~",
    "[]",
    "{}",
    "(",
    "a{999}{999}",
    "\\pL",
    "[",
    "]",
    "{",
    "}",
    ": ",
    ", ",
    "- ",
    "\n",
    "&a ",
    "*a",
    "type",
    "and",
    "drop",
    "name: a",
    "policies:\n",
];

#[test]
fn the_blocks_are_policies() {
    for block in BLOCKS {
        assert!(checks::policies(block.as_bytes()), "{block}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_compiles_or_has_problems(
        block in select(&BLOCKS[..]),
        edits in vec((any::<prop::sample::Index>(), 0_usize..12, select(&PIECES[..])), 0..5),
    ) {
        let mut text: Vec<char> = block.chars().collect();
        for (place, taken, piece) in edits {
            let from = place.index(text.len() + 1);
            let to = (from + taken).min(text.len());
            text.splice(from..to, piece.chars());
        }
        checks::policies(text.into_iter().collect::<String>().as_bytes());
    }
}
