//! The command line of `wholetrace dead-letters`.

use std::{path::PathBuf, time::Duration};

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use wholetrace_runtime::units::HumanDuration;
use wholetrace_sampler::dead_letters::{ReplaySettings, Selection};

use crate::{config::Config, moment};

pub(crate) const HELP: &str = "\
A log in Kafka is read beside the running cluster. An embedded log is used by one process at a
time: stop it first.

Examples:
  wholetrace dead-letters list --config wholetrace.yaml --since 24h
  wholetrace dead-letters export --config wholetrace.yaml --output refused.jsonl
  wholetrace dead-letters replay --config wholetrace.yaml --exporter otlp/jaeger";

/// What to do with the dead letters.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Action {
    /// Show them: where each is, since when, why, and how much is in it.
    List {
        #[command(flatten)]
        which: Which,
        /// How: `json` is one object a line.
        #[arg(long, value_enum, default_value_t = ListFormat::Table)]
        format: ListFormat,
    },
    /// Write their spans to a file or to standard output. They stay what they are.
    Export {
        #[command(flatten)]
        which: Which,
        /// The file, which must not exist. Standard output, if none is named.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// `json` is a line of OTLP/JSON for each dead letter, as the `file` exporter writes them;
        /// `protobuf` is one ExportTraceServiceRequest with all of them.
        #[arg(long, value_enum, default_value_t = ExportFormat::Json)]
        format: ExportFormat,
    },
    /// Send them again to the exporter that each is of, as it is configured now. What is delivered
    /// is no dead letter any more; the rest stays, and the exit code is 1.
    Replay(Replay),
}

/// Which dead letters.
#[derive(Args, Clone, Debug)]
pub(crate) struct Which {
    /// Those of this exporter only.
    #[arg(long, value_name = "NAME")]
    exporter: Option<String>,
    /// Those that came since then only: 2026-01-31T08:00:00Z, or 24h for those of the last day.
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    since: Option<u64>,
}

/// How to replay.
#[derive(Args, Clone, Debug)]
pub(crate) struct Replay {
    #[command(flatten)]
    which: Which,
    /// Send them to this exporter, whichever they are of.
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// Give an exporter up that has taken nothing for this long.
    #[arg(long, default_value = "30s", value_parser = positive_duration)]
    give_up_after: Duration,
    /// Send nothing, say how much would be sent.
    #[arg(long)]
    dry_run: bool,
}

/// How dead letters are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// How spans are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// OTLP/JSON, a line for each dead letter.
    Json,
    /// OTLP protobuf.
    Protobuf,
}

impl Action {
    /// Finds what cannot be meant before a log is opened.
    ///
    /// # Errors
    /// When spans are to be sent to an exporter that is not configured.
    pub(super) fn check(&self, config: &Config) -> anyhow::Result<()> {
        let Self::Replay(replay) = self else { return Ok(()) };
        let Some(name) = replay.to.as_ref().or(replay.which.exporter.as_ref()) else {
            return Ok(());
        };
        if config.exporters.0.iter().any(|(known, _)| known == name) {
            return Ok(());
        }
        let known: Vec<_> = config.exporters.0.iter().map(|(known, _)| known.as_str()).collect();
        let known = known.join("`, `");
        bail!(
            "the configuration has no exporter `{name}`, there are `{known}`: name one of them \
             with `--to`"
        );
    }
}

impl From<Which> for Selection {
    fn from(which: Which) -> Self {
        Self { exporter: which.exporter, since_ms: which.since.unwrap_or(0) }
    }
}

impl Replay {
    pub(super) fn settings(self) -> ReplaySettings {
        let Self { which, to, give_up_after, dry_run } = self;
        ReplaySettings { selection: which.into(), to, give_up_after, dry_run }
    }
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    let given: HumanDuration = text.parse().map_err(|error| format!("{error}"))?;
    if given.is_zero() { Err("must be more than 0s".to_owned()) } else { Ok(given.get()) }
}
