//! Declared metrics, their exposition and their documentation.
//!
//! Each crate declares its metrics once, in a table. Help texts, histogram buckets and
//! `docs/metrics.md` are made from the tables; handles are made once and kept in structs, so that
//! counting costs an atomic addition.

mod document;
pub(crate) mod process;
mod recorder;
mod table;

pub use document::markdown;
pub use process::{
    TABLE, budget, configured, memory_limit, misconfigured, policies_reloaded, started,
    tls_reloaded,
};
pub use recorder::{InstallError, Recorder, install};
pub use table::{Kind, Label, Metric, SECONDS, SIZES, Unit, Values};
