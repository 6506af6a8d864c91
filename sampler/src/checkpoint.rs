//! What a commit says beside its position: hints for the next owner.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wholetrace_spanlog::{Checkpoint, Position};

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

/// Hints for the next owner. Without them it repeats more than it need, and loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hints {
    /// The oldest position of the decision log that holds a decision which is still needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decisions: Option<u64>,
    /// A number of the ownership that committed. Two ownerships never commit the same, which a log
    /// might take for a repetition and not look whether it comes from the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<u64>,
    /// By exporter: the position below which it has finished everything.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exporters: BTreeMap<String, u64>,
}

impl Progress {
    /// The checkpoint to commit. Hints that do not fit are left out.
    #[must_use]
    pub fn to_checkpoint(&self) -> Checkpoint {
        let written = |hints: &Hints| {
            serde_json::to_string(hints).ok().filter(|text| text.len() <= MAX_METADATA)
        };
        let metadata = written(&self.hints).or_else(|| {
            let Hints { decisions, owner, .. } = self.hints;
            written(&Hints { decisions, owner, exporters: BTreeMap::new() })
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(exporters: usize) -> Progress {
        let exporters = (0..exporters).map(|i| (format!("otlp/backend-{i}"), i as u64)).collect();
        Progress {
            position: Position(7),
            hints: Hints { decisions: Some(3), owner: Some(5), exporters },
        }
    }

    #[test]
    fn a_checkpoint_reads_back() {
        let progress = progress(3);
        assert_eq!(Progress::of(&progress.to_checkpoint()), progress);
    }

    #[test]
    fn hints_that_do_not_fit_are_left_out() {
        let checkpoint = progress(1000).to_checkpoint();
        assert!(checkpoint.metadata.len() <= MAX_METADATA);
        assert_eq!(Progress::of(&checkpoint), progress(0));
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
