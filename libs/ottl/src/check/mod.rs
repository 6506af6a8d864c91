//! From the syntax tree to a program: names are resolved, literals become values, and what can be
//! known to be wrong is refused.

mod build;
mod calls;
mod checker;
mod fields;
mod names;

pub(crate) use checker::Checker;
pub(crate) use fields::FieldNames;
pub(crate) use names::{Checked, Found, Names};
