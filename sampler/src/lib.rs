//! Span log in, decisions and kept traces out.

pub mod exporter;
pub mod policy;
