//! `wholetrace test`: runs the tests of policies.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use wholetrace_policy_test::{
    TestFile,
    report::{Ran, counts, json, junit, text},
    run,
};
use wholetrace_runtime::problems::Problems;
use wholetrace_sampler::policy::{PolicySet, TailSamplingConfig, explain::explain};

use crate::config::{Refused, read_as, read_policies};

pub(crate) const HELP: &str = "\
Examples:
  wholetrace test policies.test.yaml
      Runs the tests of a file.
  wholetrace test .
      Runs those of all files *.test.yaml in this folder and below.
  wholetrace test --format junit examples > junit.xml
      Says it to your CI.
examples/policies.test.yaml shows how tests are written; docs/policies.md explains it. A budget
(rate_limiting, bytes_limiting, composite, dynamic) keeps all that asks for it, unless a test says
how much it keeps: `budgets: { NAME: exhausted }`, or `10%`.

Exit codes: 0 all tests pass, 1 a test failed, 2 the files are wrong, or wrong usage.";

/// Exit code of a test that failed.
const FAILED: u8 = 1;

/// Exit code of files that are wrong.
const WRONG: u8 = 2;

/// How deep files of tests may stand in a folder that is named.
const DEPTH_MAX: usize = 32;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Files of tests, or folders with files `*.test.yaml`.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How the outcome is said, on standard output.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Format {
    /// A line for each test, and what differs in those that fail.
    Text,
    /// The same for programs.
    Json,
    /// JUnit XML, for continuous integration.
    Junit,
}

/// Runs the tests and says how they went.
///
/// # Errors
/// When that cannot be said.
pub(crate) fn main(options: &Options) -> anyhow::Result<ExitCode> {
    let (mut ran, mut wrong) = (Vec::new(), Vec::new());
    match files(&options.files) {
        Ok(files) => {
            for file in files {
                match tests_of(&file) {
                    Ok(tests) => ran.push(Ran { file: file.display().to_string(), tests }),
                    Err(refused) => wrong.push(refused.to_string()),
                }
            }
        }
        Err(error) => wrong.push(format!("{error:#}\n")),
    }
    if !wrong.is_empty() {
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "wholetrace: {}", wrong.join("\n").trim_end())?;
        return Ok(ExitCode::from(WRONG));
    }
    let said = match options.format {
        Format::Text => text(&ran),
        Format::Json => json(&ran)?,
        Format::Junit => junit(&ran)?,
    };
    std::io::stdout().lock().write_all(said.as_bytes())?;
    let (_, failed) = counts(&ran);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// The files of tests that are named, or stand in folders that are; each once.
fn files(named: &[PathBuf]) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for path in named {
        if !path.is_dir() {
            files.insert(path.clone());
            continue;
        }
        let before = files.len();
        collect(path, DEPTH_MAX, &mut files)
            .with_context(|| format!("the folder `{}` cannot be read", path.display()))?;
        if files.len() == before {
            anyhow::bail!("there is no file `*.test.yaml` in `{}`", path.display());
        }
    }
    Ok(files)
}

fn collect(folder: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() && depth > 0 {
            collect(&path, depth - 1, files)?;
        }
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !kind.is_dir() && [".test.yaml", ".test.yml"].iter().any(|end| name.ends_with(end)) {
            files.insert(path);
        }
    }
    Ok(())
}

/// Runs the tests of a file.
fn tests_of(file: &Path) -> Result<Vec<wholetrace_policy_test::Outcome>, Refused> {
    let read = read_as::<TestFile>(file);
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let mut problems = Problems::new();
    let policies = match (&read.value.config, &read.value.tail_sampling) {
        (Some(config), None) => {
            let policies = read_policies(&folder.join(config));
            let mut problems = Problems::new();
            let set = compile(&policies.value.tail_sampling, &mut problems);
            policies.check(&problems)?;
            set
        }
        (None, Some(inline)) => compile(inline, &mut problems),
        (given, _) => {
            let message = if given.is_some() {
                "the policies are there twice"
            } else {
                "there are no policies"
            };
            problems.error("", message, "give `config` (a file) or `tail_sampling` (the block)");
            None
        }
    };
    let outcomes = policies.map(|(policies, words)| run(&read.value, &policies, &words, folder));
    let outcomes = outcomes.map(|outcomes| {
        outcomes.unwrap_or_else(|found| {
            problems.extend(found);
            Vec::new()
        })
    });
    read.check(&problems)?;
    Ok(outcomes.unwrap_or_default())
}

/// The policies, and what each of them does, in words.
fn compile(
    config: &TailSamplingConfig,
    problems: &mut Problems,
) -> Option<(PolicySet, Vec<String>)> {
    const PATH: &str = "tail_sampling";
    let policies = PolicySet::compile(config, PATH, problems)?;
    let explained = explain(config, PATH).map(|explanation| explanation.policies);
    let words = explained.into_iter().flatten().map(|policy| policy.does);
    Some((policies, words.collect()))
}
