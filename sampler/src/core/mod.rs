//! What one partition does with what it reads: pure, without a clock, input or output, tasks or chance.
//!
//! [`partition`] is the way in: a [`PartitionState`](partition::PartitionState) takes an input and
//! gives effects, which the [`shell`](crate::shell) performs.

pub mod checkpoint;
pub(crate) mod decision;
pub(crate) mod filter;
pub(crate) mod fold;
pub(crate) mod hash;
pub(crate) mod held;
pub(crate) mod open_traces;
pub mod partition;
pub(crate) mod policy_versions;
pub(crate) mod release;
pub(crate) mod watermark;
pub(crate) mod window;
