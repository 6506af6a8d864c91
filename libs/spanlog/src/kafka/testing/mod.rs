//! A real Kafka for the tests.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails: this is how"
)]

mod broker;
mod topics;

pub(super) use broker::brokers;
pub(super) use topics::{admin, config};
