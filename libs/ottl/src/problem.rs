//! What is wrong with the text of a condition, and where.

use std::{fmt, ops::Range};

/// Something wrong with, or remarkable in, the text of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The bytes of the text that it is about; empty at the end of the text.
    pub span: Range<usize>,
    /// The line of its first byte, from 1.
    pub line: usize,
    /// The column of its first byte in that line, in characters, from 1.
    pub column: usize,
    /// What is wrong: names the thing and its bound.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, column {}: {}", self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(out, ": {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// A range of bytes in the text of a condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    /// From the start of this one to the end of another.
    pub(crate) const fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }
}

/// Collects the problems of one text.
#[derive(Debug)]
pub(crate) struct Problems<'s> {
    source: &'s str,
    found: Vec<Problem>,
}

impl<'s> Problems<'s> {
    pub(crate) const fn new(source: &'s str) -> Self {
        Self { source, found: Vec::new() }
    }

    pub(crate) const fn source(&self) -> &'s str {
        self.source
    }

    pub(crate) fn add(&mut self, span: Span, message: String) {
        self.add_with(span, message, None);
    }

    pub(crate) fn add_with(&mut self, span: Span, message: String, hint: Option<String>) {
        let before = self.source.get(..span.start).unwrap_or(self.source);
        let line = before.rsplit('\n').next().unwrap_or_default();
        self.found.push(Problem {
            span: span.start..span.end,
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            message,
            hint,
        });
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn found(&self) -> &[Problem] {
        &self.found
    }

    pub(crate) fn into_vec(self) -> Vec<Problem> {
        self.found
    }
}

/// The one of `known` that was most likely meant by `word`, in words.
pub(crate) fn did_you_mean<'k>(
    word: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<String> {
    let lower = word.to_ascii_lowercase();
    let near = known
        .into_iter()
        .map(|name| (strsim::osa_distance(&lower, &name.to_ascii_lowercase()), name))
        .min_by_key(|(distance, _)| *distance)?;
    let (distance, name) = near;
    (distance <= (word.len() / 3).clamp(1, 4)).then(|| format!("did you mean `{name}`?"))
}
