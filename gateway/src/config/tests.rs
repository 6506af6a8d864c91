use super::*;
use crate::receiver::listener::ListenerKind;

fn problems_of(json: &str) -> Vec<String> {
    let config: GatewayConfig = serde_json::from_str(json).unwrap();
    let mut problems = Problems::new();
    config.check("", &mut problems);
    problems.errors().iter().map(|problem| problem.path.clone()).collect()
}

#[test]
fn the_defaults_are_sound_and_on_loopback() {
    let mut problems = Problems::new();
    let config = GatewayConfig::default();
    config.check("", &mut problems);
    assert!(problems.errors().is_empty() && problems.warnings().is_empty(), "{problems}");
    let listeners = config.receivers.listeners();
    let names: Vec<&str> = listeners.iter().map(|listener| listener.name.as_str()).collect();
    assert_eq!(names, ["otlp/grpc", "otlp/http", "zipkin"]);
}

/// `grpc:` without a value is the Collector's way to say "with the defaults".
#[test]
fn a_protocol_that_is_named_is_listened_on() {
    let config: GatewayConfig = serde_json::from_str(
        r#"{"receivers": {"otlp/agents": {"protocols": {"grpc": null}}, "zipkin": null}}"#,
    )
    .unwrap();
    let listeners = config.receivers.listeners();
    let found: Vec<_> = listeners.iter().map(|one| (one.setting(), one.kind)).collect();
    let grpc = "receivers.otlp/agents.protocols.grpc.endpoint".to_owned();
    let zipkin = "receivers.zipkin.endpoint".to_owned();
    assert_eq!(found, [(grpc, ListenerKind::OtlpGrpc), (zipkin, ListenerKind::Zipkin)]);
}

/// The word before the first slash is the kind, whatever stands behind it.
#[test]
fn a_suffix_does_not_change_what_a_receiver_is() {
    let config: GatewayConfig =
        serde_json::from_str(r#"{"receivers": {"zipkin/grpc": {}, "zipkin/http": {}}}"#).unwrap();
    let kinds = config.receivers.listeners().iter().map(|one| one.kind).collect::<Vec<_>>();
    assert_eq!(kinds, [ListenerKind::Zipkin, ListenerKind::Zipkin]);
}

#[test]
fn what_is_written_reads_back() {
    let written = serde_json::to_value(GatewayConfig::default()).unwrap();
    let read: GatewayConfig = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), written);
}

#[test]
fn unknown_keys_and_receivers_are_refused() {
    for json in [
        r#"{"receivers": {"jaegr": {}}}"#,
        r#"{"receivers": {"jaeger": {"protocols": {"thrift_udp": {}}}}}"#,
        r#"{"receivers": {"otlp": {"protocols": {"grcp": {}}}}}"#,
        r#"{"receivers": {"otlp": {"protocols": {"grpc": {"endpont": ""}}}}}"#,
        r#"{"limits": {"conections": 1}}"#,
        r#"{"limits": {"header_timeout": "10"}}"#,
    ] {
        assert!(serde_json::from_str::<GatewayConfig>(json).is_err(), "{json}");
    }
}

#[test]
fn all_problems_are_told_by_their_keys() {
    let json = r#"{
        "receivers": {
            "otlp": {"protocols": {
                "grpc": {"endpoint": "127.0.0.1:4317", "max_recv_msg_size_mib": 900},
                "http": {"endpoint": "127.0.0.1:4317", "traces_url_path": "v1", "cors": {}}
            }},
            "otlp/none": {"protocols": {}},
            "jaeger": {"protocols": {
                "grpc": {"max_recv_msg_size_mib": 0},
                "thrift_compact": {"queue_size": 0, "max_packet_size": 70000}
            }},
            "jaeger/none": {},
            "jaeger/sampling": {"remote_sampling": {"strategy_file": "/no/such/file"}},
            "zipkin": {"endpoint": "localhost"}
        },
        "limits": {"append_timeout": "2m", "frame_bytes": "2MiB", "connections": 0}
    }"#;
    let mut found = problems_of(json);
    found.sort();
    assert_eq!(
        found,
        [
            "limits.append_timeout",
            "limits.connections",
            "limits.frame_bytes",
            "receivers.jaeger.protocols.grpc.max_recv_msg_size_mib",
            "receivers.jaeger.protocols.thrift_compact.max_packet_size",
            "receivers.jaeger.protocols.thrift_compact.queue_size",
            "receivers.jaeger/none.protocols",
            "receivers.jaeger/sampling.remote_sampling.strategy_file",
            "receivers.otlp.protocols.grpc.max_recv_msg_size_mib",
            "receivers.otlp.protocols.http.cors.allowed_origins",
            "receivers.otlp.protocols.http.endpoint",
            "receivers.otlp.protocols.http.traces_url_path",
            "receivers.otlp/none.protocols",
            "receivers.zipkin.endpoint",
        ]
    );
}

