//! What a policy does, in words that complete a sentence: "keeps traces …".

use std::fmt::Display;

/// The values of a list that are told; the others are only counted.
const VALUES_TOLD: usize = 6;

/// Which traces a policy says yes to, and what it looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// What those traces are: "with a span whose status is `ERROR`", "that lasted longer than 2s".
    pub(super) traces: String,
    /// What is looked at to know: "the status of each span".
    pub(super) looks_at: Vec<String>,
    /// The regular expressions in it.
    pub(super) patterns: usize,
    /// Whether it has parts, so that it needs brackets inside another.
    pub(super) has_parts: bool,
}

impl Said {
    pub(super) fn new(traces: impl Into<String>, looks_at: impl Into<String>) -> Self {
        let looks_at = vec![looks_at.into()];
        Self { traces: traces.into(), looks_at, ..Self::default() }
    }

    /// With this many regular expressions.
    pub(super) fn with_patterns(self, patterns: usize) -> Self {
        Self { patterns, ..self }
    }

    /// Those that all of `parts` say yes to.
    pub(super) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(parts, ", and ", "of any kind")
    }

    /// Those that one of `parts` says yes to.
    pub(super) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(parts, ", or ", "of no kind")
    }

    /// Those that all of `parts` together do not say yes to.
    pub(super) fn none(parts: impl IntoIterator<Item = Self>) -> Self {
        let inner = Self::all(parts);
        Self { traces: format!("that are not those ({})", inner.traces), has_parts: false, ..inner }
    }

    fn joined(parts: impl IntoIterator<Item = Self>, word: &str, empty: &str) -> Self {
        let parts: Vec<Self> = parts.into_iter().collect();
        let bracketed = |part: &Self| {
            if part.has_parts { format!("({})", part.traces) } else { part.traces.clone() }
        };
        let traces = match &parts[..] {
            [] => empty.to_owned(),
            [only] => only.traces.clone(),
            parts => parts.iter().map(bracketed).collect::<Vec<_>>().join(word),
        };
        let mut looks_at: Vec<String> = Vec::new();
        for look in parts.iter().flat_map(|part| &part.looks_at) {
            if !looks_at.contains(look) {
                looks_at.push(look.clone());
            }
        }
        let patterns = parts.iter().map(|part| part.patterns).sum();
        let has_parts = match &parts[..] {
            [only] => only.has_parts,
            parts => parts.len() > 1,
        };
        Self { traces, looks_at, patterns, has_parts }
    }

    /// Those with a value under `key` that `is` so; with `invert`, those without.
    pub(super) fn attribute(key: &str, is: impl Display, invert: bool) -> Self {
        let with = if invert { "without" } else { "with" };
        Self::new(
            format!("{with} an attribute `{key}`, of a span or its resource, {is}"),
            format!("the attribute `{key}` of each resource and each span"),
        )
    }
}

/// The values in backquotes with `or` before the last one.
pub(super) fn one_of(values: &[impl Display]) -> String {
    listed(values, "or")
}

/// The values in backquotes with `and` before the last one.
pub(super) fn all_of(values: &[impl Display]) -> String {
    listed(values, "and")
}

fn listed(values: &[impl Display], word: &str) -> String {
    let told = values.iter().take(VALUES_TOLD).map(|value| format!("`{value}`"));
    let mut words: Vec<String> = told.collect();
    if values.len() > VALUES_TOLD {
        let one = if word == "or" { "one of " } else { "" };
        words.push(format!("{one}{} others", values.len() - VALUES_TOLD));
    }
    match words.pop() {
        None => "none of no values".to_owned(),
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} {word} {last}", words.join(", ")),
    }
}

/// A share of `what` there is, from percent: with how many one stands for.
pub(super) fn share(percentage: f64, what: &str) -> String {
    let one_in = 100.0 / percentage;
    if percentage > 0.0 && percentage < 100.0 {
        let rounded = if one_in < 10.0 { (one_in * 10.0).round() / 10.0 } else { one_in.round() };
        format!("{percentage}% of {what}, 1 in {rounded}")
    } else {
        format!("{}% of {what}", percentage.clamp(0.0, 100.0))
    }
}
