//! The command line, driven from outside: what it says, and the codes it ends with.

mod configuration;
mod examples;
mod process;
mod standalone;
mod usage;
