//! From split requests to the log and back: requests of many senders share frames, and each is
//! answered once the log has all of its spans.

pub(crate) mod batch;
pub(crate) mod burst;

pub(crate) mod framer;
pub(crate) mod pace;
pub(crate) mod partitions;
pub(crate) mod pressure;
