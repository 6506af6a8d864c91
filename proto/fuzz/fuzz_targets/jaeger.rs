//! Jaeger batches in protobuf, as they come, and in the shape that the bytes choose.

#![no_main]

#[path = "../jaeger_shapes.rs"]
mod jaeger_shapes;
#[expect(dead_code, reason = "each target runs one of the checks")]
#[path = "../translators.rs"]
mod translators;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    translators::jaeger(data);
    translators::jaeger(&jaeger_shapes::chosen(data));
});
