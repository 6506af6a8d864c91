use serde_json::{Value, json};

use super::{query::service_of_call, strategies::Strategies};

fn answer(file: &Value, service: &str) -> Value {
    let strategies = Strategies::read(file.to_string().as_bytes()).unwrap();
    serde_json::from_slice(&strategies.answer(service).json()).unwrap()
}

fn probabilistic(rate: f64) -> Value {
    json!({"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": rate}})
}

fn with_operations(mut answer: Value, default: f64, operations: &[(&str, f64)]) -> Value {
    let one = |(operation, rate): &(&str, f64)| json!({"operation": operation, "probabilisticSampling": {"samplingRate": rate}});
    answer["operationSampling"] = json!({
        "defaultSamplingProbability": default,
        "defaultLowerBoundTracesPerSecond": 0.0,
        "perOperationStrategies": operations.iter().map(one).collect::<Vec<_>>(),
        "defaultUpperBoundTracesPerSecond": 0.0,
    });
    answer
}

#[test]
fn a_service_has_its_own_strategy_and_others_the_default() {
    let file = json!({
        "service_strategies": [
            {"service": "shop", "type": "probabilistic", "param": 0.8},
            {"service": "cart", "type": "ratelimiting", "param": 5},
        ],
        "default_strategy": {"type": "probabilistic", "param": 0.5},
    });
    assert_eq!(answer(&file, "shop"), probabilistic(0.8));
    let limited =
        json!({"strategyType": "RATE_LIMITING", "rateLimitingSampling": {"maxTracesPerSecond": 5}});
    assert_eq!(answer(&file, "cart"), limited);
    assert_eq!(answer(&file, "other"), probabilistic(0.5));
    // What Jaeger answers without any.
    assert_eq!(answer(&json!({}), "other"), probabilistic(0.001));
}

#[test]
fn operations_of_the_default_hold_where_a_service_has_none_of_the_name() {
    let operation =
        |name: &str, rate| json!({"operation": name, "type": "probabilistic", "param": rate});
    let file = json!({
        "service_strategies": [
            {"service": "shop", "type": "probabilistic", "param": 0.8,
                "operation_strategies": [operation("buy", 1.0), operation("/health", 0.5)]},
            {"service": "cart", "type": "ratelimiting", "param": 5,
                "operation_strategies": [operation("add", 0.2)]},
            {"service": "plain", "type": "probabilistic", "param": 0.3},
            {"service": "limited", "type": "ratelimiting", "param": 2},
        ],
        "default_strategy": {"type": "probabilistic", "param": 0.5,
            "operation_strategies": [operation("/health", 0.0), operation("/metrics", 0.0)]},
    });
    let limited = |most: i32| json!({"strategyType": "RATE_LIMITING", "rateLimitingSampling": {"maxTracesPerSecond": most}});
    let of_all = [("/health", 0.0), ("/metrics", 0.0)];
    let shop = [("buy", 1.0), ("/health", 0.5), ("/metrics", 0.0)];
    assert_eq!(answer(&file, "shop"), with_operations(probabilistic(0.8), 0.8, &shop));
    let cart = [("add", 0.2), ("/health", 0.0), ("/metrics", 0.0)];
    assert_eq!(answer(&file, "cart"), with_operations(limited(5), 0.001, &cart));
    assert_eq!(answer(&file, "plain"), with_operations(probabilistic(0.3), 0.3, &of_all));
    assert_eq!(answer(&file, "limited"), with_operations(limited(2), 0.5, &of_all));
    assert_eq!(answer(&file, "other"), with_operations(probabilistic(0.5), 0.5, &of_all));
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    for (file, told) in [
        ("{", "is no file of Jaeger's strategies"),
        (r#"{"service_strategies": 5}"#, "is no file of Jaeger's strategies"),
        (
            r#"{"service_strategies": [{"service": "a", "type": "adaptive"}]}"#,
            "service `a`: the type is `adaptive`, must be `probabilistic` or `ratelimiting`",
        ),
        (
            r#"{"default_strategy": {"type": "probabilistic", "param": 50}}"#,
            "default_strategy: `param` is `50`, must be 0 to 1",
        ),
        (
            r#"{"default_strategy": {"type": "ratelimiting", "param": 1e6}}"#,
            "default_strategy: `param` is `1000000`, must be 0 to 32767",
        ),
        (
            r#"{"service_strategies": [{"service": "a", "type": "ratelimiting", "param": 1,
                "operation_strategies": [{"operation": "b", "type": "ratelimiting"}]}]}"#,
            "service `a`, operation `b`: an operation's type must be `probabilistic`",
        ),
    ] {
        let refused = Strategies::read(file.as_bytes()).unwrap_err();
        assert!(refused.starts_with(told), "{refused}");
    }
}

#[test]
fn calls_name_a_service_and_get_the_same_in_protobuf() {
    assert_eq!(service_of_call(b"\x0a\x04shop").unwrap(), "shop");
    assert_eq!(service_of_call(b"").unwrap(), "");
    assert!(service_of_call(b"\x0a\x7f").is_err());
    let file = br#"{"default_strategy": {"type": "ratelimiting", "param": 5,
        "operation_strategies": [{"operation": "a", "type": "probabilistic", "param": 1}]}}"#;
    let strategies = Strategies::read(file).unwrap();
    let (one, default) = (1_f64.to_le_bytes(), 0.001_f64.to_le_bytes());
    let operation = [&b"\x1a\x0e\x0a\x01a\x12\x09\x09"[..], &one].concat();
    let operations = [&b"\x22\x19\x09"[..], &default, &operation].concat();
    let wanted = [&b"\x08\x01\x1a\x02\x08\x05"[..], &operations].concat();
    assert_eq!(strategies.answer("any").protobuf(), wanted);
}
