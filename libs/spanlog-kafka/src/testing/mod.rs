//! A real Kafka for the tests.

mod broker;
mod topics;

pub(super) use broker::{Node, brokers};
pub(super) use topics::{admin, config};
