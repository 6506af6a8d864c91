//! What feeds a partition and does what it wants done: the only part of the sampler that knows
//! of time, tasks and I/O.

mod finish;
mod jobs;
mod letters;
mod load;
mod outbox;
mod reading;
mod replaced;
mod run;
mod shell;
mod taking_up;

pub(crate) use finish::Leaving;
pub(crate) use jobs::append;
pub(crate) use letters::bury;
pub(crate) use run::{Duty, Worker};
pub(crate) use taking_up::TakingUp;
