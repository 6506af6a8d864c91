//! Span log in, decisions and kept traces out.

pub mod checkpoint;
mod cut;
mod decision;
mod epochs;
pub mod exporter;
mod fold;
mod keyed;
mod open_traces;
pub mod partition;
pub mod policy;
mod release;
mod watermark;
mod window;
