//! What is decided about traces: how it is written to and read from the decision log, and how it
//! is remembered.

pub(crate) mod claims;
pub(crate) mod log;
pub(crate) mod policy_names;
pub(crate) mod table;
