//! `wholetrace generate`: realistic sample traffic over OTLP.
//!
//! The way of a span: `shape` plans a trace from the seed, `schedule` says when each of its
//! spans ends and leaves its service, `encode` writes it as OTLP, `send` delivers requests and
//! repeats them until they are acknowledged, and `record` notes what was, so that what arrives
//! at the other end can be compared with it.

mod encode;
mod options;
mod record;
mod run;
mod schedule;
mod send;
mod shape;

pub use options::{Options, Protocol};
pub use run::run;
