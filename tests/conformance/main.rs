//! Conformance with the OpenTelemetry Collector: what a real one kept, as data, and what our
//! policies keep of the same traces by the same sets of policies.
//!
//! The same for what becomes of spans of other formats: `mappings`.
//!
//! Every difference stands in `differences.yaml`, by name and with its reason. Where a Collector
//! can be had, the data is recorded anew, and must come out as it stands: all that is
//! kept, and a sample of the configurations.
//!
//! And it decides traces that are made anew for each run, by sets that are. A failing seed is
//! printed: `WHOLETRACE_SEED=<seed>` runs it again, `WHOLETRACE_RUNS=<count>` runs many.
//!
//! `tests/conformance/record` writes the data anew.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod collector;
mod compare;
mod configurations;
mod differences;
mod fresh;
mod generate;
mod mappings;
mod notation;
mod ours;
#[path = "../support/parts.rs"]
mod parts;
mod record;
mod vectors;
