//! The crash harness: the real store on a disk in memory that loses whatever a disk may lose.
//!
//! `sim` is the disk. A `Life` is a process that uses the log on it; what it sent and what was
//! answered is written down, and the `Oracle` says from that alone what must be found after a kill
//! or a power cut. `explore` stops the machine before every call that changes the disk, recovery's
//! own calls included, and opens what is left.
//!
//! A failing run prints its seed. `WHOLETRACE_SEED=<seed> cargo test -p wholetrace-spanlog crash`
//! repeats it; `WHOLETRACE_RUNS=<factor>` makes so many times as many runs as the test suite does,
//! and `WHOLETRACE_RUNS=all` tries every short workload.

mod damage;
mod explore;
mod failing;
mod history;
mod life;
mod long;
mod oracle;
mod refusing;
mod sabotage;
mod seeds;
mod seen;
mod short;
mod sim;
mod subject;
mod unsynced;
mod workload;
