//! The `wholetrace` process.

mod announce;
mod cli;
mod config;
mod dead_letters;
mod log;
mod process;
mod reload;
mod role;
mod signals;
mod summary;
mod tables;
#[cfg(feature = "kafka")]
mod topics;
mod upkeep;
mod wiring;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::run()
}
