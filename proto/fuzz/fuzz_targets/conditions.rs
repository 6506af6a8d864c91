//! Conditions of OTTL: of any text, and made by grammar.
#![no_main]

#[path = "../conditions.rs"]
mod conditions;

libfuzzer_sys::fuzz_target!(|data: &[u8]| conditions::any(data));
