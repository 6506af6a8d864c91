//! What one evaluation of a condition costs, on fields that have been read.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use wholetrace_ottl::{Condition, Context, Path, Value};

/// Conditions by name; those up to `three parts` are what most policies are made of.
const CONDITIONS: [(&str, &str); 9] = [
    ("text equals", r#"attributes["http.method"] == "GET""#),
    ("kind", "kind == SPAN_KIND_SERVER"),
    ("number", r#"attributes["http.status_code"] >= 500"#),
    ("absent", r#"attributes["missing"] == nil"#),
    ("three parts", r#"kind == SPAN_KIND_SERVER and (status.code == 2 or name == "GET /a")"#),
    ("pattern", r#"IsMatch(name, "^GET /[a-z]+$")"#),
    ("duration", r#"end_time - start_time > Duration("1s")"#),
    ("prefix", r#"HasPrefix(attributes["http.method"], "GE")"#),
    ("text made", r#"ToLowerCase(attributes["http.method"]) == "get""#),
];

fn field(path: &Path) -> Value<'static> {
    match path {
        Path::SpanName => Value::Str(b"GET /a"),
        Path::SpanKind => Value::Int(2),
        Path::SpanStartTimeUnixNano => Value::Int(1_700_000_000_000_000_000),
        Path::SpanEndTimeUnixNano => Value::Int(1_700_000_001_500_000_000),
        Path::SpanAttribute(key) => match &**key {
            "http.method" => Value::Str(b"GET"),
            "http.status_code" => Value::Int(503),
            _ => Value::Nil,
        },
        other => other.empty(),
    }
}

fn evaluate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("evaluate");
    for (name, source) in CONDITIONS {
        let Ok(condition) = Condition::parse(source, Context::Span) else {
            unreachable!("`{source}` is a condition");
        };
        let fields: Vec<Value<'_>> = condition.paths().iter().map(field).collect();
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&condition).evaluate(black_box(fields.as_slice())));
        });
    }
    group.finish();
    criterion.bench_function("parse", |bencher| {
        let source = CONDITIONS[4].1;
        bencher.iter(|| Condition::parse(black_box(source), Context::Span));
    });
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
