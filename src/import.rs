//! `wholetrace import`: from the configuration of another sampler to ours.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use wholetrace_import::{Checked, Imported, Selection, Source};

use crate::config::{Inputs, load};

/// What stands below the options.
pub(crate) const HELP: &str = "\
FILE is what a Collector has: one file, several that are laid over each other, or the files of several
tiers; also a ConfigMap or an OpenTelemetryCollector of Kubernetes around it. Or the rules of Refinery, with
its configuration if you like. `-` is standard input.

The configuration goes to standard output, or to `-o`. Three lists go to standard error: what was taken,
what is not needed, and what would be lost, with the way to get it.

Examples:
  wholetrace import collector.yaml -o wholetrace.yaml
  wholetrace import loadbalancer.yaml sampler.yaml > wholetrace.yaml
  wholetrace import rules.yaml config.yaml --environment production -o wholetrace.yaml
  kubectl get configmap otel-collector -o yaml | wholetrace import - --strict

Exit codes: 0 the configuration is written and loads, 1 a file cannot be read or what was written does
not load, 2 wrong usage, or with --strict that something would be lost.";

/// Exit code of a configuration that does less, where that was to be told.
const LOSS: u8 = 2;
/// Exit code of a configuration that is written and does not load.
const UNFIT: u8 = 1;

/// What stands in the place of variables: their values belong to the machine where the process is to run.
const VARIABLE: &str = "value-of-a-variable";
/// Memory that every configuration fits: this machine is not the one where the process is to run.
const MEMORY: &str = "memory.limit=16TiB";

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// What to read; `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the configuration into this file, not to standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The pipeline to take, where several differ: `traces/tail`. Else the one that samples.
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// The environment of Refinery's rules to take; else `__default__`.
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// End with 2 if something would be lost.
    #[arg(long)]
    strict: bool,
}

/// Reads, writes and reports.
///
/// # Errors
/// When a file cannot be read, understood or written.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let files = options.files.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let selection =
        Selection { pipeline: options.pipeline.clone(), environment: options.environment.clone() };
    let imported = wholetrace_import::import(&files, &selection, &judged)?;
    let Imported { configuration, report, loads } = &imported;
    match &options.output {
        Some(file) => fs::write(file, configuration)
            .with_context(|| format!("`{}` cannot be written", file.display()))?,
        None => std::io::stdout().lock().write_all(configuration.as_bytes())?,
    }
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "{report}")?;
    let lost = !report.lost.is_empty();
    if *loads {
        let words = if lost { "without what is listed as lost" } else { "and nothing is lost" };
        writeln!(stderr, "the configuration loads, {words}")?;
    } else {
        writeln!(stderr, "the configuration does not load as it stands: see what is lost")?;
    }
    Ok(match (loads, lost && options.strict) {
        (false, _) => ExitCode::from(UNFIT),
        (true, true) => ExitCode::from(LOSS),
        (true, false) => ExitCode::SUCCESS,
    })
}

fn read(file: &PathBuf) -> anyhow::Result<Source> {
    let name = file.display().to_string();
    if name == "-" {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).context("standard input")?;
        return Ok(Source { name: "standard input".to_owned(), text });
    }
    let text = fs::read_to_string(file).with_context(|| format!("`{name}` cannot be read"))?;
    Ok(Source { name, text })
}

/// What `wholetrace check` says of `text`, whatever the machine and its variables.
fn judged(text: &str) -> Checked {
    // What is in a file is known there only, too.
    let text = text.replace("${file:", "${env:");
    let variables = variables(&text).map(|name| (name.to_owned(), VARIABLE.to_owned()));
    let inputs = Inputs {
        variables: variables.collect(),
        text: Some(text.clone()),
        settings: vec![MEMORY.to_owned()],
        ..Inputs::default()
    };
    match load(&inputs, None) {
        Ok(loaded) => Checked {
            errors: Vec::new(),
            effective: loaded.tree().unwrap_or(Value::Null),
            warnings: loaded.warnings,
        },
        Err(refused) => {
            Checked { errors: refused.problems().cloned().collect(), ..Checked::default() }
        }
    }
}

/// The variables that `text` names: `${env:NAME}`, `${NAME}`, each with a default or without.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| {
        let reference = rest.split('}').next()?;
        let name = reference.strip_prefix("env:").unwrap_or(reference);
        let name = name.split_once(":-").map_or(name, |(name, _)| name);
        (!name.contains(':')).then_some(name)
    })
}
