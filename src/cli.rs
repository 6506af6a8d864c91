//! The command line.

use std::{fmt::Write as _, io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use wholetrace_runtime::logging::LoggingConfig;
use wholetrace_sampler::policy::explain::explain as explained_policies;

#[cfg(feature = "kafka")]
use crate::topics;
use crate::{
    config::{Cost, Inputs, load, markdown, memory_limit},
    dead_letters, explain, import, metrics_page, policy_tests, process,
    role::Role,
};

/// Exit code of a configuration that cannot be used, or of a process that failed.
const FAILURE: u8 = 1;

const EXAMPLES: &str = "\
Examples:
  wholetrace standalone
      Listens on 127.0.0.1 for OTLP (gRPC 4317, HTTP 4318) and Zipkin (9411), keeps traces with
      errors and a tenth of the others, writes them to wholetrace-data/kept-traces.jsonl.
  wholetrace generate --duration 30s
      Sends it sample traffic, in another terminal.
  wholetrace standalone --config wholetrace.yaml
      The same with your own settings; examples/ has files to begin with.
  wholetrace standalone --set exporters.otlp/jaeger.endpoint=127.0.0.1:14317 \\
                        --set exporters.otlp/jaeger.tls.insecure=true
      Sends kept traces to a Jaeger whose OTLP port is 14317.
  wholetrace topics create --config cluster.yaml
      Makes the topics of a cluster in Kafka. Then any number of `wholetrace gateway` and
      `wholetrace sampler` with the same file; examples/cluster/ has one.
  wholetrace dead-letters list --config wholetrace.yaml
      Shows the spans that backends have refused for good; `export` writes them to a file, `replay`
      sends them again.
  wholetrace explain 4bf92f3577b34da6a3ce929d0e0e4736 --config wholetrace.yaml
      Says why this trace was kept or not, and what became of it.
  wholetrace check --config wholetrace.yaml
      Says everything that is wrong with a configuration, or what it comes to; with `--explain`
      in words, what its policies do.
  wholetrace import collector.yaml -o wholetrace.yaml
      Writes the configuration that does what this one of a Collector does, and says what would be
      lost.
  wholetrace test policies.test.yaml
      Runs the unit tests of your policies.

Exit codes: 0 fine, 1 configuration or topic problems, dead letters that stay, or failure, 2 wrong
usage, wrong files of tests, or a loss with `import --strict`.";

const STOPPING: &str = "SIGTERM and SIGINT drain and stop; a second one stops at once. \
    SIGHUP, or a change of a configuration file, has it say what takes effect at the next start.";

const RELOADING: &str = "SIGTERM and SIGINT drain and stop; a second one stops at once. \
    SIGHUP, or a change of a configuration file, reloads the policies.";

/// A trace-sampling gateway: takes spans from agents and SDKs, keeps the traces worth keeping,
/// whole, and sends them on. Nothing acknowledged is lost.
#[derive(Debug, Parser)]
#[command(name = "wholetrace", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything in one process: receivers, durable log, sampling, exporters.
    #[command(after_help = RELOADING)]
    Standalone(Sources),
    /// Run a gateway of a cluster: takes spans and makes them durable in Kafka.
    #[command(after_help = STOPPING)]
    Gateway(Sources),
    /// Run a sampler of a cluster: reads the spans from Kafka, keeps whole traces, exports them.
    #[command(after_help = RELOADING)]
    Sampler(Sources),
    /// Check a configuration: print all problems, or the effective configuration and its cost.
    Check {
        /// Say in words what the policies do, what each of them looks at and what it costs.
        #[arg(long)]
        explain: bool,
        #[command(flatten)]
        sources: Sources,
    },
    /// Write a configuration that does the same as one of a Collector, or of Refinery.
    #[command(after_help = import::HELP)]
    Import(import::Options),
    /// Run the unit tests of policies: traces in YAML, and what is to become of them.
    #[command(after_help = policy_tests::HELP)]
    Test(policy_tests::Options),
    /// Make, check or describe the topics of a cluster in Kafka.
    #[cfg(feature = "kafka")]
    Topics {
        /// What to do.
        #[command(subcommand)]
        action: topics::Action,
        #[command(flatten)]
        sources: Sources,
    },
    /// List, export or replay the spans that backends have refused for good.
    #[command(after_help = dead_letters::HELP)]
    DeadLetters {
        /// What to do.
        #[command(subcommand)]
        action: dead_letters::Action,
        #[command(flatten)]
        sources: Sources,
    },
    /// Say what became of a trace, and why: seen, decided, by which policies, exported.
    #[command(after_help = explain::HELP)]
    Explain {
        #[command(flatten)]
        options: explain::Options,
        #[command(flatten)]
        sources: Sources,
    },
    /// Send realistic sample traffic over OTLP.
    #[cfg(feature = "generate")]
    Generate(Box<wholetrace_generate::Options>),
    /// Print a page of the documentation.
    #[command(hide = true)]
    Document {
        /// Which one.
        page: Page,
    },
}

