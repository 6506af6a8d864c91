//! Conditions on whole traces.

mod ask;
mod condition;
mod names;

pub use ask::Ask;
pub use condition::TraceCondition;
