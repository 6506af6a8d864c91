//! The dead letters again: looked at, and sent once more.
//!
//! What was delivered at last is not taken out of the log, which can only be appended to, but marked:
//! a record behind it names its position. It leaves with what it marks, when the log's retention has
//! come to it. A process that dies between a delivery and its mark leads to a second delivery, never
//! to none.

mod marks;
mod reader;
mod replay;
mod stored;

pub use reader::{DeadLettersError, DeadLettersReader, Selection};
pub use replay::{Replay, ReplayError, ReplaySettings, Replayed};
pub use stored::{Contents, StoredDeadLetter};
