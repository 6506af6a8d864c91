//! What a commit says beside its position: hints for the next owner.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wholetrace_spanlog::{Checkpoint, Position};

use crate::core::watermark::Watermark;

/// The most that the log takes as metadata, in bytes.
const MAX_METADATA: usize = 4096;

/// How far a partition is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// All records below are finished for every exporter (I5).
    pub position: Position,
    /// What the next owner can do without asking the log.
    pub hints: Hints,
}

/// A place in both logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// A position of the span log.
    pub position: u64,
    /// How far the log's time has come with the record there, or with the one before it.
    #[serde(flatten)]
    pub clock: Watermark,
    /// The oldest position of the decision log that is to be read for what stands there.
    pub decisions: u64,
}

/// Since when which claim counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// Where its first record stands in the decision log.
    pub position: u64,
    /// The term that it is of.
    pub term: u64,
    /// Whose it is.
    pub owner: u64,
}

/// Where an owner begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Start {
    /// For the exporters that keep up, of which there is one at least.
    pub(crate) lead: Place,
    /// For each exporter that is behind.
    pub(crate) behind: Vec<Option<Place>>,
}

/// Hints for the next owner. Without them it repeats more than it need, and loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hints {
    /// The oldest position of the decision log that holds a decision which is still needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decisions: Option<u64>,
    /// Where the newest record of the decision log stands that an owner has written. Read again
    /// for the owner's sake where no decision is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed: Option<u64>,
    /// A number of the ownership that committed. Two ownerships never commit the same, which a log
    /// might take for a repetition and not look whether it comes from the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<u64>,
    /// The term of the ownership that committed: the next one's is above, also where the decision
    /// log has no claim any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<u64>,
    /// Since when which claim counts, from `decisions` on and oldest first: where the decision log
    /// has deleted more, nobody could tell whether the oldest that is left stands behind the claim
    /// of another owner.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claimed>,
    /// How far the log's time has come with the record at the position, or with the one before it
    /// when that was not read. The next owner goes on from here, so that every record has the same
    /// time at every reading.
    #[serde(flatten)]
    pub clock: Watermark,
    /// By exporter: the position below which it has finished everything.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exporters: BTreeMap<String, u64>,
    /// Where to begin for the exporters that keep up, if others are behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<Place>,
    /// Where to begin for each exporter that is behind.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub behind: BTreeMap<String, Place>,
}

impl Hints {
    /// Where the next owner has to read the decision log from.
    #[must_use]
    pub fn decisions_from(&self) -> Position {
        Position(self.decisions.or(self.claimed).unwrap_or_default())
    }
}

impl Progress {
    /// The checkpoint to commit. Hints that do not fit are left out.
    #[must_use]
    pub fn to_checkpoint(&self) -> Checkpoint {
        let written = |hints: &Hints| {
            serde_json::to_string(hints).ok().filter(|text| text.len() <= MAX_METADATA)
        };
        let metadata = written(&self.hints).or_else(|| {
            let (exporters, behind) = (BTreeMap::new(), BTreeMap::new());
            written(&Hints { exporters, behind, lead: None, ..self.hints.clone() })
        });
        Checkpoint { position: self.position, metadata: metadata.unwrap_or_default() }
    }

    /// What `checkpoint` says; metadata that this version cannot read counts as none.
    #[must_use]
    pub fn of(checkpoint: &Checkpoint) -> Self {
        Self {
            position: checkpoint.position,
            hints: serde_json::from_str(&checkpoint.metadata).unwrap_or_default(),
        }
    }

