use super::*;
use crate::options;

fn parse(text: &str) -> ExportersConfig {
    serde_json::from_str(text).unwrap()
}

fn problems(text: &str) -> Problems {
    let mut problems = Problems::new();
    parse(text).check("exporters", &mut problems);
    problems
}

/// The paths and messages of what is wrong.
fn errors(text: &str) -> Vec<String> {
    problems(text).errors().iter().map(ToString::to_string).collect()
}

#[test]
fn a_block_for_a_collector_loads() {
    let section = parse(
        r#"{
            "otlp/jaeger": {
                "endpoint": "jaeger:4317",
                "tls": { "insecure": true },
                "headers": { "x-scope-orgid": "tenant" },
                "compression": "zstd",
                "timeout": "10s",
                "keepalive": { "time": "30s", "timeout": "5s", "permit_without_stream": true },
                "retry_on_failure": { "enabled": true, "initial_interval": "5s" },
                "sending_queue": { "num_consumers": 8, "batch": { "flush_timeout": "1s" } }
            },
            "otlphttp": { "endpoint": "http://backend:4318/base/", "encoding": "json" },
            "jaeger/old": {
                "endpoint": "jaeger:14250",
                "tls": { "insecure": true },
                "keepalive": { "time": "30s" },
                "balancer_name": "round_robin"
            },
            "zipkin": {
                "endpoint": "http://zipkin:9411",
                "format": "json",
                "default_service_name": "nobody",
                "max_request_size": "8MiB"
            },
            "file": { "path": "traces.json", "rotation": { "max_megabytes": 10 } },
            "debug": null
        }"#,
    );
    let mut problems = Problems::new();
    section.check("exporters", &mut problems);
    assert!(problems.errors().is_empty(), "{problems:?}");
    assert!(problems.warnings().is_empty(), "{problems:?}");
    let names: Vec<&str> = section.0.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["otlp/jaeger", "otlphttp", "jaeger/old", "zipkin", "file", "debug"]);
    let ExporterConfig::Otlp(otlp) = &section.0[0].1 else { panic!("not otlp") };
    assert_eq!(otlp.uri().unwrap(), "http://jaeger:4317");
    assert_eq!(otlp.sending_queue.num_consumers, 8);
    let ExporterConfig::OtlpHttp(http) = &section.0[1].1 else { panic!("not otlphttp") };
    assert_eq!(http.uri().unwrap(), "http://backend:4318/base/v1/traces");
    let ExporterConfig::Jaeger(jaeger) = &section.0[2].1 else { panic!("not jaeger") };
    assert_eq!(jaeger.uri().unwrap(), "http://jaeger:14250");
    let ExporterConfig::Zipkin(zipkin) = &section.0[3].1 else { panic!("not zipkin") };
    assert_eq!(zipkin.uri().unwrap(), "http://zipkin:9411/api/v2/spans");
    assert_eq!(section.queue_bytes(), 6 * (64 << 20));
}

