//! Calls of converters.

use crate::{
    check::{
        Checker,
        names::{Checked, Names},
    },
    convert::{self, Accepts, Converter},
    evaluate::constant,
    problem::{Span, did_you_mean},
    program::{Call, Expr, Literal, Test},
    syntax::{
        token::Comparison,
        tree::{ArgumentTree, CallTree, ValueKind, ValueTree},
    },
    value::{Tree, Value},
};

impl<N: Names> Checker<'_, '_, N> {
    pub(super) fn call(&mut self, tree: &CallTree, span: Span) -> Checked {
        let checked = match tree.name.as_str() {
            "IsRootSpan" => self.is_root_span(tree),
            "Coalesce" => self.coalesce(tree),
            name => match convert::find(name) {
                Some(converter) => self.convert(converter, tree, span),
                None => self.unknown(tree),
            },
        };
        if tree.keys.is_empty() { checked } else { self.index(checked.expr, &tree.keys, false) }
    }

    fn unknown(&mut self, tree: &CallTree) -> Checked {
        let name = &tree.name;
        if convert::KNOWN_ONLY.contains(&name.as_str()) {
            let message = format!("the converter `{name}` is not supported");
            self.problems.add(tree.name_span, message);
        } else {
            let known = convert::names().chain(["IsRootSpan", "Coalesce"]);
            let hint = did_you_mean(name, known);
            self.problems.add_with(tree.name_span, format!("there is no converter `{name}`"), hint);
        }
        for argument in &tree.arguments {
            self.value(&argument.value);
        }
        Checked::wrong()
    }

    fn is_root_span(&mut self, tree: &CallTree) -> Checked {
        self.ignore(tree);
        let Some(slot) = self.names.parent_span_id() else {
            let message = "`IsRootSpan` can be asked of spans only".to_owned();
            self.problems.add(tree.name_span, message);
            return Checked::wrong();
        };
        let literal = Literal::Plain(Value::SpanId([0; 8]));
        let test = Test::Field { slot, comparison: Comparison::Equal, literal };
        Checked::computed(Expr::Test(Box::new(test)))
    }

    /// The first of several values that is not nil.
    fn coalesce(&mut self, tree: &CallTree) -> Checked {
        let items = match tree.arguments.as_slice() {
            [ArgumentTree { name, value: ValueTree { kind: ValueKind::List(items), .. } }]
                if name.as_ref().is_none_or(|(name, _)| name == "values") && !items.is_empty() =>
            {
                items
            }
            _ => {
                let message = "`Coalesce` takes one argument, a list of at least one value";
                let hint = "write the values in brackets: `Coalesce([…, …])`";
                self.problems.add_with(tree.name_span, message.to_owned(), Some(hint.to_owned()));
                return Checked::wrong();
            }
        };
        Checked::computed(Expr::Coalesce(items.iter().map(|item| self.value(item).expr).collect()))
    }

    /// Arguments of a converter that has no parameters.
    fn ignore(&mut self, tree: &CallTree) {
        for argument in &tree.arguments {
            self.value(&argument.value);
            let message = format!("`{}` takes no arguments: this one is ignored", tree.name);
            self.warnings.add(argument.value.span, message);
        }
    }

    fn convert(&mut self, converter: &'static Converter, tree: &CallTree, span: Span) -> Checked {
        if converter.parameters.is_empty() {
            self.ignore(tree);
        }
        if let Some(warning) = converter.warning {
            self.warnings.add(span, warning.to_owned());
        }
        let Some(given) = self.arguments(converter, tree) else { return Checked::wrong() };
        let mut constants = vec![None; given.len()];
        let mut arguments = Vec::with_capacity(given.len());
        let mut right = true;
        for ((parameter, place), argument) in
            converter.parameters.iter().zip(&mut constants).zip(given)
        {
            let Some(argument) = argument else {
                arguments.push(Expr::Constant(Tree::NIL));
                continue;
            };
            let checked = self.value(argument);
            if let Some(wrong) = refuses(parameter.accepts, &checked) {
                let message = format!(
                    "the argument `{}` of `{}` must be {wrong}",
                    parameter.name, converter.name
                );
                self.problems.add(argument.span, message);
                right = false;
            }
            if let Expr::Constant(tree) = &checked.expr {
                *place = Some(tree.clone());
            }
            arguments.push(checked.expr);
        }
        if !right {
            return Checked::wrong();
        }
        let prepared = match (converter.prepare)(&constants) {
            Ok(prepared) => prepared,
            Err(message) => {
                self.problems.add(span, format!("`{}`: {message}", converter.name));
                return Checked::wrong();
            }
        };
        let call = Call { converter, arguments: arguments.into(), prepared, span };
        self.finish(call)
    }

