//! Conditions of OTTL: any text is read or refused, and what is read has an answer or an error for
//! any fields, always the same.

use wholetrace_ottl::{
    Ask, Condition, Context, EvaluationError, Path, Problem, TraceCondition, Value,
};

/// Bytes that choices are made by; zeros when they are used up.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn next(&mut self) -> usize {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        usize::from(*first)
    }

    fn one_of<T: Copy>(&mut self, several: &[T]) -> T {
        several[self.next() % several.len()]
    }

    fn bytes(&mut self) -> &'a [u8] {
        let len = (self.next() % 24).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }
}

/// Reads the data as a text and as choices of which a condition is made.
pub(crate) fn any(data: &[u8]) {
    let (head, rest) = data.split_at(data.len().min(64));
    let context = [Context::Resource, Context::Scope, Context::Span, Context::SpanEvent];
    let context = Choices(data).one_of(&context);
    text(&String::from_utf8_lossy(rest), context, head);
    text(&String::from_utf8_lossy(data), context, head);
    made(data);
}

/// Makes a condition by the choices that the data are, and checks it.
pub(crate) fn made(data: &[u8]) {
    let mut choices = Choices(data);
    let mut source = String::new();
    condition(&mut choices, 4, &mut source);
    text(&source, Context::Span, choices.0);
    // The same on a trace.
    let on_trace = format!("any(span, {source}) or count(spanevent, {source}) > 1");
    text(&on_trace, Context::Span, choices.0);
}

/// Reads a text for a context, and evaluates it on fields made of `fields`.
pub(crate) fn text(source: &str, context: Context, fields: &[u8]) {
    match Condition::parse(source, context) {
        Err(problems) => said(source, &problems),
        Ok(condition) => {
            let answer = evaluate(&condition, fields);
            if condition.warnings().is_empty() {
                assert_eq!(answer, evaluate(&condition, fields), "{source}");
                turned_round(source, context, fields, answer);
            }
        }
    }
    match TraceCondition::parse(source) {
        Err(problems) => said(source, &problems),
        Ok(condition) => on_trace(&condition, fields),
    }
}

/// Problems name a place in the text.
fn said(source: &str, problems: &[Problem]) {
    assert!(!problems.is_empty(), "{source}");
    for problem in problems {
        let place = &problem.span;
        assert!(place.start <= place.end && place.end <= source.len(), "{source}: {problem:?}");
        assert!(
            source.len() > 65_536 || source.get(place.clone()).is_some(),
            "{source}: {problem:?}"
        );
        assert!(problem.line > 0 && problem.column > 0 && !problem.to_string().is_empty());
    }
}

fn evaluate(condition: &Condition, fields: &[u8]) -> Result<bool, EvaluationError> {
    let mut choices = Choices(fields);
    let values: Vec<Value<'_>> =
        condition.paths().iter().map(|path| field(path, &mut choices)).collect();
    let answer = condition.evaluate(&values);
    if let Err(error) = &answer {
        let span = error.span();
        assert!(condition.text().get(span).is_some() && !error.to_string().is_empty());
    }
    answer
}

/// `not (…)` has the other answer, or the same error.
fn turned_round(
    source: &str,
    context: Context,
    fields: &[u8],
    answer: Result<bool, EvaluationError>,
) {
    let Ok(other) = Condition::parse(&format!("not ({source})"), context) else {
        // One level more, and some bytes, can be too much.
        return;
    };
    let turned = evaluate(&other, fields);
    assert_eq!(answer.map(|holds| !holds).ok(), turned.ok(), "{source}");
}

fn on_trace(condition: &TraceCondition, fields: &[u8]) {
    let answers: Vec<Value<'_>> = {
        let mut choices = Choices(fields);
        let answer = |ask: &Ask| match ask {
            Ask::DurationNs => Value::Duration(choices.next() as i64),
            Ask::SpanCount | Ask::ErrorCount | Ask::ServiceCount { .. } | Ask::Count { .. } => {
                Value::Int(choices.next() as i64)
            }
            Ask::Root(_) => choices.one_of(&[Value::Nil, Value::Bool(true), Value::Bool(false)]),
            Ask::HasRoot | Ask::Any(_) | Ask::All(_) => Value::Bool(choices.next() % 2 == 0),
        };
        condition.asks().iter().map(answer).collect()
    };
    let _ = condition.evaluate(&|ask| answers[ask]);
}

/// A value of the type that the field has; an attribute of any bytes.
fn field<'a>(path: &Path, choices: &mut Choices<'a>) -> Value<'a> {
    match path.empty() {
        Value::Str(_) => Value::Str(choices.bytes()),
        Value::Int(_) => Value::Int(choices.next() as i64 - 2),
        Value::Map { .. } => Value::Map { message: choices.bytes(), field: 1 },
        Value::Nil => match choices.next() % 8 {
            0 => Value::Nil,
            1 => Value::Int(choices.next() as i64 - 2),
            2 => Value::Double(choices.next() as f64 / 4.0),
            3 => Value::Str(choices.bytes()),
            4 => Value::List(choices.bytes()),
            5 => Value::Map { message: choices.bytes(), field: 1 },
            _ => Value::of_any_value(choices.bytes()),
        },
        other => other,
    }
}