#[test]
fn secrets_do_not_print() {
    let section = parse(r#"{"otlp": {"headers": {"authorization": "hunter2"}}}"#);
    let printed = serde_json::to_string(&section).unwrap();
    assert!(printed.contains("authorization") && !printed.contains("hunter2"), "{printed}");
    assert!(!format!("{section:?}").contains("hunter2"));
}

#[test]
fn what_is_printed_loads_again() {
    let text = r#"{"otlp": {"endpoint": "a:1"}, "file/x": {"path": "f"}, "debug": {}}"#;
    let section = parse(text);
    assert_eq!(parse(&serde_json::to_string(&section).unwrap()), section);
}

#[test]
fn unknown_types_and_keys_are_refused() {
    for (text, message) in [
        (r#"{"oltp": {}}"#, "`oltp` is no type of exporter: is `otlp` meant?"),
        (r#"{"datadog": {}}"#, "`datadog` is no type of exporter: there are `otlp`"),
        (r#"{"zipkin": {"format": "proto"}}"#, "unknown variant `proto`"),
        (r#"{"otlp": {"endpont": "a:1"}}"#, "unknown field `endpont`"),
        (r#"{"otlp": {"compression": "snappy"}}"#, "unknown variant `snappy`"),
    ] {
        let error = serde_json::from_str::<ExportersConfig>(text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn all_problems_are_found() {
    let found = errors(
        r#"{
            "otlp": {
                "endpoint": "http://jaeger",
                "headers": { "content-type": "x", "a b": "x", "ok": "line\nbreak" },
                "timeout": "0s",
                "sending_queue": {
                    "queue_size": 5000,
                    "num_consumers": 0,
                    "sizer": "items",
                    "batch": { "max_size": "100MiB" }
                },
                "retry_on_failure": { "multiplier": 0.5, "randomization_factor": 2 }
            },
            "otlphttp": {},
            "jaeger": {
                "endpoint": "jaeger",
                "max_request_size": "1GiB",
                "keepalive": { "time": "1ms" },
                "headers": { "te": "x" }
            },
            "zipkin": { "endpoint": "zipkin:9411", "max_request_size": "1KiB", "proxy_url": "ftp://x" },
            "file": {},
            "file/two": { "path": "same" },
            "file/three": { "path": "same" }
        }"#,
    );
    for path in [
        "exporters.otlp.endpoint",
        "exporters.otlp.headers.content-type",
        "exporters.otlp.headers.a b",
        "exporters.otlp.headers.ok",
        "exporters.otlp.timeout",
        "exporters.otlp.sending_queue.queue_size",
        "exporters.otlp.sending_queue.num_consumers",
        "exporters.otlp.sending_queue.sizer",
        "exporters.otlp.sending_queue.batch.max_size",
        "exporters.otlp.retry_on_failure.multiplier",
        "exporters.otlp.retry_on_failure.randomization_factor",
        "exporters.otlphttp.endpoint",
        "exporters.jaeger.endpoint",
        "exporters.jaeger.max_request_size",
        "exporters.jaeger.keepalive.time",
        "exporters.jaeger.headers.te",
        "exporters.zipkin.endpoint",
        "exporters.zipkin.max_request_size",
        "exporters.zipkin.proxy_url",
        "exporters.file.path",
        "exporters.file/two.path",
    ] {
        assert!(found.iter().any(|error| error.starts_with(path)), "`{path}` in {found:#?}");
    }
}

#[test]
fn conditions_on_what_is_taken_are_read() {
    let one = r#"{"debug": {"only": "attributes[\"a\"] == \"b\""}, "debug/all": {}}"#;
    assert!(problems(one).errors().is_empty() && problems(one).warnings().is_empty());
    assert_eq!(parse(&serde_json::to_string(&parse(one)).unwrap()), parse(one));
    // Of a resource for which neither holds, nobody would hear.
    let gap = r#"{"debug": {"only": "attributes[\"a\"] == \"b\""}}"#;
    assert_eq!(problems(gap).warnings().len(), 1, "{:?}", problems(gap));
    let wrong = errors(r#"{"debug": {"only": "span.name == \"x\""}, "debug/all": {}}"#);
    assert!(wrong[0].starts_with("exporters.debug.only: at line 1, column 1:"), "{wrong:?}");
}

#[test]
fn an_empty_section_is_a_problem() {
    assert_eq!(errors("{}").len(), 1);
}

#[test]
fn what_would_lose_traces_has_no_effect_and_says_so() {
    let warnings = problems(
        r#"{"otlp": {
            "endpoint": "http://a:1",
            "retry_on_failure": { "enabled": false, "max_elapsed_time": "5m" },
            "sending_queue": { "enabled": false, "storage": "file_storage" }
        }}"#,
    );
    assert!(warnings.errors().is_empty());
    assert_eq!(warnings.warnings().len(), 3, "{warnings:?}");
}

#[test]
fn the_time_after_which_spans_are_doubted_is_as_configured() {
    let max_elapsed_time = |text: &str| {
        let retry: super::queue::RetryConfig = serde_json::from_str(text).unwrap();
        retry.policy().max_elapsed_time.as_secs()
    };
    assert_eq!(max_elapsed_time("{}"), 300);
    assert_eq!(max_elapsed_time(r#"{ "max_elapsed_time": "10m" }"#), 600);
    assert_eq!(max_elapsed_time(r#"{ "max_elapsed_time": "0s" }"#), 0);
}

#[test]
fn grpc_endpoints_are_read() {
    let uri = |endpoint: &str, insecure: bool| {
        let mut config = OtlpConfig { endpoint: endpoint.to_owned(), ..OtlpConfig::default() };
        config.tls.insecure = insecure;
        config.uri().map(|uri| uri.to_string())
    };
    for (endpoint, insecure, expected) in [
        ("jaeger:4317", true, "http://jaeger:4317/"),
        ("jaeger:4317", false, "https://jaeger:4317/"),
        ("http://jaeger:4317", false, "http://jaeger:4317/"),
        ("https://jaeger:4317", true, "https://jaeger:4317/"),
        ("dns:///jaeger:4317", true, "http://jaeger:4317/"),
        ("[::1]:4317", true, "http://[::1]:4317/"),
    ] {
        assert_eq!(uri(endpoint, insecure).as_deref(), Ok(expected));
    }
    for wrong in
        ["", "jaeger", "ftp://jaeger:1", "http://jaeger:1/v1", "http://u:p@jaeger:1", "a b:1"]
    {
        let error = uri(wrong, true).unwrap_err();
        assert!(!error.contains("u:p"), "{error}");
    }
}

#[test]
fn only_backends_elsewhere_are_compressed_for_by_default() {
    for (uri, compression) in [
        ("http://localhost:4317", options::Compression::None),
        ("http://127.0.0.9:4317", options::Compression::None),
        ("https://[::1]:4317", options::Compression::None),
        ("http://10.0.0.1:4317", options::Compression::Gzip),
        ("http://localhost.example:4317", options::Compression::Gzip),
    ] {
        assert_eq!(otlp::default_compression(&uri.parse().unwrap()), compression, "{uri}");
    }
}

/// Most receivers over gRPC take 4 MiB, after decompression.
#[test]
fn trap_07_requests_stay_below_4_mib_by_default() {
    let most = wholetrace_runtime::units::ByteSize::mib(4);
    assert!(super::queue::BatchConfig::default().max_size < most);
    assert!(super::jaeger::JaegerConfig::default().max_request_size <= most);
    assert!(super::zipkin::ZipkinConfig::default().max_request_size <= most);
}

#[cfg(feature = "kafka")]
#[test]
fn a_kafka_block_for_a_collector_loads() {
    let section = parse(
        r#"{
            "kafka": {
                "brokers": ["kafka-1:9092", "kafka-2:9092"],
                "traces": { "topic": "spans", "encoding": "otlp_json" },
                "partition_traces_by_id": true,
                "record_partitioner": { "sticky_key": { "hasher": "murmur2" } },
                "auth": { "sasl": { "mechanism": "PLAIN", "username": "u", "password": "p" } },
                "tls": { "insecure_skip_verify": true },
                "producer": { "compression": "zstd", "max_message_bytes": 900000 }
            },
            "kafka/old": { "topic": "spans-2", "encoding": "otlp_proto" }
        }"#,
    );
    let mut problems = Problems::new();
    section.check("exporters", &mut problems);
    assert!(problems.errors().is_empty(), "{problems:?}");
    let topics: Vec<&str> = section
        .0
        .iter()
        .map(|(_, config)| match config {
            ExporterConfig::Kafka(kafka) => kafka.topic(),
            _ => panic!("not kafka"),
        })
        .collect();
    assert_eq!(topics, ["spans", "spans-2"]);
    assert_eq!(
        errors(r#"{"kafka": {"brokers": ["kafka"], "producer": {"max_message_bytes": "1KiB"}}}"#)
            .len(),
        2
    );
}
