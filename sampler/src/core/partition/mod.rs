//! The core of the sampler: what happens in one partition, without clock, I/O, task or chance.
//!
//! A [`PartitionState`] takes [`Input`]s one at a time and answers with [`Effect`]s. The same log
//! gives the same decisions, however it is cut into inputs and whenever it is read again.

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
pub use settings::{Bounds, Settings};
pub use state::PartitionState;
pub use stats::{Levels, Stats};

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
