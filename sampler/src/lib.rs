//! Span log in, decisions and kept traces out.
//!
//! ```text
//!   span log ──► read ahead ──► fold ──► open traces ──► decide ──► decision log
//!      │        (shell/worker)  (core)     (core)        (policy)        │
//!      └──────► read again ◄───────────────── release ◄──────────────────┘
//!                    │                        (core)       read back: only now in effect
//!                    ▼
//!                 filter ──► exporters (crate `wholetrace-exporter`) ──► commit
//!                 (core)
//! ```
//!
//! One trace on its way: its spans come in any order, in frames of the partition that its id hashes to.
//! Each frame is read ahead: [`core`] folds each span into a summary of a few dozen bytes, and lets the
//! span go. A `decision_wait` after the first of them, by the time of the log, the [`policy`] set judges
//! the summary; the decision is appended to the decision log, and counts once it is read back, so
//! that every later owner of the partition decides the same. The frames come by a second time, from
//! memory or from the log: what is kept is filtered out of them and handed to the exporters. When
//! all have answered, the position behind the frame is committed.
//!
//! What became of a trace is told from these logs by [`explain`], whenever somebody asks.

pub mod config;
pub mod core;
pub mod dead_letters;
pub mod explain;
pub mod policy;
#[cfg(test)]
mod seeds;
pub mod shell;
#[cfg(test)]
mod testing;

pub use shell::sampler::{PolicyHandle, Sampler, SamplerParts};
