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
mod conformance;
mod crash;
mod dead_letters;
mod envoy;
mod explain;
mod exporters;
mod head_sampler;
mod jaeger_clients;
mod mixed;
#[path = "../conformance/notation.rs"]
mod notation;
mod outage;
mod policies;
mod senders;
#[path = "../support/mod.rs"]
mod support;
mod tenants;
#[path = "../conformance/vectors.rs"]
#[allow(dead_code, reason = "the recorder uses the rest")]
mod vectors;

use support::{
    collector, explain as ask, gateway_process, jaeger, mock, oracle, parts, process, sender,
};
