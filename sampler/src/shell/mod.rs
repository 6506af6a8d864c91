//! The tasks around the [`core`](crate::core): they read the log, perform the effects of each
//! partition, and count.
//!
//! `sampler` starts a worker for each partition that the log assigns to this process. A `worker` reads
//! both logs, feeds the state of its partition, performs the effects and commits twice a second.
//! The `exchange` carries what partitions ask of budgets from process to process.

pub mod budget_metrics;
pub(crate) mod exchange;
pub mod measured_metrics;
pub mod metrics;
pub mod partition_metrics;
pub mod policy_metrics;
pub(crate) mod sampler;
pub(crate) mod worker;
