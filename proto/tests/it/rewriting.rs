//! What rewriting a tracestate keeps true, whatever came.

use proptest::{collection::vec, prelude::*};
use prost::Message;
use wholetrace_proto::{
    id::TraceKey,
    otlp::Span,
    tracestate::{Kept, Threshold, read, rewrite},
};

use crate::strategy;

/// A sub-key of an `ot` entry, or something like one.
fn sub_key() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "th:[0-9a-f]{1,14}",
        2 => "rv:[0-9a-f]{14}",
        1 => "th:[0-9a-gA-F]{0,16}",
        1 => "rv:[0-9a-gA-F]{0,16}",
        2 => "[a-z]{1,3}:[a-z0-9]{0,60}",
        1 => "[a-z;:]{0,4}",
    ]
}

fn member() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => vec(sub_key(), 0..8).prop_map(|keys| format!("ot={}", keys.join(";"))),
        4 => "[a-z]{1,5}@?[a-z]{0,3}=[!-+.-<>-~]{0,20}",
        1 => " {0,2}",
        1 => "[a-z@=]{1,3}|[A-Z]{1,2}=[a-z]|[a-z]{1,2}=[a-z=]{0,4}|é=1|k=é|k=\t?v",
    ]
}

fn trace_state() -> impl Strategy<Value = String> {
    vec(member(), 0..40).prop_map(|members| members.join(","))
}

fn kept() -> impl Strategy<Value = Kept> {
    prop_oneof![
        Just(Kept::Unknown),
        Just(Kept::At(Threshold::ALWAYS)),
        (0.0..=1.0_f64).prop_map(|p| Kept::At(Threshold::of_probability(p))),
        (0..=1_u64 << 56).prop_filter_map("in range", Threshold::new).prop_map(Kept::At),
        (0..=1_u64 << 56).prop_filter_map("in range", Threshold::new).prop_map(Kept::AtStated),
        Just(Kept::AtStated(Threshold::ALWAYS)),
    ]
}

/// The entries that are not ours.
fn others(trace_state: &str) -> Vec<&str> {
    let members = trace_state.split(',').map(str::trim).filter(|member| !member.is_empty());
    let members = members.filter(|member| member.split('=').next() != Some("ot"));
    members.filter(|member| is_entry(member)).collect()
}

fn is_entry(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let of_key = |one: char| matches!(one, 'a'..='z' | '0'..='9') || "_-*/@".contains(one);
    let of_value = |one: char| (' '..='~').contains(&one) && one != '=';
    key.chars().all(of_key)
        && key.starts_with(|one: char| one.is_ascii_alphanumeric())
        && !value.is_empty()
        && value.chars().all(of_value)
}

proptest! {
    #[test]
    fn prop_rewriting_keeps_the_rules(
        span in strategy::span(),
        trace_state in trace_state(),
        kept in kept(),
    ) {
        let given = Span { trace_state, ..span };
        let body = given.encode_to_vec();
        let mut out = Vec::new();
        match rewrite(&body, kept) {
            Some(change) => change.append_to(&mut out),
            None => out.extend_from_slice(&body),
        }
        let went = Span::decode(&*out).unwrap();
        let (before, after) =
            (read(given.trace_state.as_bytes()), read(went.trace_state.as_bytes()));
        let drawn = before.randomness.or_else(|| {
            TraceKey::of(&given.trace_id).map(TraceKey::randomness)
        }).unwrap();

        let went_state = went.trace_state.clone();
        prop_assert_eq!(&Span { trace_state: given.trace_state.clone(), ..went.clone() }, &given);
        prop_assert_eq!(before.randomness, after.randomness);
        let untrue = before.threshold.is_some_and(|came| !came.keeps(drawn));
        let states = before.randomness.is_some();
        let wanted = match kept {
            Kept::Unknown => None,
            _ if untrue => None,
            Kept::At(Threshold::ALWAYS) | Kept::AtStated(Threshold::ALWAYS) => before.threshold,
            Kept::At(_) if states => None,
            Kept::AtStated(_) if !states => None,
            Kept::At(own) | Kept::AtStated(own) => {
                Some(before.threshold.map_or(own, |came| came.max(own)))
                    .filter(|threshold| threshold.keeps(drawn))
            }
        };
        prop_assert_eq!(after.threshold, wanted);
        if out != body {
            let entry = went.trace_state.split(',').find_map(|one| one.strip_prefix("ot="));
            prop_assert!(entry.is_none_or(|entry| entry.len() <= 256 && !entry.is_empty()));
            let (mut came, went) = (others(&given.trace_state), others(&went.trace_state));
            came.truncate(if entry.is_some() { 31 } else { 32 });
            prop_assert_eq!(came, went);
            // All of it is what readers take.
            let state = &went_state;
            prop_assert!(state.is_empty() || state.split(',').all(is_entry), "{}", state);
        }
    }

    #[test]
    fn prop_thresholds_of_probabilities_are_short_and_near(probability in 1e-9..=1.0_f64) {
        let threshold = Threshold::of_probability(probability);
        let digits = threshold.to_string();
        prop_assert!(digits.trim_start_matches('f').len() <= 4, "{}", digits);
        prop_assert!((threshold.probability() - probability).abs() <= probability * 0.001);
        let written = format!("ot=th:{digits}");
        prop_assert_eq!(read(written.as_bytes()).threshold, Some(threshold));
    }
}
