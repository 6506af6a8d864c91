//! The `wholetrace` process.

mod banner;
mod checks;
mod cli;
mod config;
mod dead_letters;
mod explain;
mod import;
mod log;
mod metrics_page;
mod moment;
mod policy_tests;
mod process;
mod reload;
mod role;
mod signals;
mod summary;
#[cfg(feature = "kafka")]
mod topics;
mod wiring;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::run()
}
