//! Dead letters as a table, or as JSON.

use std::io::{BufWriter, Write};

use wholetrace_sampler::dead_letters::{Contents, DeadLettersReader, StoredDeadLetter};

use super::{damaged, options::ListFormat, written};
use crate::moment;

/// What of a reason is shown in a table, in characters: backends answer with whole pages.
const REASON_CHARS: usize = 160;

/// Prints what `dead_letters` gives, one after the other.
pub(super) async fn run(
    mut dead_letters: DeadLettersReader,
    format: ListFormat,
) -> anyhow::Result<()> {
    let mut out = BufWriter::new(std::io::stdout());
    let mut totals = Totals::default();
    while let Some(dead_letter) = dead_letters.next().await? {
        let contents = dead_letter.contents().unwrap_or_default();
        let first = totals.dead_letters == 0;
        totals.add(&dead_letter, contents);
        match format {
            ListFormat::Table => {
                if first {
                    written(writeln!(out, "{}", heading()))?;
                }
                written(writeln!(out, "{}", row(&dead_letter, contents)))?;
            }
            ListFormat::Json => {
                serde_json::to_writer(&mut out, &object(&dead_letter, contents))?;
                written(writeln!(out))?;
            }
        }
    }
    if format == ListFormat::Table {
        written(writeln!(out, "{}", totals.line()))?;
    }
    written(out.flush())?;
    if dead_letters.damaged() > 0 {
        written(writeln!(std::io::stderr(), "{}", damaged(dead_letters.damaged())))?;
    }
    Ok(())
}

#[derive(Default)]
struct Totals {
    dead_letters: u64,
    traces: u64,
    spans: u64,
    bytes: u64,
}

impl Totals {
    fn add(&mut self, dead_letter: &StoredDeadLetter, contents: Contents) {
        self.dead_letters += 1;
        self.traces += contents.traces;
        self.spans += contents.spans;
        self.bytes += dead_letter.payload.len() as u64;
    }

    fn line(&self) -> String {
        let Self { dead_letters, traces, spans, bytes } = self;
        match dead_letters {
            0 => "no dead letters".to_owned(),
            1 => format!("1 dead letter: traces {traces}, spans {spans}, bytes {bytes}"),
            _ => format!(
                "{dead_letters} dead letters: traces {traces}, spans {spans}, bytes {bytes}"
            ),
        }
    }
}

fn heading() -> String {
    columns(["POSITION", "TIME", "EXPORTER", "TRACES", "SPANS", "BYTES", "REASON"])
}

fn row(dead_letter: &StoredDeadLetter, contents: Contents) -> String {
    let exporter = if dead_letter.exporter.is_empty() { "-" } else { &dead_letter.exporter };
    columns([
        &position(dead_letter),
        &moment::tell(dead_letter.time_ms),
        exporter,
        &contents.traces.to_string(),
        &contents.spans.to_string(),
        &dead_letter.payload.len().to_string(),
        &short(&dead_letter.reason),
    ])
}

/// Columns as wide as what stands in them as a rule: rows are printed before all are known.
fn columns([position, time, exporter, traces, spans, bytes, reason]: [&str; 7]) -> String {
    format!("{position:<12} {time:<24} {exporter:<16} {traces:>6} {spans:>6} {bytes:>8}  {reason}")
}

/// The reason on one line.
fn short(reason: &str) -> String {
    let mut chars = reason.chars().map(|char| if char.is_control() { ' ' } else { char });
    let mut short: String = chars.by_ref().take(REASON_CHARS).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

fn position(dead_letter: &StoredDeadLetter) -> String {
    format!("{}/{}", dead_letter.partition, dead_letter.position)
}

fn object(dead_letter: &StoredDeadLetter, contents: Contents) -> serde_json::Value {
    serde_json::json!({
        "partition": dead_letter.partition.0,
        "position": dead_letter.position.0,
        "time": moment::tell(dead_letter.time_ms),
        "exporter": &*dead_letter.exporter,
        "reason": dead_letter.reason,
        "topic": dead_letter.topic,
        "read_from": dead_letter.read_from,
        "traces": contents.traces,
        "spans": contents.spans,
        "bytes": dead_letter.payload.len(),
    })
}

#[cfg(test)]
mod tests {
    use wholetrace_spanlog::{Partition, Position};

    use super::*;

    fn dead_letter(reason: &str) -> StoredDeadLetter {
        StoredDeadLetter {
            partition: Partition(3),
            position: Position(17),
            time_ms: 1_760_000_000_123,
            reason: reason.to_owned(),
            topic: "spans".to_owned(),
            read_from: 5,
            exporter: "otlp/jaeger".into(),
            payload: vec![0; 400].into(),
        }
    }

    #[test]
    fn rows_stand_below_their_heading() {
        let contents = Contents { traces: 1, spans: 2 };
        let (heading, row) = (heading(), row(&dead_letter("no\nroom"), contents));
        assert_eq!(
            row,
            "3/17         2025-10-09T08:53:20.123Z otlp/jaeger           1      2      400  no room"
        );
        assert_eq!(heading.find("REASON"), row.find("no room"));
        assert_eq!(heading.find("EXPORTER"), row.find("otlp"));
        let page = super::row(&dead_letter(&"<html>".repeat(100)), contents);
        assert!(page.chars().count() < 260 && page.ends_with('…'), "{page}");
    }

    #[test]
    fn totals_are_told() {
        let mut totals = Totals::default();
        assert_eq!(totals.line(), "no dead letters");
        totals.add(&dead_letter(""), Contents { traces: 1, spans: 2 });
        assert_eq!(totals.line(), "1 dead letter: traces 1, spans 2, bytes 400");
        totals.add(&dead_letter(""), Contents { traces: 1, spans: 2 });
        assert_eq!(totals.line(), "2 dead letters: traces 2, spans 4, bytes 800");
    }
}
