//! The command line, driven from outside: what it says, and the codes it ends with.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[cfg(feature = "kafka")]
mod cluster;
mod configuration;
mod examples;
mod generate;
mod import;
mod mistakes;
mod policy_tests;
mod process;
mod signals;
mod standalone;
mod usage;
