//! Dead letters on their way to their backends.

use std::io::Write as _;

use anyhow::bail;
use wholetrace_exporter::config::ExportersConfig;
use wholetrace_sampler::dead_letters::{Replay, ReplaySettings, Replayed};
use wholetrace_spanlog::Topic;

use super::{damaged, written};

/// Sends them, and says what became of them.
pub(super) async fn run(
    topic: Topic,
    exporters: &ExportersConfig,
    settings: ReplaySettings,
) -> anyhow::Result<()> {
    let dry_run = settings.dry_run;
    let replayed = Replay::new(topic, exporters, settings).run().await?;
    let mut stdout = std::io::stdout();
    for line in lines(&replayed, dry_run) {
        written(writeln!(stdout, "{line}"))?;
    }
    let left = replayed.refused + replayed.unanswered + replayed.homeless;
    if left > 0 && !dry_run {
        bail!("{left} dead letters stay, at least in part");
    }
    Ok(())
}

fn lines(replayed: &Replayed, dry_run: bool) -> Vec<String> {
    let Replayed { delivered, spans, refused, unanswered, homeless, without_spans, damaged: bad } =
        *replayed;
    let done = if dry_run { "would be sent" } else { "were delivered" };
    let mut lines = vec![format!("{delivered} dead letters with {spans} spans {done}")];
    let mut add = |count: u64, what: &str| {
        if count > 0 {
            lines.push(format!("{count} {what}"));
        }
    };
    add(refused, "were refused again");
    add(unanswered, "were not answered for: the backend takes nothing, or has proven nothing");
    add(homeless, "are of exporters that are not configured");
    add(without_spans, "hold no spans, and are only to be looked at");
    if bad > 0 {
        lines.push(damaged(bad));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_none_of_is_not_told() {
        let delivered = Replayed { delivered: 2, spans: 5, ..Replayed::default() };
        assert_eq!(lines(&delivered, false), ["2 dead letters with 5 spans were delivered"]);
        assert_eq!(lines(&delivered, true), ["2 dead letters with 5 spans would be sent"]);
        let refused = Replayed { refused: 1, damaged: 4, ..delivered };
        assert_eq!(
            lines(&refused, false)[1..],
            ["1 were refused again", "4 damaged records were passed over"]
        );
    }
}
