//! The commands in the comments of the examples, typed as they stand there, beside a real Jaeger and a
//! real Collector on their usual ports.
//!
//! The examples have fixed ports, so these tests run one at a time, and wait for other runs on this
//! machine. A port that somebody else has is a failure that names it.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, and one that is skipped says so"
)]

mod cluster;
mod machine;
mod one_machine;
mod script;
#[path = "../support/mod.rs"]
mod support;

use support::{oracle, parts, process};
