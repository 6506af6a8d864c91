//! From the text of a condition to its syntax tree.

pub(crate) mod lexer;
pub(crate) mod parser;
pub(crate) mod token;
pub(crate) mod tree;
