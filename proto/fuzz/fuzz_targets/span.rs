//! The check and the repair of a span on any bytes, against a full decode.
#![no_main]

#[path = "../checks.rs"]
#[expect(dead_code, reason = "each target calls one of them")]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::span(data));
