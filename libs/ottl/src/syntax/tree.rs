//! The syntax tree of a condition: what is written, before anything is known of names and types.

use crate::{problem::Span, syntax::token::Comparison};

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum ConditionTree {
    /// At least two, joined by `or`.
    Or(Vec<Self>),
    /// At least two, joined by `and`.
    And(Vec<Self>),
    Not(Box<Self>),
    Compare {
        comparison: Comparison,
        left: ValueTree,
        right: ValueTree,
    },
    /// A value by itself.
    Bare(ValueTree),
}

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct ValueTree {
    pub(crate) span: Span,
    pub(crate) kind: ValueKind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum ValueKind {
    Nil,
    Bytes(Vec<u8>),
    Text(String),
    Bool(bool),
    Int(i64),
    Float(f64),
    Enum,
    Path(PathTree),
    Call(CallTree),
    List(Vec<ValueTree>),
    Map(Vec<(String, ValueTree)>),
    /// The first operand, and from left to right what is done to it.
    Math(Box<ValueTree>, Vec<(Operator, ValueTree)>),
    Sign(Operator, Box<ValueTree>),
    Quantified(Box<QuantifiedTree>),
}

/// An operator of arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// A path as it is written.
#[derive(Clone, Debug)]
pub(crate) struct PathTree {
    pub(crate) segments: Vec<SegmentTree>,
}

/// A segment of a path, with the keys behind it.
#[derive(Clone, Debug)]
pub(crate) struct SegmentTree {
    pub(crate) name: String,
    pub(crate) keys: Vec<ValueTree>,
}

/// A call of a converter.
#[derive(Clone, Debug)]
pub(crate) struct CallTree {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) arguments: Vec<ArgumentTree>,
    pub(crate) keys: Vec<ValueTree>,
}

/// An argument of a converter.
#[derive(Clone, Debug)]
pub(crate) struct ArgumentTree {
    pub(crate) name: Option<(String, Span)>,
    pub(crate) value: ValueTree,
}

/// `any(span, …)` and its kin.
#[derive(Clone, Debug)]
pub(crate) struct QuantifiedTree {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) context: String,
    pub(crate) context_span: Span,
    pub(crate) condition: ConditionTree,
    pub(crate) condition_span: Span,
}

/// What a walk over a tree meets.
pub(crate) enum Met<'t> {
    Path(&'t mut PathTree),
    Quantified,
}

impl ConditionTree {
    /// Shows each path to `see`, and tells it of each quantified condition, whose inside it does
    /// not look at.
    pub(crate) fn walk(&mut self, see: &mut dyn FnMut(Met<'_>)) {
        match self {
            Self::Or(parts) | Self::And(parts) => {
                parts.iter_mut().for_each(|part| part.walk(see));
            }
            Self::Not(inner) => inner.walk(see),
            Self::Compare { left, right, .. } => {
                left.walk(see);
                right.walk(see);
            }
            Self::Bare(value) => value.walk(see),
        }
    }
}

impl ValueTree {
    fn walk(&mut self, see: &mut dyn FnMut(Met<'_>)) {
        let several = match &mut self.kind {
            ValueKind::Path(path) => {
                for key in path.segments.iter_mut().flat_map(|segment| &mut segment.keys) {
                    key.walk(see);
                }
                see(Met::Path(path));
                return;
            }
            ValueKind::Quantified(_) => return see(Met::Quantified),
            ValueKind::Call(call) => {
                call.arguments.iter_mut().for_each(|argument| argument.value.walk(see));
                &mut call.keys
            }
            ValueKind::Math(first, rest) => {
                first.walk(see);
                return rest.iter_mut().for_each(|(_, operand)| operand.walk(see));
            }
            ValueKind::Map(entries) => {
                return entries.iter_mut().for_each(|(_, entry)| entry.walk(see));
            }
            ValueKind::Sign(_, inner) => return inner.walk(see),
            ValueKind::List(items) => items,
            _ => return,
        };
        several.iter_mut().for_each(|value| value.walk(see));
    }
}
