//! Policies of every type with any settings, in mutated text, about traces of any kind.

#![expect(clippy::panic, reason = "a check fails by panicking")]

#[path = "../fuzz/blocks.rs"]
mod blocks;
#[path = "../fuzz/checks.rs"]
mod checks;
#[path = "../fuzz/spans.rs"]
mod spans;

use std::collections::BTreeSet;

use blocks::{Choices, TYPES};
use proptest::{collection::vec, prelude::*, sample::select};
use wholetrace_sampler::policy::POLICY_TYPES;

/// What is put into blocks.
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

/// Guarantee: no type is left out of what is tried here, and in the fuzz target.
#[test]
fn blocks_have_policies_of_every_type() {
    let made: BTreeSet<&str> = TYPES.iter().map(|(kind, _)| *kind).collect();
    let known: BTreeSet<&str> = POLICY_TYPES.iter().copied().collect();
    assert_eq!(made, known, "`TYPES` in fuzz/blocks.rs and the table of policies differ");
    for kind in TYPES {
        // With nothing to choose by, all settings fit.
        let block = blocks::block(&mut Choices::of(&[]), &[kind]);
        assert!(checks::policies(block.as_bytes()), "{block}");
    }
}

/// Guarantee: what is tried is not refused so soon that hardly anything is: of blocks by chance a part
/// compiles, and in those are policies of every type, inside others, too.
#[test]
fn many_blocks_compile() {
    let mut random = 1_u64;
    let mut bytes = || {
        std::iter::repeat_with(|| {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            random.to_be_bytes()[0]
        })
        .take(300)
        .collect::<Vec<u8>>()
    };
    let (mut compiled, mut nested) = (String::new(), 0);
    for _ in 0..1000 {
        let block = blocks::block(&mut Choices::of(&bytes()), &TYPES);
        if checks::policies(block.as_bytes()) {
            nested += usize::from(block.contains("_sub_policy: [{"));
            compiled.push_str(&block);
        }
    }
    assert!(nested >= 50, "{nested} blocks have policies in policies");
    for kind in POLICY_TYPES {
        let of = |end: char| compiled.matches(&format!("type: {kind}{end}")).count();
        let count = of(',') + of(' ');
        assert!(count >= 5, "{count} of {kind}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn prop_any_text_compiles_or_has_problems(
        choices in vec(any::<u8>(), 0..80),
        edits in vec((any::<prop::sample::Index>(), 0_usize..12, select(&PIECES[..])), 0..5),
    ) {
        let block = blocks::block(&mut Choices::of(&choices), &TYPES);
        let mut text: Vec<char> = block.chars().collect();
        for (place, taken, piece) in edits {
            let from = place.index(text.len() + 1);
            let to = (from + taken).min(text.len());
            text.splice(from..to, piece.chars());
        }
        checks::policies(text.into_iter().collect::<String>().as_bytes());
    }

    /// Attributes that are missing, mistyped, given twice or huge are decided about, and in which order
    /// spans come changes nothing, whatever the policies are.
    #[test]
    fn prop_any_trace_is_decided_the_same_in_any_order(
        policies in vec(any::<u8>(), 0..120),
        spans in vec(any::<u8>(), 0..120),
    ) {
        let mut trace = spans::trace(&mut Choices::of(&spans));
        let message = spans::message(&trace);
        trace.reverse();
        let block = blocks::block(&mut Choices::of(&policies), &TYPES);
        checks::decided(&block, [&message, &spans::message(&trace)]);
    }
}
