//! Conditions on spans that are read from their bytes.

mod conditions;
mod refused;
mod support;
