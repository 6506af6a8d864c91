//! The block `tail_sampling`: any text, or policies of every type with a trace of any kind.
#![no_main]

#[path = "../blocks.rs"]
mod blocks;
#[path = "../checks.rs"]
mod checks;
#[path = "../spans.rs"]
mod spans;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    match data {
        [first, text @ ..] if first % 2 == 0 => {
            checks::policies(text);
        }
        _ => {
            let mut choices = blocks::Choices::of(data);
            let mut trace = spans::trace(&mut choices);
            let message = spans::message(&trace);
            trace.reverse();
            let block = blocks::block(&mut choices, &blocks::TYPES);
            checks::decided(&block, [&message, &spans::message(&trace)]);
        }
    }
});