#[derive(Args, Clone, Debug)]
struct Sources {
    /// Configuration file (YAML); several are laid over each other, later ones win.
    #[arg(long, value_name = "FILE", global = true)]
    config: Vec<PathBuf>,
    /// One setting, as `key.path=value`; wins over files. May be repeated.
    #[arg(long, value_name = "KEY.PATH=VALUE", global = true)]
    set: Vec<String>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Page {
    Configuration,
    Metrics,
}

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Standalone(sources) => run_role(Role::Standalone, sources),
        Command::Gateway(sources) => run_role(Role::Gateway, sources),
        Command::Sampler(sources) => run_role(Role::Sampler, sources),
        Command::Check { explain: false, sources } => check(sources),
        Command::Check { explain: true, sources } => explain_policies(sources),
        Command::Import(options) => match import::run(&options) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Command::Test(options) => match policy_tests::main(&options) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        #[cfg(feature = "kafka")]
        Command::Topics { action, sources } => topics(action, sources),
        Command::DeadLetters { action, sources } => dead_letters(action, sources),
        Command::Explain { options, sources } => explain(&options, sources),
        #[cfg(feature = "generate")]
        Command::Generate(options) => generate(*options),
        Command::Document { page: Page::Configuration } => print(&markdown()),
        Command::Document { page: Page::Metrics } => print(&metrics_page::markdown()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done where standard error is gone.
            let _ = writeln!(std::io::stderr().lock(), "wholetrace: {}", told(&error));
            ExitCode::from(FAILURE)
        }
    }
}

/// The error with its causes, each said once: some messages have their cause in them.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            let _ = write!(text, ": {cause}");
        }
    }
    text
}

fn run_role(role: Role, sources: Sources) -> anyhow::Result<()> {
    let complete = completed(&sources.config);
    let ended = process::run(role, Inputs::of_process(sources.config, sources.set));
    ended.map_err(|error| anyhow::anyhow!(complete(&told(&error))))
}

/// Writes commands that a text advises as they are to be typed with these files.
fn completed(files: &[PathBuf]) -> impl Fn(&str) -> String + use<> {
    const COMMAND: &str = "wholetrace topics create";
    let mut command = COMMAND.to_owned();
    for file in files {
        let _ = write!(command, " --config {}", file.display());
    }
    move |text| text.replace(COMMAND, &command)
}

fn check(sources: Sources) -> anyhow::Result<()> {
    let loaded = load(&Inputs::of_process(sources.config, sources.set), None)?;
    let mut text = format!("# The effective configuration\n\n{}", loaded.effective()?);
    for role in &loaded.roles {
        let _ = write!(text, "\n# What a {role} may take of the memory\n#\n");
        for line in Cost::of(&loaded.config, *role).table(memory_limit(&loaded.config)).lines() {
            let _ = writeln!(text, "# {line}");
        }
        if role.samples() {
            let _ = writeln!(text, "#\n# {}", Cost::good_for(&loaded.config));
        }
    }
    print(&text)?;
    let mut stderr = std::io::stderr().lock();
    for warning in &loaded.warnings {
        writeln!(stderr, "warning: {warning}")?;
    }
    writeln!(stderr, "the configuration is fine")?;
    Ok(())
}

fn explain_policies(sources: Sources) -> anyhow::Result<()> {
    let loaded = load(&Inputs::of_process(sources.config, sources.set), None)?;
    let explanation = explained_policies(&loaded.config.tail_sampling, "tail_sampling");
    print(&explanation.map(|explanation| explanation.to_string()).unwrap_or_default())
}

#[cfg(feature = "kafka")]
fn topics(action: topics::Action, sources: Sources) -> anyhow::Result<()> {
    let complete = completed(&sources.config);
    let loaded = load(&Inputs::of_process(sources.config, sources.set), None)?;
    let kafka = topics::section(&loaded.config)?;
    loaded.config.logging.init()?;
    let (text, fine) = topics::run(action, kafka)?;
    print(&complete(&text))?;
    if fine { Ok(()) } else { anyhow::bail!("the topics are not as they must be") }
}

fn dead_letters(action: dead_letters::Action, sources: Sources) -> anyhow::Result<()> {
    let loaded = load(&Inputs::of_process(sources.config, sources.set), None)?;
    loaded.config.logging.init()?;
    dead_letters::run(action, &loaded.config)
}

fn explain(options: &explain::Options, sources: Sources) -> anyhow::Result<()> {
    let loaded = load(&Inputs::of_process(sources.config, sources.set), None)?;
    let mut logging = loaded.config.logging.clone();
    if logging.level == LoggingConfig::default().level {
        // The answer stands alone, if nothing is wrong.
        "warn".clone_into(&mut logging.level);
    }
    logging.init()?;
    explain::run(options, &loaded.config)
}

#[cfg(feature = "generate")]
fn generate(options: wholetrace_generate::Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(wholetrace_generate::run(options))
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn each_cause_is_said_once() {
        let inner = std::io::Error::other("no room");
        let error =
            Err::<(), _>(inner).context("cannot write `x`: no room: look").context("stopped");
        assert_eq!(told(&error.unwrap_err()), "stopped: cannot write `x`: no room: look");
    }

    #[test]
    fn advice_names_the_files() {
        let complete = completed(&["a.yaml".into(), "b.yaml".into()]);
        let said = "make it with `wholetrace topics create --config a.yaml --config b.yaml`";
        assert_eq!(complete("make it with `wholetrace topics create`"), said);
        assert_eq!(completed(&[])("`wholetrace topics create`"), "`wholetrace topics create`");
    }
}
