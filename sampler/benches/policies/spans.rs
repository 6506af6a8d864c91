//! The spans that the benches of policies read: of about 430 bytes, eight in a trace.

use wholetrace_proto::{
    otlp::numbers::{any_value, key_value, span as field},
    wire::{put_bytes, put_fixed64, put_uint},
};

pub(crate) const SPANS_PER_TRACE: u64 = 8;

/// After so many spans all but the ids repeats.
const PERIOD: u64 = 1024;

/// The id of the trace that the span `number` belongs to.
pub(crate) fn trace_id(number: u64) -> [u8; 16] {
    let trace = number / SPANS_PER_TRACE;
    let random = (trace + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let id = u128::from(trace + 1) << 64 | u128::from(random);
    id.to_be_bytes()
}

/// The body of the `Span` message of the span `number`.
pub(crate) fn span(number: u64) -> Vec<u8> {
    let mut span = Vec::new();
    put_bytes(&mut span, field::TRACE_ID, &trace_id(number));
    put_bytes(&mut span, field::SPAN_ID, &(number + 1).to_be_bytes());
    let root = number - number % SPANS_PER_TRACE;
    if number != root {
        put_bytes(&mut span, field::PARENT_SPAN_ID, &(root + 1).to_be_bytes());
    }
    put_bytes(&mut span, field::NAME, b"GET /api/v1/orders/{id}");
    put_uint(&mut span, field::KIND, 2);
    let time = |unit: u64| 1_800_000_000_000_000_000 + number % PERIOD * unit;
    put_fixed64(&mut span, field::START_TIME_UNIX_NANO, time(1_000_000));
    put_fixed64(&mut span, field::END_TIME_UNIX_NANO, time(1_100_000));
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
    let failed = (number % PERIOD).is_multiple_of(50);
    put_bytes(&mut span, field::STATUS, if failed { &[0x18, 2] } else { &[] });
    span.extend_from_slice(&[0x85, 0x01, 0x01, 0x01, 0x00, 0x00]);
    span
}
