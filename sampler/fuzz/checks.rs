//! What must hold for the policies in any text. The fuzz target calls it, and so does a short run in
//! the test suite.

use wholetrace_runtime::problems::Problems;
use wholetrace_sampler::policy::{
    PolicySet, TailSamplingConfig,
    budget::Unlimited,
    explain::explain,
    offline::{decide, examine},
};

/// Longer texts find nothing that shorter ones do not.
const TEXT_MAX: usize = 16 << 10;

/// The words of a record at most: its facts, 64 a word, and what is counted and folded.
const RECORD_WORDS_MAX: usize = 4096;

/// `TracesData` with a span: of the trace 1, with the name `x` and the status ERROR.
const TRACE: &[u8] = b"\x0a\x27\x12\x25\x12\x23\x0a\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\
    \x12\x08\0\0\0\0\0\0\0\x01\x2a\x01x\x7a\x02\x18\x02";

/// What is a configuration compiles or has problems, and decides as [`decided`] says. Whether it
/// compiles.
pub(crate) fn policies(data: &[u8]) -> bool {
    let text = data.get(..TEXT_MAX).unwrap_or(data);
    std::str::from_utf8(text).is_ok_and(|text| decided(text, [TRACE, TRACE]))
}

/// What is a configuration compiles or has problems, never both and never neither; what compiles is
/// explained, has a small record, and decides a trace, the same each time. `traces` are two messages
/// with the spans of one trace, in any order. Whether it compiles.
pub(crate) fn decided(text: &str, traces: [&[u8]; 2]) -> bool {
    let Ok(config) = serde_saphyr::from_str::<TailSamplingConfig>(text) else { return false };
    let mut problems = Problems::new();
    let set = PolicySet::compile(&config, "tail_sampling", &mut problems);
    assert_eq!(set.is_none(), problems.has_errors(), "{problems}");
    let explanation = explain(&config, "tail_sampling");
    assert_eq!(explanation.is_some(), set.is_some());
    let (Some(set), Some(explanation)) = (set, explanation) else { return false };
    assert_eq!(explanation.policies.len(), config.policies.len());
    assert!(!explanation.to_string().is_empty());
    assert!(set.blank_record().len() <= RECORD_WORDS_MAX);
    let Ok(decided) = decide(&set, traces[0]) else { panic!("the trace cannot be read") };
    let Ok(examined) = examine(&set, traces[1], &Unlimited) else {
        panic!("the trace cannot be read")
    };
    let [(key, decision)] = &decided[..] else { panic!("{} traces", decided.len()) };
    let [again] = &examined[..] else { panic!("{} traces", examined.len()) };
    assert_eq!((key, decision), (&again.key, &again.decision), "{text}");
    assert_eq!(again.answers.len(), config.policies.len());
    for policy in decision.policy.into_iter().chain(decision.matched.iter()) {
        assert!(set.policy_name(policy).is_some(), "{policy}");
    }
    true
}
