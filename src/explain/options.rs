//! The command line of `wholetrace explain`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use wholetrace_proto::id::TraceId;
use wholetrace_runtime::units::HumanDuration;

use super::query::trace_id;

pub(crate) const HELP: &str = "\
A log in Kafka is read beside the running cluster. An embedded log is read by the process that uses it,
which is asked at its `admin.endpoint`, or here where it does not run.

Examples:
  wholetrace explain 4bf92f3577b34da6a3ce929d0e0e4736 --config wholetrace.yaml
  wholetrace explain 4bf92f3577b34da6a3ce929d0e0e4736 --at sampler-0:8890 --format json";

/// Which trace, and whom to ask.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The id of the trace: 32 hexadecimal digits, or 16.
    #[arg(value_name = "TRACE_ID", value_parser = trace_id)]
    pub(super) trace_id: TraceId,
    /// Ask the process whose admin listener is there.
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) at: Option<String>,
    /// How: `json` is what `GET /api/decisions/TRACE_ID` answers.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// Read the log for no longer than this.
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub(super) within: Duration,
}

/// How a trace is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    let given: HumanDuration = text.parse().map_err(|error| format!("{error}"))?;
    if given.is_zero() { Err("must be more than 0s".to_owned()) } else { Ok(given.get()) }
}