    /// A call of constants only is a constant itself.
    fn finish(&mut self, call: Call) -> Checked {
        let is_constant = |argument: &Expr| matches!(argument, Expr::Constant(_));
        let all_constant = call.converter.pure && call.arguments.iter().all(is_constant);
        let (strict, span, name) = (call.converter.strict, call.span, call.converter.name);
        let expr = Expr::Call(Box::new(call));
        if !all_constant {
            return Checked::computed(expr);
        }
        match constant(&expr) {
            Ok(tree) => Checked::computed(Expr::Constant(tree)),
            Err(error) if strict => {
                self.problems.add(span, format!("`{name}`: {}", error.fault));
                Checked::wrong()
            }
            Err(_) => Checked::computed(expr),
        }
    }

    /// The arguments by parameter.
    fn arguments<'t>(
        &mut self,
        converter: &Converter,
        tree: &'t CallTree,
    ) -> Option<Vec<Option<&'t ValueTree>>> {
        let parameters = converter.parameters;
        let mut given: Vec<Option<&'t ValueTree>> = vec![None; parameters.len()];
        let mut named = false;
        if parameters.is_empty() {
            return Some(given);
        }
        for (index, argument) in tree.arguments.iter().enumerate() {
            let span = argument.value.span;
            let place = match &argument.name {
                Some((name, name_span)) => {
                    named = true;
                    let found = parameters.iter().position(|known| known.name == name);
                    if found.is_none() {
                        let hint = did_you_mean(name, parameters.iter().map(|known| known.name));
                        let message = format!("`{}` has no parameter `{name}`", converter.name);
                        self.problems.add_with(*name_span, message, hint);
                        return None;
                    }
                    found
                }
                None if named => {
                    let message = "an argument without a name stands behind one that has one";
                    self.problems.add(span, message.to_owned());
                    return None;
                }
                None => Some(index),
            };
            match place.and_then(|place| given.get_mut(place)) {
                Some(place @ None) => *place = Some(&argument.value),
                Some(_) => {
                    self.problems.add(span, "the argument is given twice".to_owned());
                    return None;
                }
                None => {
                    let (name, most) = (converter.name, parameters.len());
                    let message = format!("`{name}` takes at most `{most}` arguments");
                    self.problems.add(span, message);
                    return None;
                }
            }
        }
        let missing = parameters
            .iter()
            .zip(&given)
            .find(|(parameter, given)| parameter.required && given.is_none());
        if let Some((parameter, _)) = missing {
            let message =
                format!("the argument `{}` of `{}` is missing", parameter.name, converter.name);
            self.problems.add(tree.name_span, message);
            return None;
        }
        Some(given)
    }
}

/// What the argument must be, when it is something else.
fn refuses(accepts: Accepts, argument: &Checked) -> Option<&'static str> {
    let constant = match &argument.expr {
        Expr::Constant(tree) if argument.literal => Some(tree.view()),
        _ => None,
    };
    let is = |known: fn(Value<'_>) -> bool| constant.is_none_or(known);
    match accepts {
        Accepts::Any => None,
        Accepts::Text if !is(|value| matches!(value, Value::Str(_))) => Some("a text"),
        Accepts::Int if !is(|value| matches!(value, Value::Int(_))) => Some("an integer"),
        Accepts::Double if !is(|value| matches!(value, Value::Double(_))) => {
            Some("a floating-point number")
        }
        Accepts::Bool if !is(|value| matches!(value, Value::Bool(_))) => Some("a boolean"),
        Accepts::Map if !is(|value| value.entries().is_some()) => Some("a map"),
        Accepts::List if !is(|value| value.items().is_some()) => Some("a list"),
        Accepts::Time if constant.is_some() => Some("a time, as `Time(…)` makes"),
        Accepts::Duration if constant.is_some() => Some("a duration, as `Duration(\"1s\")` makes"),
        Accepts::TextLiteral if !matches!(constant, Some(Value::Str(_))) => {
            Some("a text in quotes")
        }
        Accepts::BoolLiteral if !matches!(constant, Some(Value::Bool(_))) => {
            Some("`true` or `false`")
        }
        Accepts::ListLiteral
            if !matches!(argument.expr, Expr::List(_))
                && constant.is_none_or(|value| value.items().is_none()) =>
        {
            Some("a list in brackets")
        }
        _ => None,
    }
}
