//! The tasks around the [`core`](crate::core): they read the log, perform the effects of each
//! partition, and tell how it is doing.

pub mod metrics;
pub mod partition_metrics;
pub(crate) mod sampler;
pub(crate) mod worker;
