//! Policies from their configuration to verdicts.

mod configuration;
mod naive;
mod properties;
mod support;
mod verdicts;
