//! `wholetrace dead-letters`: shows what backends have refused for good, writes it to a file, sends
//! it again.

mod export;
mod list;
mod options;
mod replay;

use std::time::Duration;

use anyhow::{Context as _, bail};
use wholetrace_sampler::dead_letters::DeadLettersReader;
use wholetrace_spanlog::embedded::OpenError;

use crate::{
    config::{Config, LogChoice},
    log::OpenLog,
    role::Role,
};

pub(crate) use options::{Action, HELP};

/// How long threads may take to end.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Does it, and prints what there is to print.
///
/// # Errors
/// When the log cannot be read, what is found cannot be written, or something is left that was to
/// be exported or delivered.
pub(crate) fn run(action: Action, config: &Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(perform(action, config));
    runtime.shutdown_timeout(END_WITHIN);
    done
}

async fn perform(action: Action, config: &Config) -> anyhow::Result<()> {
    action.check(config)?;
    let log = open(config).await?;
    let topic = log.log().dead_letters;
    let reader = |which: options::Which| DeadLettersReader::new(topic.reader.clone(), which.into());
    let done = match action {
        Action::List { which, format } => list::run(reader(which), format).await,
        Action::Export { which, output, format } => {
            export::run(reader(which), output.as_deref(), format).await
        }
        Action::Replay(options) => {
            replay::run(topic.clone(), &config.exporters, options.settings()).await
        }
    };
    log.close().await;
    done
}

/// Opens the log, which must be there.
async fn open(config: &Config) -> anyhow::Result<OpenLog> {
    if let LogChoice::Embedded(embedded) = config.log.choice()
        && !embedded.holds_log()
    {
        let directory = embedded.directory.display();
        bail!(
            "there is no log in `{directory}`: name the configuration of the process whose dead \
             letters are meant with `--config`, or its folder with `--set \
             log.embedded.directory=FOLDER`"
        );
    }
    let opened = OpenLog::open(config, Role::Sampler).await;
    opened.map_err(|error| match error.downcast_ref() {
        Some(OpenError::Locked { .. }) => error.context(
            "an embedded log is used by one process at a time: stop the process, do this, and \
             start it again",
        ),
        _ => error,
    })
}

/// What is said of records that could not be read.
fn damaged(count: u64) -> String {
    format!("{count} damaged records were passed over")
}

/// The error of a standard output or file that takes no more.
fn written<T>(result: std::io::Result<T>) -> anyhow::Result<T> {
    result.context("the output cannot be written")
}
