//! The tokens of a condition.

use crate::problem::Span;

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// The same with its sides exchanged.
    pub(crate) const fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bytes,
    Float,
    Int,
    Text,
    Nil,
    Not,
    Or,
    And,
    Compare(Comparison),
    Arrow,
    Plus,
    Minus,
    Times,
    Divide,
    True,
    False,
    Equals,
    /// `(`, with the kind of the token behind the `)` that closes it: that tells a group of
    /// conditions from a group of numbers.
    Open {
        value: bool,
    },
    Close,
    OpenBrace,
    CloseBrace,
    Colon,
    Comma,
    Dot,
    OpenBracket,
    CloseBracket,
    /// A piece of a name, or an enum.
    Upper,
    /// A piece of a name, or a segment of a path.
    Lower,
    Underscore,
}

/// One token: what it is, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}
