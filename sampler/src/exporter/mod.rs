//! Kept traces on their way to the backends.

pub mod contract;
pub mod outcomes;