#[test]
fn sockets_are_paths_that_fit_and_each_is_of_one_listener() {
    let both = |grpc: &str, http: &str| {
        problems_of(&format!(
            r#"{{"receivers": {{"otlp": {{"protocols": {{"grpc": {grpc}, "http": {http}}}}}}}}}"#
        ))
    };
    let unix = |path: &str| format!(r#"{{"transport": "unix", "endpoint": "{path}"}}"#);
    assert!(both(&unix("/run/a.sock"), &unix("/run/b.sock")).is_empty());
    let http = ["receivers.otlp.protocols.http.endpoint"];
    let long = format!("/{}", "x".repeat(103));
    for path in ["/run/a.sock", "a.sock", "@a", "127.0.0.1:4318", "/run/", &long] {
        assert_eq!(both(&unix("/run/a.sock"), &unix(path)), http, "{path}");
    }
    let no_transport = r#"{"endpoint": "/run/b.sock"}"#;
    assert_eq!(both(&unix("/run/a.sock"), no_transport), http);
}

#[test]
fn a_listener_open_to_the_network_is_warned_of() {
    let json = r#"{"receivers": {"zipkin": {"endpoint": "0.0.0.0:9411"}}}"#;
    let config: GatewayConfig = serde_json::from_str(json).unwrap();
    let mut problems = Problems::new();
    config.check("", &mut problems);
    assert_eq!(problems.warnings()[0].path, "receivers.zipkin.endpoint");
}

#[test]
fn the_times_of_connections_have_bounds_and_may_be_endless() {
    let grpc = |keepalive: &str| {
        let grpc = format!(r#"{{"endpoint": "127.0.0.1:0", "keepalive": {keepalive}}}"#);
        format!(r#"{{"receivers": {{"otlp": {{"protocols": {{"grpc": {grpc}}}}}}}}}"#)
    };
    for (value, fits) in [("0s", true), ("5m", true), ("10ms", false), ("9000h", false)] {
        for key in ["max_connection_age", "max_connection_age_grace", "max_connection_idle"] {
            let json = grpc(&format!(r#"{{"server_parameters": {{"{key}": "{value}"}}}}"#));
            assert_eq!(problems_of(&json).is_empty(), fits, "{key}: {value}");
        }
    }
}

#[test]
fn tenants_need_a_name_and_a_token_that_cannot_be_guessed() {
    let json = r#"{"authentication": {"tenants": [
        {"name": "", "tokens": ["a-token-that-is-long"]}, {"name": "b"},
        {"name": "c", "tokens": ["short", "a-token-that-is-lông"]}
    ]}}"#;
    let at = |path: &str| format!("authentication.tenants{path}");
    let expected = [at("[0].name"), at("[1].tokens"), at("[2].tokens"), at("[2].tokens")];
    assert_eq!(problems_of(json), expected);
}

#[test]
fn tenants_are_told_of_in_short_and_where_there_are_any() {
    let of = |attribute: &str, name: &str| {
        let tenant = format!(r#"{{"name": "{name}", "tokens": ["a-token-that-is-long"]}}"#);
        let tenants = if name.is_empty() { String::new() } else { tenant };
        problems_of(&format!(
            r#"{{"authentication": {{"tenant_attribute": "{attribute}", "tenants": [{tenants}]}}}}"#
        ))
    };
    assert_eq!(of("tenant", ""), ["authentication.tenant_attribute"]);
    assert!(of("tenant", "shop").is_empty());
    let (most, long) = ("x".repeat(256), "x".repeat(257));
    assert!(of(&most, &most).is_empty());
    let both = ["authentication.tenant_attribute", "authentication.tenants[0].name"];
    assert_eq!(of(&long, &long), both);
}
