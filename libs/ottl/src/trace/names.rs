//! The names of what is known of a whole trace.

use crate::{
    check::{Checked, Found, Names},
    condition::Condition,
    path::Context,
    problem::{Problems, Span, did_you_mean},
    program::{Expr, Literal, Test},
    syntax::{
        token::Comparison,
        tree::{ConditionTree, Met, PathTree, QuantifiedTree, SegmentTree, ValueKind},
    },
    trace::ask::Ask,
    value::{Tree, Value},
};

/// Paths and what they ask.
const PATHS: [(&str, Ask); 5] = [
    ("trace.duration", Ask::DurationNs),
    ("trace.span_count", Ask::SpanCount),
    ("trace.error_count", Ask::ErrorCount),
    ("trace.service_count", Ask::ServiceCount { up_to: u64::MAX }),
    ("trace.has_root", Ask::HasRoot),
];

/// Starts of keys that stand on resources.
const RESOURCE_KEYS: [&str; 5] = ["service.", "k8s.", "host.", "deployment.", "cloud."];

/// What a condition asks.
#[derive(Debug, Default)]
pub(super) struct TraceNames {
    asks: Vec<Asked>,
}

/// A question, and how its answer is used.
#[derive(Debug)]
struct Asked {
    ask: Ask,
    uses: usize,
    /// Uses in a comparison with a number.
    bounded: usize,
    /// One more than the largest of these numbers.
    up_to: u64,
}

impl TraceNames {
    fn slot(&mut self, ask: Ask) -> usize {
        let known = self.asks.iter().position(|asked| asked.ask.is_same(&ask));
        let slot = known.unwrap_or(self.asks.len());
        if known.is_none() {
            self.asks.push(Asked { ask, uses: 0, bounded: 0, up_to: 0 });
        }
        if let Some(asked) = self.asks.get_mut(slot) {
            asked.uses += 1;
        }
        slot
    }

    pub(super) fn into_asks(self) -> Vec<Ask> {
        let asks = self.asks.into_iter().map(|Asked { mut ask, uses, bounded, up_to }| {
            ask.stop_at(if uses == bounded { up_to } else { u64::MAX });
            ask
        });
        asks.collect()
    }
}

/// The text that the names of a path's segments make.
fn name_of(path: &PathTree) -> String {
    let names: Vec<&str> = path.segments.iter().map(|segment| &*segment.name).collect();
    names.join(".")
}

fn is_of_root(path: &PathTree) -> bool {
    matches!(path.segments.as_slice(), [trace, root, _, ..]
        if trace.name == "trace" && root.name == "root" && trace.keys.is_empty() && root.keys.is_empty())
}

/// The condition with each `trace.root.…` turned into the path of a span, if it reads nothing else.
fn on_root(tree: &ConditionTree) -> Option<ConditionTree> {
    let mut tree = tree.clone();
    let (mut of_root, mut of_others) = (false, false);
    tree.walk(&mut |met| match met {
        Met::Path(path) if is_of_root(path) => {
            of_root = true;
            path.segments.drain(..2);
            let first = path.segments.first();
            if first.is_none_or(|first| Context::of_name(&first.name).is_none()) {
                let span = SegmentTree { name: "span".to_owned(), keys: Vec::new() };
                path.segments.insert(0, span);
            }
        }
        Met::Path(_) | Met::Quantified => of_others = true,
    });
    (of_root && !of_others).then_some(tree)
}

/// Tells of attributes of the root span that usually stand on its resource.
fn remark(tree: &ConditionTree, span: Span, warnings: &mut Problems<'_>) {
    let mut keys = Vec::new();
    tree.clone().walk(&mut |met| {
        if let Met::Path(path) = met
            && name_of(path) == "span.attributes"
            && let Some(ValueKind::Text(key)) =
                path.segments.last().and_then(|last| last.keys.first()).map(|key| &key.kind)
            && RESOURCE_KEYS.iter().any(|start| key.starts_with(start))
        {
            keys.push(key.clone());
        }
    });
    for key in keys {
        let message = format!("`{key}` usually is an attribute of the resource, not of the span");
        let hint = format!("did you mean `trace.root.resource.attributes[\"{key}\"]`?");
        warnings.add_with(span, message, Some(hint));
    }
}

/// Where the parts of a condition stand.
fn span_of(tree: &ConditionTree) -> Span {
    match tree {
        ConditionTree::Or(parts) | ConditionTree::And(parts) => {
            let first = parts.first().map(span_of).unwrap_or_default();
            first.to(parts.last().map(span_of).unwrap_or_default())
        }
        ConditionTree::Not(inner) => span_of(inner),
        ConditionTree::Compare { left, right, .. } => left.span.to(right.span),
        ConditionTree::Bare(value) => value.span,
    }
}

