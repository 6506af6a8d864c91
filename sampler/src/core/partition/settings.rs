//! The bounds of a partition.

use wholetrace_spanlog::Partition;

use crate::{core::filter::Pieces, policy::Recording};

/// Decisions that an exporter which is behind may hold, however small its partition's share is.
const MIN_DECISIONS_BEHIND: usize = 4096;

/// How much a partition may hold in memory: its share of what the process may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Decisions that are remembered for late spans; beyond them the oldest are forgotten. What
    /// frames of one decision wait may still ask for is held beside them, as many as there are new
    /// traces in it: about as many as may be open, where that is enough.
    pub max_decisions: usize,
    /// Traces that may be open, about; beyond them frames are read without opening any, and read
    /// again when there is room.
    pub max_open_traces: usize,
    /// Kept spans that are remembered when they were released, so that copies of them are not; 0 for
    /// none.
    pub max_recent_spans: usize,
    /// Bytes of kept spans that may be with an exporter.
    pub max_unfinished_bytes: usize,
    /// Bytes that are read again at a time for an exporter, or one record.
    pub refetch_bytes: usize,
}

/// Tells nanoseconds since some moment.
pub type Stopwatch = fn() -> u64;

/// What a partition has to know beside the log and the policies.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its number.
    pub partition: Partition,
    /// A number that no other ownership of the partition has.
    pub owner: u64,
    /// Epoch of the mapping by which the fleet routes traces to partitions; 0 if it plays no part.
    pub epoch: u32,
    /// Names of the exporters, at least one, in the order of their indexes.
    pub exporters: Vec<String>,
    /// From the first span of a trace to its decision, in milliseconds of the log's time.
    pub decision_wait: u32,
    /// From a root span to the decision, if that is earlier, in milliseconds; 0 for no difference.
    pub decision_wait_after_root: u32,
    /// How long a decision is obeyed by late spans, in milliseconds of the log's time.
    pub decision_retention: u64,
    /// How much it may hold.
    pub bounds: Bounds,
    /// How far the read-ahead may be ahead of the slowest release when it need not, in
    /// milliseconds of the log's time.
    pub read_ahead: u64,
    /// Bytes of a piece of kept spans, unless one span alone is larger.
    pub max_piece_bytes: usize,
    /// A clock of nanoseconds by which some decisions are timed, for the metrics; it plays no other part.
    pub stopwatch: Option<Stopwatch>,
    /// What kept spans are told of their decision; the policies say so.
    pub recording: Recording,
    /// Seed of the hash of the tables, different in every process.
    pub hash_seed: u64,
}

impl Settings {
    /// How kept spans are cut out of frames.
    pub(super) const fn pieces(&self) -> Pieces<'_> {
        Pieces { max_bytes: self.max_piece_bytes, recording: &self.recording }
    }

    /// The number of decisions beyond which the first reading stops where it may.
    pub(super) const fn many_decisions(&self) -> usize {
        self.bounds.max_decisions.saturating_add(self.bounds.max_open_traces)
    }

    /// Decisions beyond which an exporter that is behind searches no further for one: those of the
    /// traces that were open at its place are among them, also where an owner decided them late.
    pub(super) fn most_decisions_behind(&self) -> usize {
        let open = self.bounds.max_open_traces.saturating_mul(2);
        self.bounds.max_decisions.saturating_add(open).max(MIN_DECISIONS_BEHIND)
    }
}
