//! What holds for all inputs: the ways by byte ranges against full decoding, and each decoder
//! against mutated and random bytes.

#[path = "../../fuzz/checks.rs"]
mod checks;
mod fuzz;
mod ranges;
mod rewriting;
mod sample;
mod strategy;