impl Names for TraceNames {
    fn condition<'s>(
        &mut self,
        tree: &ConditionTree,
        problems: &mut Problems<'s>,
        warnings: &mut Problems<'s>,
    ) -> Option<Test> {
        let span = span_of(tree);
        let tree = on_root(tree)?;
        remark(&tree, span, warnings);
        let condition = Condition::of_tree(&tree, Context::Span, span, problems, warnings);
        if let Some(constant) = condition.constant() {
            return Some(Test::Constant(constant));
        }
        // As long as there is no root, all that is read of it is nil.
        let nothing = vec![Value::Nil; condition.paths().len()];
        let without = condition.evaluate(&nothing);
        let slot = self.slot(Ask::Root(condition));
        let field = |comparison, value| Test::Field {
            slot,
            comparison,
            literal: Literal::Plain(Value::Bool(value)),
        };
        Some(match without {
            Ok(true) => field(Comparison::NotEqual, false),
            Ok(false) => field(Comparison::Equal, true),
            Err(_) => Test::Holds(Expr::Slot(slot), span),
        })
    }

    fn path(
        &mut self,
        path: &PathTree,
        span: Span,
        problems: &mut Problems<'_>,
        _warnings: &mut Problems<'_>,
    ) -> Option<Found> {
        let name = name_of(path);
        if let Some((_, ask)) = PATHS.iter().find(|(known, _)| *known == name) {
            let expr = Expr::Slot(self.slot(ask.clone()));
            return Some(Found { expr, keys: 0, indexable: false });
        }
        if is_of_root(path) {
            let message = format!("`{name}` is compared with what is not of the root span");
            let hint = "compare it with a literal, or with another part of the root span";
            problems.add_with(span, message, Some(hint.to_owned()));
            return None;
        }
        let known = PATHS.iter().map(|(known, _)| *known);
        let hint = did_you_mean(&name, known.chain(["trace.root.name", "trace.root.attributes"]));
        let hint = hint.unwrap_or_else(|| {
            format!("a trace has `trace.…`; what one span has stands in `any(span, {name} …)`")
        });
        problems.add_with(span, format!("there is no path `{name}`"), Some(hint));
        None
    }

    fn is_boolean(&self, path: &PathTree) -> bool {
        name_of(path) == "trace.has_root"
    }

    fn parent_span_id(&mut self) -> Option<usize> {
        None
    }

    fn compared(&mut self, sides: [(&Checked, Span); 2], problems: &mut Problems<'_>) {
        let [(one, one_span), (other, other_span)] = sides;
        for (slot, constant, span) in [(one, other, other_span), (other, one, one_span)] {
            let (Expr::Slot(slot), Expr::Constant(Tree::Plain(value))) =
                (&slot.expr, &constant.expr)
            else {
                continue;
            };
            let Some(asked) = self.asks.get_mut(*slot) else { continue };
            match (&asked.ask, value) {
                (Ask::DurationNs, Value::Int(_) | Value::Double(_)) => {
                    let message = "a duration is compared with a plain number".to_owned();
                    let hint = "write it with its unit: `Duration(\"2s\")`";
                    problems.add_with(span, message, Some(hint.to_owned()));
                }
                (Ask::ServiceCount { .. } | Ask::Count { .. }, Value::Int(number)) => {
                    asked.bounded += 1;
                    let above = number.saturating_add(1).max(0).cast_unsigned();
                    asked.up_to = asked.up_to.max(above);
                }
                _ => {}
            }
        }
    }

    fn quantified<'s>(
        &mut self,
        quantified: &QuantifiedTree,
        problems: &mut Problems<'s>,
        warnings: &mut Problems<'s>,
    ) -> Checked {
        let QuantifiedTree { name, name_span, context, context_span, .. } = quantified;
        let make: fn(Condition) -> Ask = match name.as_str() {
            "any" => Ask::Any,
            "all" => Ask::All,
            "count" => |condition| Ask::Count { condition, up_to: u64::MAX },
            _ => {
                let hint = did_you_mean(name, ["any", "all", "count"]);
                problems.add_with(*name_span, format!("there is no function `{name}`"), hint);
                return Checked::wrong();
            }
        };
        let context = match Context::of_name(context) {
            Some(known @ (Context::Span | Context::SpanEvent)) => known,
            _ => {
                let hint = did_you_mean(context, ["span", "spanevent"]);
                let message = format!("`{name}` looks at `span` or `spanevent`, not `{context}`");
                problems.add_with(*context_span, message, hint);
                return Checked::wrong();
            }
        };
        let (tree, span) = (&quantified.condition, quantified.condition_span);
        let condition = Condition::of_tree(tree, context, span, problems, warnings);
        let slot = self.slot(make(condition));
        if name == "count" {
            return Checked::computed(Expr::Slot(slot));
        }
        let literal = Literal::Plain(Value::Bool(true));
        let test = Test::Field { slot, comparison: Comparison::Equal, literal };
        Checked::computed(Expr::Test(Box::new(test)))
    }
}
