//! The whole, with real parts: the `wholetrace` executable between real senders and a real Jaeger.
//!
//! The parts are installed by `tests/parts/install.sh`. One that cannot be installed is said and
//! its test counts as skipped; with `CI=true` that is a failure.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails, and one that is skipped says so"
)]

mod answers;
mod crash;
mod dead_letters;
mod outage;
mod policies;
mod senders;
#[path = "../support/mod.rs"]
mod support;
mod tenants;

use support::{gateway_process, jaeger, mock, oracle, parts, process};
