//! Dead letters on any bytes.
#![no_main]

#[path = "../checks.rs"]
#[expect(dead_code, reason = "each target calls one of them")]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::dead_letter(data));
