//! A short run of the translators' fuzz targets: valid inputs, mutated, and random bytes. Always
//! the same.

use wholetrace_proto::{
    otlp_json::from_protobuf,
    thrift::{MessageKind, Protocol},
};

use crate::{
    fuzz::{run, run_any},
    jaeger,
    jaeger_model::{Batch, KeyValue, Log, Moment, Process, Span, SpanRef, request, tag},
    jaeger_shapes,
    jaeger_thrift::{batch, emit_batch},
    sample,
    translators::{self, binary_shapes, shapes},
    zipkin::IDS,
    zipkin_protobuf, zipkin_thrift,
};

#[test]
fn json() {
    let every_field = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"k","value":{{"kvlistValue":
            {{"values":[{{"key":"a","value":{{"arrayValue":{{"values":[{{"intValue":"1"}},null]}}}}
            }}]}}}}}}]}},"scopeSpans":[{{"scope":{{"name":"n"}},"spans":[{{{},"kind":2,
            "parentSpanId":"0102030405060708","startTimeUnixNano":"1","endTimeUnixNano":2e3,
            "attributes":[{{"key":"b","value":{{"bytesValue":"aGk="}}}},{{"key":"d","value":
            {{"doubleValue":-0.5}}}},{{"key":"t","value":{{"boolValue":true}}}}],
            "events":[{{"timeUnixNano":1,"name":"\u00e9\ud83d\ude00"}}],"links":[{{"flags":1}}],
            "status":{{"code":"STATUS_CODE_OK","message":"m"}},"flags":257}},{{}}]}}]}}]}}"#,
        r#""traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174""#
    );
    let services = from_protobuf(&sample::bytes(1)).unwrap();
    run(11, &[every_field.into_bytes(), services], translators::json);
}

#[test]
fn line() {
    run(12, &[sample::bytes(1), sample::bytes(2)], translators::line);
}

#[test]
fn zipkin() {
    let every_field = format!(
        r#"[{{{IDS},"parentId":"6b221d5bc9e6496c","name":"get","kind":"SERVER","shared":true,
            "timestamp":1.58e15,"duration":207000,"debug":true,"localEndpoint":{{"serviceName":
            "a","ipv4":"10.0.0.1","ipv6":"::1","port":80}},"remoteEndpoint":{{"port":"81"}},
            "annotations":[{{"timestamp":1,"value":"n|{{\"k\":[1,{{}}]}}|2"}}],
            "tags":{{"error":"x","http.path":"/a","k8s.pod.name":"p","n":1.5,"otlp.link.0":
            "1|2||{{}}|0","otel.status_code":"OK","otel.scope.name":"s","o":[1]}}}},{{{IDS}}}]"#
    );
    let old = format!(
        r#"[{{{IDS},"annotations":[{{"timestamp":1,"value":"cs","endpoint":{{"serviceName":"a"}}}},
            {{"timestamp":2,"value":"sr","endpoint":{{"serviceName":"b"}}}}],
            "binaryAnnotations":[{{"key":"sa","value":true,"endpoint":{{"port":1}}}},
            {{"key":"k","value":"v"}}]}}]"#
    );
    let protobuf = zipkin_protobuf::list(&[zipkin_protobuf::every_field()]);
    let thrift = zipkin_thrift::list(&[zipkin_thrift::every_field]);
    let valid = [every_field.into_bytes(), old.into_bytes(), protobuf, thrift];
    run(13, &valid, translators::zipkin);
}

#[test]
fn jaeger() {
    let fields = || vec![tag("event", "e"), tag("k", "v"), tag("k", "w")];
    let span = Span {
        operation_name: "get".to_owned(),
        references: vec![SpanRef { trace_id: vec![1; 8], span_id: vec![2; 8], ref_type: 1 }],
        flags: 11,
        duration: Some(Moment { seconds: -1, nanos: 5 }),
        tags: vec![
            tag("span.kind", "server"),
            tag("error", "true"),
            tag("otel.status_code", "OK"),
            KeyValue { v_type: 4, v_binary: vec![1], ..tag("b", "") },
            KeyValue { v_type: 2, v_int64: 500, ..tag("http.status_code", "") },
        ],
        logs: vec![Log { timestamp: Some(Moment { seconds: 1, nanos: 1 }), fields: fields() }],
        process: Some(Process { service_name: "own".to_owned(), tags: fields() }),
        process_id: "p".to_owned(),
        warnings: vec!["w".to_owned()],
        ..jaeger::bare()
    };
    let process = Process { service_name: "shop".to_owned(), tags: vec![tag("hostname", "h")] };
    let request = request(vec![span, jaeger::bare()], Some(process));
    run(15, &[request], translators::jaeger);
    run_any(16, 20_000, 200, |data| translators::jaeger(&jaeger_shapes::chosen(data)));
}

#[test]
fn jaeger_thrift() {
    let span = Span {
        tags: vec![tag("span.kind", "server"), tag("error", "true")],
        logs: vec![Log { timestamp: None, fields: vec![tag("event", "e")] }],
        references: vec![SpanRef { trace_id: vec![1; 16], span_id: vec![2; 8], ref_type: 1 }],
        flags: 11,
        ..jaeger::bare()
    };
    let process = Some(Process { service_name: "shop".to_owned(), tags: vec![tag("a", "b")] });
    let given = Batch { spans: vec![span, jaeger::bare()], process };
    let inputs = [
        batch(&given, Protocol::Binary),
        emit_batch(&given, Protocol::Binary, MessageKind::Oneway),
        emit_batch(&given, Protocol::Compact, MessageKind::Oneway),
    ];
    run(17, &inputs, translators::jaeger_thrift);
    run_any(19, 20_000, 200, |data| {
        translators::jaeger_thrift(&binary_shapes::jaeger_thrift(data));
    });
}

#[test]
fn shapes_of_requests() {
    shapes::every(&shapes::OTLP).for_each(|text| translators::json(&text));
    shapes::every(&shapes::ZIPKIN).for_each(|text| translators::zipkin(&text));
    // Scopes under the number of old, which a decoder does not know.
    let old = br#"{"resourceSpans":[{"instrumentationLibrarySpans":[{"spans":[{"kind":1}]}]}]}"#;
    translators::json(old);
    run_any(14, 4_000, 24, translators::shapes);
    run_any(15, 4_000, 200, translators::shapes);
}
