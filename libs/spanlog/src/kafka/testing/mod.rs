//! A real Kafka for the tests.

mod broker;
mod topics;

pub(super) use broker::brokers;
pub(super) use topics::{admin, config};
