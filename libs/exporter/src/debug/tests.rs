use bytes::Bytes;
use wholetrace_proto::otlp::{
    AnyValue, InstrumentationScope, KeyValue, Resource, ResourceSpans, ScopeSpans, Span, Status,
    any_value::Value, span,
};

use super::*;

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn batch() -> Batch {
    let text = |text: &str| Value::StringValue(text.to_owned());
    let span = Span {
        trace_id: vec![0xab; 16],
        span_id: vec![1; 8],
        name: "GET /".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_000_000_000,
        end_time_unix_nano: u64::MAX,
        attributes: vec![attribute("http.status", Value::IntValue(500))],
        events: vec![span::Event { name: "oops".to_owned(), ..Default::default() }],
        status: Some(Status { code: 2, message: "broken".to_owned() }),
        ..Span::default()
    };
    let scope = InstrumentationScope {
        name: "lib".to_owned(),
        version: "1.0".to_owned(),
        ..InstrumentationScope::default()
    };
    let resource = Resource {
        attributes: vec![attribute("service.name", text("shop"))],
        ..Default::default()
    };
    let scope_spans =
        vec![ScopeSpans { scope: Some(scope), spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans =
        vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
    Batch::new(vec![TracesData { resource_spans }.encode_to_vec().into()], 1)
}

fn exporter(verbosity: Verbosity) -> DebugExporter {
    DebugExporter::new(DebugSettings {
        name: "debug".to_owned(),
        verbosity,
        sampling_initial: 2,
        sampling_thereafter: 3,
    })
}

#[test]
fn basic_decodes_nothing() {
    let unreadable = Batch::new(vec![Bytes::from_static(b"\xff")], 1);
    assert_eq!(exporter(Verbosity::Basic).describe(&unreadable), Ok(String::new()));
    let error = exporter(Verbosity::Normal).describe(&unreadable);
    assert!(matches!(error, Err(ExportError::Permanent { .. })));
}

#[test]
fn normal_is_a_line_for_each_span() {
    let id = "ab".repeat(16);
    let expected = format!(
        "ResourceTraces #0 service.name=shop\n\
         ScopeTraces #0 lib@1.0\n\
         GET / {id} 0101010101010101 http.status=500\n"
    );
    assert_eq!(exporter(Verbosity::Normal).describe(&batch()), Ok(expected));
}

#[test]
fn detailed_is_all_of_it() {
    let described = exporter(Verbosity::Detailed).describe(&batch()).unwrap();
    for line in [
        "     -> service.name: shop",
        "InstrumentationScope lib 1.0",
        "    ID             : 0101010101010101",
        "    Kind           : SERVER",
        "    Start time     : 1970-01-01T00:00:01Z",
        "    Status code    : ERROR",
        "    Status message : broken",
        "     -> http.status: 500",
        "     -> Name: oops",
    ] {
        assert!(described.lines().any(|found| found == line), "`{line}` in\n{described}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_batches_in_a_second_some_are_logged() {
    let exporter = exporter(Verbosity::Basic);
    let second = || (0..9).map(|_| exporter.is_to_be_logged()).collect::<Vec<_>>();
    let logged = [true, true, false, false, true, false, false, true, false];
    assert_eq!(second(), logged);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(second(), logged);
}