fn condition(choices: &mut Choices<'_>, depth: usize, out: &mut String) {
    match (depth, choices.next() % 9) {
        (0, _) | (_, 0..=2) => {
            value(choices, depth, out);
            out.push_str(choices.one_of(&[" == ", " != ", " < ", " <= ", " > ", " >= "]));
            value(choices, depth, out);
        }
        (_, 3) => out.push_str(choices.one_of(&["true", "false", "IsRootSpan()", "1 == 1"])),
        (_, 4) => {
            out.push_str("not (");
            condition(choices, depth - 1, out);
            out.push(')');
        }
        (_, 5) => {
            let tests =
                ["IsMatch", "HasPrefix", "HasSuffix", "ContainsValue", "IsString", "IsEmpty"];
            call(choices, choices_of(&tests), depth, out);
        }
        (_, link) => {
            out.push('(');
            condition(choices, depth - 1, out);
            out.push_str(if link % 2 == 0 { " and " } else { " or " });
            condition(choices, depth - 1, out);
            out.push(')');
        }
    }
}

/// Names, to be chosen from.
fn choices_of<'n>(names: &'n [&'n str]) -> impl Fn(&mut Choices<'_>) -> &'n str {
    |choices| choices.one_of(names)
}

fn call<'n>(
    choices: &mut Choices<'_>,
    name: impl Fn(&mut Choices<'_>) -> &'n str,
    depth: usize,
    out: &mut String,
) {
    out.push_str(name(choices));
    out.push('(');
    for index in 0..choices.next() % 3 + 1 {
        out.push_str(if index > 0 { ", " } else { "" });
        value(choices, depth.saturating_sub(1), out);
    }
    out.push(')');
}

const LITERALS: [&str; 16] = [
    "nil",
    "1",
    "-1",
    "0",
    "2.5",
    "\"a\"",
    "\"\"",
    "\"^a+\"",
    "0x01ab",
    "true",
    "9223372036854775807",
    "STATUS_CODE_ERROR",
    "[]",
    "[1, \"a\", nil]",
    "{\"a\": 1}",
    "\"2024-01-31\"",
];

const PATHS: [&str; 18] = [
    "name",
    "kind",
    "status.code",
    "attributes",
    "attributes[\"a\"]",
    "attributes[\"b\"][\"c\"]",
    "attributes[\"b\"][0]",
    "resource.attributes[\"a\"]",
    "scope.name",
    "trace_id.string",
    "parent_span_id",
    "trace_state[\"a\"]",
    "start_time",
    "end_time_unix_nano",
    "events",
    "status",
    "kind.string",
    "attributes[name]",
];

const CONVERTERS: [&str; 40] = [
    "Len",
    "Int",
    "Double",
    "Bool",
    "String",
    "Concat",
    "Split",
    "Substring",
    "ToLowerCase",
    "ToSnakeCase",
    "ToCamelCase",
    "Trim",
    "TrimPrefix",
    "Index",
    "Keys",
    "Values",
    "Sort",
    "Coalesce",
    "Duration",
    "Hours",
    "Milliseconds",
    "Unix",
    "UnixNano",
    "Year",
    "TruncateTime",
    "TraceID",
    "SpanID",
    "Hex",
    "SHA256",
    "FNV",
    "Base64Encode",
    "Decode",
    "ParseInt",
    "ParseJSON",
    "URL",
    "ExtractPatterns",
    "IsInCIDR",
    "Log",
    "Time",
    "FormatTime",
];

fn value(choices: &mut Choices<'_>, depth: usize, out: &mut String) {
    match (depth, choices.next() % 8) {
        (0, 0..=3) | (_, 0 | 1) => out.push_str(choices.one_of(&LITERALS)),
        (0, _) | (_, 2 | 3) => out.push_str(choices.one_of(&PATHS)),
        (_, 4 | 5) => call(choices, choices_of(&CONVERTERS), depth, out),
        (_, 6) => {
            out.push_str("-(");
            out.push_str(choices.one_of(&PATHS));
            out.push_str(choices.one_of(&[" + ", " - ", " * ", " / "]));
            out.push_str(choices.one_of(&["1", "2.5", "kind", "attributes[\"a\"]", "(1 - 1)"]));
            out.push(')');
        }
        _ => {
            out.push('[');
            value(choices, depth - 1, out);
            out.push_str(", ");
            value(choices, depth - 1, out);
            out.push(']');
        }
    }
}
