//! Conditions on spans that are read from their bytes.

mod conditions;
mod converters;
mod refused;
mod support;
mod traces;
