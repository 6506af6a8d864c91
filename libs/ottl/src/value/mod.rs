//! The values of a condition: read from bytes where they lie, or made by literals and converters.

mod any;
mod made;
mod model;
pub(crate) mod time;

pub use any::{Entries, Items};
pub(crate) use made::{Operand, hex};
pub use model::{Made, Tree, Value};
pub use time::Time;