    /// Where an owner with these exporters begins: for all of them at the position, unless some
    /// are behind and one is not.
    #[must_use]
    pub(crate) fn start(&self, exporters: &[String]) -> Start {
        let Hints { clock, exporters: reached, lead, behind, .. } = &self.hints;
        let decisions = self.hints.decisions_from().0;
        let all = Place { position: self.position.0, clock: *clock, decisions };
        let keeps_up = |lead: &Place, name: &String| {
            !behind.contains_key(name) && reached.get(name).is_some_and(|at| lead.position <= *at)
        };
        match lead {
            Some(lead) if exporters.iter().any(|name| keeps_up(lead, name)) => {
                let place = |name: &String| {
                    (!keeps_up(lead, name)).then(|| behind.get(name).copied().unwrap_or(all))
                };
                Start { lead: *lead, behind: exporters.iter().map(place).collect() }
            }
            _ => Start { lead: all, behind: vec![None; exporters.len()] },
        }
    }
}

#[cfg(test)]
mod tests {
    use wholetrace_spanlog::LogTime;

    use super::*;
    use crate::core::watermark::Oddities;

    fn progress(exporters: usize) -> Progress {
        let exporters = (0..exporters).map(|i| (format!("otlp/backend-{i}"), i as u64)).collect();
        Progress {
            position: Position(7),
            hints: Hints {
                decisions: Some(3),
                claimed: Some(4),
                owner: Some(5),
                term: Some(2),
                claims: vec![Claimed { position: 3, term: 2, owner: u64::MAX }],
                clock: Watermark::default(),
                exporters,
                ..Hints::default()
            },
        }
    }

    #[test]
    fn a_checkpoint_reads_back() {
        let progress = progress(3);
        assert_eq!(Progress::of(&progress.to_checkpoint()), progress);
    }

    #[test]
    fn the_time_reads_back_and_costs_nothing_while_it_is_unknown() {
        let mut progress = progress(1);
        let without = progress.to_checkpoint().metadata;
        assert!(!without.contains("time") && !without.contains("ahead"), "{without}");
        for time in [1_000_000, 2, 30_000, 41_000] {
            let _ = progress.hints.clock.advance(LogTime(time), &mut Oddities::default());
            assert_eq!(Progress::of(&progress.to_checkpoint()), progress);
        }
        assert!(progress.hints.clock.ahead() > 0);
    }

    #[test]
    fn hints_that_do_not_fit_are_left_out() {
        let checkpoint = progress(1000).to_checkpoint();
        assert!(checkpoint.metadata.len() <= MAX_METADATA);
        assert_eq!(Progress::of(&checkpoint), progress(0));
    }

    /// Whoever reads the log for those that keep up begins where they are, if there is one.
    #[test]
    fn exporters_that_are_behind_have_a_start_of_their_own() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let place = |position| {
            let mut clock = Watermark::default();
            let _ = clock.advance(LogTime(2 * position), &mut Oddities::default());
            Place { position, clock, decisions: position / 2 }
        };
        let hints = Hints {
            decisions: Some(2),
            clock: place(5).clock,
            exporters: [("a".into(), 70), ("b".into(), 5), ("c".into(), 90)].into(),
            lead: Some(place(70)),
            behind: [("b".to_owned(), place(5))].into(),
            ..Hints::default()
        };
        let progress = Progress { position: Position(5), hints };
        let progress = Progress::of(&progress.to_checkpoint());
        let all = place(5);
        for (exporters, lead, behind) in [
            (&["a", "b", "c"][..], place(70), vec![None, Some(all), None]),
            (&["b", "new", "c"], place(70), vec![Some(all), Some(all), None]),
            (&["b"], all, vec![None]),
            (&["new", "b"], all, vec![None, None]),
        ] {
            assert_eq!(progress.start(&names(exporters)), Start { lead, behind });
        }
    }

    #[test]
    fn foreign_metadata_counts_as_none() {
        for metadata in ["", "{", "[]", "null", r#"{"decisions":-1}"#] {
            let checkpoint = Checkpoint { position: Position(9), metadata: metadata.into() };
            let expected = Progress { position: Position(9), hints: Hints::default() };
            assert_eq!(Progress::of(&checkpoint), expected, "{metadata}");
        }
    }
}
