//! Requests in protobuf of every shape: walked, checked, joined and written as lines.
#![no_main]

#[path = "../checks.rs"]
#[expect(dead_code, reason = "each target calls some of them")]
mod checks;
#[path = "../nested.rs"]
mod nested;
#[path = "../translators.rs"]
#[expect(dead_code, reason = "each target calls some of them")]
mod translators;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let traces = nested::traces(data);
    checks::spans(&traces);
    translators::line(&traces);
});
