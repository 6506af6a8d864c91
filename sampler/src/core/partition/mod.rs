//! The core of the sampler: what happens in one partition, without clock, I/O, task or chance.
//!
//! A [`PartitionState`] takes [`Input`]s one at a time and answers with [`Effect`]s. The same log
//! gives the same decisions, whatever the size of the inputs and however often it is read.
//!
//! ```text
//!   Frames ────► state/ahead ──► pending_decisions ──► AppendDecisions
//!   Decisions ─► state/read_back (they take effect)
//!                      │
//!                      ▼
//!                  releases ──► Export, Fetch, FetchFor, DeadLetter
//!   Settled ───────────┘
//! ```
//!
//! | file | what it does |
//! |---|---|
//! | `state` | the one step, what it wants next, and the checkpoint |
//! | `state/ahead` | folds the frames of the first reading into open traces |
//! | `overflow` | decides the open traces when there is room for no more of them |
//! | `pending_decisions` | makes decisions and batches them into records |
//! | `state/read_back` | takes in decisions, outcomes and dead letters |
//! | `releases` | hands the kept spans of decided frames to each exporter |
//! | `releases/behind`, `catch_up` | the same for exporters that fell far behind the others |

mod catch_up;
mod effect;
mod input;
mod overflow;
mod pending_decisions;
mod releases;
mod settings;
mod state;
mod stats;

pub use effect::{DeadLetterId, Effect, Made};
pub use input::{Found, Input, ReadFrame};
pub use settings::{Bounds, Settings, Stopwatch};
pub use state::PartitionState;
pub use stats::{Levels, Released, Stats};

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
