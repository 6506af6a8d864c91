//! What feeds a partition and does what it wants done: the only part of the sampler that knows
//! of time, tasks and I/O.

mod dead_letters;
mod finish;
mod jobs;
mod load;
mod outbox;
mod reading;
mod replaced;
mod run;
mod shell;
mod taking_up;

pub(crate) use dead_letters::append_dead_letter;
pub(crate) use finish::Leaving;
pub(crate) use jobs::append;
pub(crate) use run::{Worker, WorkerContext};
pub(crate) use taking_up::TakingUp;
