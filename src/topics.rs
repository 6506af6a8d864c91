//! `wholetrace topics`: makes the topics of a cluster, checks and describes them.

use std::{fmt::Write as _, time::Duration};

use anyhow::Context as _;
use clap::Subcommand;
use wholetrace_spanlog::routing::{Descriptor, Routing};
use wholetrace_spanlog_kafka::{KafkaConfig, Made, Severity, TopicAdmin, TopicReport, descriptor};

use crate::config::Config;

/// How long the client's threads may take to end.
const END_WITHIN: Duration = Duration::from_secs(2);

/// What to do with the topics.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Action {
    /// Make the topics that are missing, and draw the mapping of traces to partitions. What exists
    /// is checked and left as it is.
    Create,
    /// Check that all topics are as they must be; gateways and samplers do so at their start.
    Check,
    /// Show how all topics are, and what is not as it must be.
    Describe,
}

/// Does it, and gives what to print, with whether all is well.
///
/// # Errors
/// When the brokers do not answer, or refuse.
pub(crate) fn run(action: Action, config: &KafkaConfig) -> anyhow::Result<(String, bool)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(perform(action, config));
    runtime.shutdown_timeout(END_WITHIN);
    done
}

async fn perform(action: Action, config: &KafkaConfig) -> anyhow::Result<(String, bool)> {
    let admin = TopicAdmin::connect(config, config.start_timeout.get()).await?;
    let mut text = String::new();
    if matches!(action, Action::Create) {
        create(&admin, config, &mut text).await?;
    }
    let reports = admin.describe().await?;
    let fine = report(action, &reports, &mut text);
    let agreed = mapping(config, &reports, &mut text).await?;
    Ok((text, fine && agreed))
}

async fn create(admin: &TopicAdmin, config: &KafkaConfig, text: &mut String) -> anyhow::Result<()> {
    for made in admin.create().await? {
        let _ = match made {
            Made::Created(settings) => writeln!(
                text,
                "created  {}: {} partitions, {} copies",
                settings.topic, settings.partitions, settings.replication_factor
            ),
            Made::Existed(settings) => writeln!(text, "exists   {}", settings.topic),
        };
    }
    let (descriptor, drawn) = descriptor::establish(config).await?;
    if drawn {
        let partitions = descriptor.partitions;
        let _ = writeln!(text, "drawn    the mapping of traces to {partitions} partitions");
    }
    Ok(())
}

/// Whether all topics are as they must be.
fn report(action: Action, reports: &[TopicReport], text: &mut String) -> bool {
    let mut fine = true;
    for report in reports {
        if matches!(action, Action::Describe) {
            describe(report, text);
        }
        if !report.differences.is_empty() {
            let _ = writeln!(text, "{report}");
        } else if matches!(action, Action::Check) {
            let _ = writeln!(text, "fine     {}", report.settings.topic);
        }
        fine &= report.worst().is_none_or(|worst| worst < Severity::Weak);
    }
    fine
}

fn describe(report: &TopicReport, text: &mut String) {
    let settings = &report.settings;
    let holds = settings.holds.map_or("ring", |topic| topic.as_str());
    let _ = writeln!(text, "{} ({holds})", settings.topic);
    let Some(found) = &report.found else { return };
    let _ = writeln!(
        text,
        "  {} partitions, {} copies, {} of them up to date, {} partitions without a leader",
        found.partitions, found.replication_factor, found.in_sync, found.leaderless
    );
    for (name, _) in settings.kafka_settings() {
        let value = found.settings.get(name).map_or("unknown", String::as_str);
        let _ = writeln!(text, "  {name}={value}");
    }
}

/// Whether the mapping is there and fits the configuration.
async fn mapping(
    config: &KafkaConfig,
    reports: &[TopicReport],
    text: &mut String,
) -> anyhow::Result<bool> {
    // Said already.
    if reports.iter().any(|report| report.settings.holds.is_none() && report.found.is_none()) {
        return Ok(false);
    }
    match descriptor::agreed(config).await {
        Ok(descriptor) => {
            let Descriptor { epoch, partitions, .. } = descriptor;
            let digest = Routing::new(descriptor)?.digest();
            let _ = writeln!(
                text,
                "traces are divided among {partitions} partitions by epoch {epoch} of the \
                 mapping, digest {digest:016x}"
            );
            Ok(true)
        }
        Err(error) => {
            let _ = writeln!(text, "  {error}");
            Ok(false)
        }
    }
}

/// The section that `wholetrace topics` is about.
///
/// # Errors
/// When the configuration has none.
pub(crate) fn section(config: &Config) -> anyhow::Result<&KafkaConfig> {
    let kafka = config.log.kafka.as_ref();
    kafka.context("the configuration has no section `log.kafka`, so there are no topics; add it")
}
