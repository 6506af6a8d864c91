//! Jaeger batches in Thrift, as they are posted and as messages in both protocols: as they come, and in
//! the shape that the bytes choose.

#![no_main]

#[expect(dead_code, reason = "each target runs one of the checks")]
#[path = "../translators.rs"]
mod translators;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    translators::jaeger_thrift(data);
    translators::jaeger_thrift(&translators::binary_shapes::jaeger_thrift(data));
});
