//! Jaeger's remote sampling: clients ask with which probability they are to begin traces. The answers
//! come from a file in Jaeger's format.

pub(crate) mod query;
pub(crate) mod source;
pub(crate) mod strategies;

#[cfg(test)]
mod tests;
