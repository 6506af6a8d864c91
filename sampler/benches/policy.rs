//! The price of policies: folding a span into the record of its trace, and deciding about a trace.

#![expect(clippy::unwrap_used, reason = "the policies are written below, and are right")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wholetrace_proto::{
    id::TraceKey,
    otlp::numbers::{any_value, key_value, span as field},
    wire::{put_bytes, put_fixed64, put_uint},
};
use wholetrace_runtime::problems::Problems;
use wholetrace_sampler::policy::{Heads, PolicySet, TailSamplingConfig};

const SPANS: u64 = 1024;

fn main_policies() -> PolicySet {
    compile(serde_json::json!({ "policies": [
        { "name": "errors", "type": "status_code", "status_code": { "status_codes": ["ERROR"] } },
        { "name": "slow", "type": "latency", "latency": { "threshold_ms": 500 } },
        { "name": "share", "type": "probabilistic", "probabilistic": { "sampling_percentage": 10 } },
    ] }))
}

fn policies_with_attributes() -> PolicySet {
    let text = |name: &str, key: &str, values: &[&str]| {
        serde_json::json!({ "name": name, "type": "string_attribute",
            "string_attribute": { "key": key, "values": values } })
    };
    compile(serde_json::json!({ "policies": [
        { "name": "errors", "type": "status_code", "status_code": { "status_codes": ["ERROR"] } },
        { "name": "slow", "type": "latency", "latency": { "threshold_ms": 500 } },
        { "name": "share", "type": "probabilistic", "probabilistic": { "sampling_percentage": 10 } },
        text("customers", "customer.tier", &["gold", "platinum"]),
        { "name": "checks", "type": "drop", "drop": { "drop_sub_policy": [
            text("paths", "http.route", &["/healthz", "/readyz"]) ] } },
    ] }))
}

/// So many policies, of which half look for texts and half hold a condition, on keys that spans have and
/// that they have not.
fn many_policies(count: usize) -> PolicySet {
    const KEYS: [&str; 5] =
        ["http.route", "customer.tier", "server.address", "thread.name", "code.function.name"];
    let policy = |index: usize| {
        let (name, key) = (format!("p{index}"), KEYS[index / 2 % KEYS.len()]);
        let key = if index % 4 < 2 { key.to_owned() } else { format!("app.label.{index}") };
        if index.is_multiple_of(2) {
            let values = [format!("value-{index}"), format!("other-{index}")];
            serde_json::json!({ "name": name, "type": "string_attribute",
                "string_attribute": { "key": key, "values": values } })
        } else {
            let condition = format!(
                "attributes[\"{key}\"] == \"value-{index}\" and status.code == STATUS_CODE_ERROR"
            );
            serde_json::json!({ "name": name, "type": "ottl_condition",
                "ottl_condition": { "error_mode": "ignore", "span": [condition] } })
        }
    };
    compile(serde_json::json!({ "policies": (0..count).map(policy).collect::<Vec<_>>() }))
}

fn compile(config: serde_json::Value) -> PolicySet {
    let config: TailSamplingConfig = serde_json::from_value(config).unwrap();
    PolicySet::compile(&config, "tail_sampling", &mut Problems::new()).unwrap()
}

/// Spans of about 430 bytes.
fn spans() -> Vec<Vec<u8>> {
    (0..SPANS).map(span).collect()
}

fn span(number: u64) -> Vec<u8> {
    let mut span = Vec::new();
    let id = u128::from(number / 8 + 1) << 64 | u128::from(number / 8).wrapping_mul(0x9e37_79b9);
    put_bytes(&mut span, field::TRACE_ID, &id.to_be_bytes());
    put_bytes(&mut span, field::SPAN_ID, &(number + 1).to_be_bytes());
    if !number.is_multiple_of(8) {
        put_bytes(&mut span, field::PARENT_SPAN_ID, &(number & !7).to_be_bytes());
    }
    put_bytes(&mut span, field::NAME, b"GET /api/v1/orders/{id}");
    put_uint(&mut span, field::KIND, 2);
    put_fixed64(
        &mut span,
        field::START_TIME_UNIX_NANO,
        1_800_000_000_000_000_000 + number * 1_000_000,
    );
    put_fixed64(
        &mut span,
        field::END_TIME_UNIX_NANO,
        1_800_000_000_000_000_000 + number * 1_100_000,
    );
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/api/v1/orders/{id}"),
        ("url.scheme", "https"),
        ("server.address", "orders.shop.svc.cluster.local"),
        ("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("network.peer.address", "10.3.17.204"),
        ("customer.tier", "silver"),
        ("thread.name", "http-nio-8080-exec-7"),
        ("code.function.name", "OrderController.find"),
    ] {
        let (mut any, mut attribute) = (Vec::new(), Vec::new());
        put_bytes(&mut any, any_value::STRING_VALUE, value.as_bytes());
        put_bytes(&mut attribute, key_value::KEY, key.as_bytes());
        put_bytes(&mut attribute, key_value::VALUE, &any);
        put_bytes(&mut span, field::ATTRIBUTES, &attribute);
    }
    put_bytes(&mut span, field::STATUS, if number.is_multiple_of(50) { &[0x18, 2] } else { &[] });
    span.extend_from_slice(&[0x85, 0x01, 0x01, 0x01, 0x00, 0x00]);
    span
}

fn observe(criterion: &mut Criterion) {
    let spans = spans();
    let mut group = criterion.benchmark_group("observe");
    group.throughput(Throughput::Elements(SPANS));
    for (name, policies) in [
        ("3 policies", main_policies()),
        ("5 policies, 2 keys", policies_with_attributes()),
        ("1 with a text", many_policies(1)),
        ("10 with texts and conditions", many_policies(10)),
        ("50 with texts and conditions", many_policies(50)),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut record = policies.blank_record().to_vec();
                let mut heads = Heads::default();
                for span in &spans {
                    black_box(policies.observe(black_box(span), &mut heads, &mut record));
                }
                record
            });
        });
    }
    group.finish();
}

fn decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(1));
    for (name, policies) in [
        ("5 policies", policies_with_attributes()),
        ("1 policy", many_policies(1)),
        ("10 policies", many_policies(10)),
        ("50 policies", many_policies(50)),
    ] {
        let mut record = policies.blank_record().to_vec();
        for span in spans().iter().take(8) {
            policies.observe(span, &mut Heads::default(), &mut record);
        }
        group.bench_function(name, |bencher| {
            bencher.iter(|| policies.decide(black_box(TraceKey(7)), black_box(&record)));
        });
    }
    group.finish();
}

criterion_group!(benches, observe, decide);
criterion_main!(benches);
