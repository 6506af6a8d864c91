//! What is evaluated: a condition whose names are resolved, and whose literals are values.

use regex::bytes::Regex;

use crate::{
    convert::{Converter, Prepared},
    problem::Span,
    syntax::{token::Comparison, tree::Operator},
    value::{Tree, Value},
};

/// Something that is true or false.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Constant(bool),
    Not(Box<Self>),
    And(Box<[Self]>),
    Or(Box<[Self]>),
    /// A field beside a literal, which is what most conditions are made of: it cannot fail.
    Field {
        slot: usize,
        comparison: Comparison,
        literal: Literal,
    },
    /// A field whose text the pattern is searched in: it cannot fail. Others than texts and nil
    /// need a [`Call`](Expr::Call).
    Matches {
        slot: usize,
        pattern: Regex,
        call: Box<Expr>,
    },
    Compare(Box<(Expr, Comparison, Expr)>),
    /// A converter that is a condition by itself.
    Holds(Expr, Span),
}

/// A literal that a field is compared with.
#[derive(Clone, Debug)]
pub(crate) enum Literal {
    Text(Box<[u8]>),
    Plain(Value<'static>),
}

/// Something that has a value.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Constant(Tree),
    Slot(usize),
    Derived(Derived, usize),
    Index(Box<Index>),
    Call(Box<Call>),
    Math(Box<Math>),
    Negate(Box<(Self, Span)>),
    List(Vec<Self>),
    Map(Vec<(Vec<u8>, Self)>),
    /// The first of these that is not nil; the others are not evaluated.
    Coalesce(Vec<Self>),
    Test(Box<Test>),
}

/// What is made of a field.
#[derive(Clone, Debug)]
pub(crate) enum Derived {
    /// The hexadecimal digits of an id.
    IdText,
    /// The name of a kind of span.
    KindText,
    /// The name of a kind of span as protobuf has it.
    KindDeprecatedText,
    /// The time of a number of nanoseconds since 1970.
    Time,
    /// So many events or links.
    Several,
    /// The entry of a trace state with this key.
    TraceStateEntry(Box<str>),
}

/// Keys behind a value.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) base: Expr,
    pub(crate) keys: Vec<(Expr, Span)>,
    /// Whether it is a field: then what is not there reads as nil. Of a converter's result it is
    /// an error.
    pub(crate) of_field: bool,
}

/// A call of a converter.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) converter: &'static Converter,
    /// An argument for each parameter, nil for those left out.
    pub(crate) arguments: Box<[Expr]>,
    pub(crate) prepared: Prepared,
    pub(crate) span: Span,
}

/// Arithmetic of one precedence, from left to right.
#[derive(Clone, Debug)]
pub(crate) struct Math {
    pub(crate) first: Expr,
    pub(crate) rest: Vec<(Operator, Expr, Span)>,
}
