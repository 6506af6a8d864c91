//! Requests on any bytes: walked, checked, joined, against a full decode.
#![no_main]

#[path = "../checks.rs"]
#[expect(dead_code, reason = "each target calls one of them")]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::spans(data));
