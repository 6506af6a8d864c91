//! The cluster: gateways and samplers as processes of their own, over real Kafka brokers.
//!
//! Kafka is installed by `tests/parts/install.sh kafka`. Where it cannot be, the tests say so and
//! count as skipped; with `CI=true` that is a failure.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and says what it did or why it is skipped"
)]

mod anew;
mod backend;
mod brokers;
mod budgets;
mod crashes;
mod damage;
mod dead_letters;
mod decisions;
mod explain;
mod fleet;
mod interchange;
mod kafka;
mod leaderless;
mod load;
mod machine;
mod overload;
mod owners;
mod roles;
mod secure;
mod skew;
mod steady;
#[path = "../support/mod.rs"]
mod support;
mod topics;

use support::{
    collector, explain as ask, gateway_process, jaeger, mock, oracle, parts, process, sender,
};
