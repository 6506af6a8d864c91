//! What became of a kept trace on its way to the exporters.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use wholetrace_proto::{
    id::TraceKey,
    record::{DeadLetter, read_replayed},
    spans::{SpanRef, Visitor, visit},
};
use wholetrace_spanlog::{Frame, LogTime, Position, ReadError};

use crate::{core::checkpoint::PartitionCheckpoint, explain::scan::Scan};

/// Dead letters of a trace that are told.
const LETTERS: usize = 100;

/// Characters of what a backend has said that are given: some answer with whole pages.
const REASON_CHARS: usize = 1_000;

/// What an exporter has done about a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its name.
    pub exporter: String,
    /// How far it is.
    pub state: ExportState,
    /// How far the log's time had come where it had finished everything, if that is known.
    pub finished_to: Option<LogTime>,
    /// What its backend has refused of the trace for good.
    pub refused: Vec<Refused>,
}

/// How far an exporter is with a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportState {
    /// Its backend has not answered for any of it, as far as is committed.
    Waiting,
    /// For some of it.
    Partly,
    /// For all of it that was found.
    Finished,
    /// No spans of the trace were found, by which it could be told.
    NotKnown,
}

/// Spans of a trace in a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whose backend refused them; empty where they did not come that far.
    pub exporter: String,
    /// When, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// What it said.
    pub reason: String,
    /// Whether they were sent again since.
    pub replayed: bool,
}

/// What each of `exporters`, and of those that the commit speaks of, has done about frames at `places`.
pub(super) fn of(
    checkpoint: Option<&PartitionCheckpoint>,
    exporters: &[Arc<str>],
    places: &BTreeSet<Position>,
    refused: &[Refused],
) -> Vec<Export> {
    let mut reached: BTreeMap<&str, Position> = BTreeMap::new();
    let all = checkpoint.map_or(Position(0), |checkpoint| checkpoint.position);
    for exporter in exporters {
        reached.insert(exporter, all);
    }
    for (exporter, at) in checkpoint.iter().flat_map(|checkpoint| &checkpoint.hints.exporters) {
        reached.insert(exporter, all.max(Position(*at)));
    }
    let export = |(exporter, at): (&str, Position)| {
        let state = match (places.first(), places.last()) {
            (_, Some(last)) if *last < at => ExportState::Finished,
            (Some(first), _) if *first < at => ExportState::Partly,
            (None, _) => ExportState::NotKnown,
            _ => ExportState::Waiting,
        };
        let clock = checkpoint.map(|checkpoint| match checkpoint.hints.behind.get(exporter) {
            Some(behind) => behind.clock.now(),
            None => checkpoint.hints.lead.map_or(checkpoint.hints.clock, |lead| lead.clock).now(),
        });
        let of_this = refused.iter().filter(|refused| refused.exporter == exporter);
        Export {
            exporter: exporter.to_owned(),
            state,
            finished_to: clock.filter(|clock| *clock > LogTime(0)),
            refused: of_this.cloned().collect(),
        }
    };
    reached.into_iter().map(export).collect()
}

/// The dead letters with spans of `key` among what `scan` gives.
pub(super) async fn refused(scan: &mut Scan<'_>, key: TraceKey) -> Result<Vec<Refused>, ReadError> {
    let mut found: BTreeMap<Position, Refused> = BTreeMap::new();
    while let Some(frames) = scan.next().await? {
        for frame in &frames {
            if let Ok(Some(positions)) = read_replayed(&frame.payload) {
                for position in positions {
                    if let Some(refused) = found.get_mut(&Position(position)) {
                        refused.replayed = true;
                    }
                }
            } else if found.len() < LETTERS
                && let Some(refused) = letter(frame, key)
            {
                found.insert(frame.position, refused);
            }
        }
    }
    Ok(found.into_values().collect())
}

/// The dead letter in `frame`, if it has spans of `key`.
fn letter(frame: &Frame, key: TraceKey) -> Option<Refused> {
    struct Has(TraceKey, bool);
    impl Visitor<'_> for Has {
        fn span(&mut self, span: SpanRef<'_>) {
            self.1 |= span.key() == Some(self.0);
        }
    }
    let letter = DeadLetter::read(&frame.payload).ok()?;
    let mut has = Has(key, false);
    // What was read before an error is true.
    let _malformed = visit(letter.payload, &mut has);
    has.1.then(|| Refused {
        exporter: letter.exporter.to_owned(),
        time_ms: if letter.time_ms == 0 { frame.time.0 } else { letter.time_ms },
        reason: letter.reason.chars().take(REASON_CHARS).collect(),
        replayed: false,
    })
}
