//! Unit tests for policies, as people write them in YAML.
//!
//! ```text
//!  notation   a file of tests: serde types for whoever reads the YAML (values: their small words)
//!     │ trace      a trace in short notation ──▶ OTLP bytes
//!     │ budgets    how much budgets keep ──▶ thresholds
//!     ▼
//!  run        has the sampler's own policies decide each trace, and compares
//!     ▼
//!  report     outcomes as text, JSON or JUnit XML
//! ```
//!
//! Reading files and telling in which line a problem stands is up to the caller, who does both for
//! configurations already.

mod budgets;
pub mod notation;
pub mod report;
pub mod run;
mod trace;
mod values;

pub use notation::TestFile;
pub use run::{Outcome, run};
