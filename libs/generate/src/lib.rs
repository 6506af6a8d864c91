//! `wholetrace generate`: realistic sample traffic over OTLP.
//!
//! ```text
//!  seed ──► shape ──► schedule ──► encode ──► send ──► gateway
//!           traces    when each     OTLP      until       │
//!                     span leaves             acknowledged│
//!                                   record ◄─── answer ◄──┘
//! ```
//!
//! The way of a span: `shape` plans a trace from the seed, `schedule` says when each of its
//! spans ends and leaves its service, `encode` writes it as OTLP, `send` delivers requests and
//! repeats them until they are acknowledged, and `record` notes what was, so that what arrives
//! at the other end can be compared with it. So a trace `checkout` of 12 spans over four services leaves
//! in four requests, some of them late; the record has one line for it, with the ids of all 12.

mod encode;
mod ids;
mod options;
mod record;
mod run;
mod schedule;
mod send;
mod shape;

pub use options::{Options, Protocol};
pub use run::run;
