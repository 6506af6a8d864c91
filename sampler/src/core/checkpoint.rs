//! What a commit says beside its position: hints for the next owner.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wholetrace_spanlog::{Checkpoint, Position};

use crate::core::watermark::Watermark;

/// How far a partition is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionCheckpoint {
    /// All records below are finished for every exporter (I5).
    pub position: Position,
    /// What the next owner can do without asking the log.
    pub hints: Hints,
}

/// A point in both logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResumePoint {
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
    pub(crate) lead: ResumePoint,
    /// For each exporter that is behind.
    pub(crate) behind: Vec<Option<ResumePoint>>,
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
    pub lead: Option<ResumePoint>,
    /// Where to begin for each exporter that is behind.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub behind: BTreeMap<String, ResumePoint>,
}

impl Hints {
    /// Where the next owner has to read the decision log from.
    #[must_use]
    pub fn decisions_from(&self) -> Position {
        Position(self.decisions.or(self.claimed).unwrap_or_default())
    }
}

impl PartitionCheckpoint {
    /// The checkpoint to commit. Hints that do not fit are left out.
    #[must_use]
    pub fn to_checkpoint(&self) -> Checkpoint {
        let written = |hints: &Hints| {
            serde_json::to_string(hints).ok().filter(|text| text.len() <= Checkpoint::MAX_METADATA)
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
        let all = ResumePoint { position: self.position.0, clock: *clock, decisions };
        let keeps_up = |lead: &ResumePoint, name: &String| {
            !behind.contains_key(name) && reached.get(name).is_some_and(|at| lead.position <= *at)
        };
        match lead {
            Some(lead) if exporters.iter().any(|name| keeps_up(lead, name)) => {
                let point = |name: &String| {
                    (!keeps_up(lead, name)).then(|| behind.get(name).copied().unwrap_or(all))
                };
                Start { lead: *lead, behind: exporters.iter().map(point).collect() }
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

    fn of_exporters(exporters: usize) -> PartitionCheckpoint {
        let exporters = (0..exporters).map(|i| (format!("otlp/backend-{i}"), i as u64)).collect();
        PartitionCheckpoint {
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
        let checkpoint = of_exporters(3);
        assert_eq!(PartitionCheckpoint::of(&checkpoint.to_checkpoint()), checkpoint);
    }

    #[test]
    fn the_time_reads_back_and_costs_nothing_while_it_is_unknown() {
        let mut checkpoint = of_exporters(1);
        let without = checkpoint.to_checkpoint().metadata;
        assert!(!without.contains("time") && !without.contains("ahead"), "{without}");
        for time in [1_000_000, 2, 30_000, 41_000] {
            let _ = checkpoint.hints.clock.advance(LogTime(time), &mut Oddities::default());
            assert_eq!(PartitionCheckpoint::of(&checkpoint.to_checkpoint()), checkpoint);
        }
        assert!(checkpoint.hints.clock.ahead() > 0);
    }

    #[test]
    fn hints_that_do_not_fit_are_left_out() {
        let checkpoint = of_exporters(1000).to_checkpoint();
        assert!(checkpoint.metadata.len() <= Checkpoint::MAX_METADATA);
        assert_eq!(PartitionCheckpoint::of(&checkpoint), of_exporters(0));
    }

    /// Whoever reads the log for those that keep up begins where they are, if there is one.
    #[test]
    fn exporters_that_are_behind_have_a_start_of_their_own() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let point = |position| {
            let mut clock = Watermark::default();
            let _ = clock.advance(LogTime(2 * position), &mut Oddities::default());
            ResumePoint { position, clock, decisions: position / 2 }
        };
        let hints = Hints {
            decisions: Some(2),
            clock: point(5).clock,
            exporters: [("a".into(), 70), ("b".into(), 5), ("c".into(), 90)].into(),
            lead: Some(point(70)),
            behind: [("b".to_owned(), point(5))].into(),
            ..Hints::default()
        };
        let checkpoint = PartitionCheckpoint { position: Position(5), hints };
        let checkpoint = PartitionCheckpoint::of(&checkpoint.to_checkpoint());
        let all = point(5);
        for (exporters, lead, behind) in [
            (&["a", "b", "c"][..], point(70), vec![None, Some(all), None]),
            (&["b", "new", "c"], point(70), vec![Some(all), Some(all), None]),
            (&["b"], all, vec![None]),
            (&["new", "b"], all, vec![None, None]),
        ] {
            assert_eq!(checkpoint.start(&names(exporters)), Start { lead, behind });
        }
    }

    #[test]
    fn foreign_metadata_counts_as_none() {
        for metadata in ["", "{", "[]", "null", r#"{"decisions":-1}"#] {
            let checkpoint = Checkpoint { position: Position(9), metadata: metadata.into() };
            let expected = PartitionCheckpoint { position: Position(9), hints: Hints::default() };
            assert_eq!(PartitionCheckpoint::of(&checkpoint), expected, "{metadata}");
        }
    }
}
