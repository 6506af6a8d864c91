//! Why a condition has no answer for the fields it was given.

use std::{fmt, ops::Range};

use crate::problem::Span;

/// Why the evaluation of a condition failed, and where in its text. Small, and made without an
/// allocation: a condition may fail on every span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluationError {
    pub(crate) span: Span,
    pub(crate) fault: Fault,
}

impl EvaluationError {
    /// The bytes of the condition's text that failed.
    #[must_use]
    pub const fn span(&self) -> Range<usize> {
        self.span.start..self.span.end
    }
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span { start, end } = self.span;
        write!(out, "bytes {start} to {end} of the condition: {}", self.fault)
    }
}

impl std::error::Error for EvaluationError {}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("division by zero")]
    DivisionByZero,
    #[error("arithmetic needs numbers, not {got}")]
    NoNumber { got: &'static str },
    #[error("{left} and {right} cannot be computed with each other like this")]
    NoOperation { left: &'static str, right: &'static str },
    #[error("{got} has no elements that a key could name")]
    NotIndexable { got: &'static str },
    #[error("the key is {got}, which {base} has not")]
    WrongKey { base: &'static str, got: &'static str },
    #[error("the list has no element of this index")]
    OutOfRange,
    #[error("the map has no such key")]
    NoSuchKey,
    #[error("a condition is true or false, not {got}")]
    NoBool { got: &'static str },
    #[error("the argument `{parameter}` must be {wants}, not {got}")]
    Argument { parameter: &'static str, wants: &'static str, got: &'static str },
    #[error("the argument `{parameter}` {why}")]
    Unusable { parameter: &'static str, why: &'static str },
}
