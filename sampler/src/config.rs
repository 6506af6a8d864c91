//! The sampler's part of the configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_exporter::config::ExportersConfig;
use wholetrace_runtime::{problems::Problems, units::ByteSize};
use wholetrace_spanlog::Partition;

use crate::{
    core::{
        held::MIN_READ,
        partition::{Bounds, Settings},
        recent_spans::RECENT_SPAN,
        window::WINDOW_BYTES,
    },
    policy::TailSamplingConfig,
};

/// Undecided traces of the process: what 400,000 new ones a second come to in ten seconds.
const OPEN_TRACES: u64 = 4_000_000;
/// The largest piece of kept spans, unless one span alone is larger.
const MAX_PIECE: usize = 1 << 20;
/// Bytes read again at a time for an exporter of a partition: a few frames, and fewer where many
/// partitions have to share.
const REFETCH: usize = 1 << 20;
/// The part of the budget that frames which are read again may take, and no others.
const REFETCH_PART: usize = 4;
/// What part of the window cache the memory of released spans is, beside it: 200,000 of them at the
/// usual 512 MiB.
const RECENT_PART: u64 = 32;
/// Bytes of kept spans that a partition may have with an exporter, at least.
const MIN_UNFINISHED: usize = 256 << 10;

/// The share of one of `owned` partitions in what the process may hold.
pub(crate) fn share(all: Bounds, owned: usize) -> Bounds {
    let owned = owned.max(1);
    Bounds {
        max_decisions: all.max_decisions / owned,
        max_open_traces: all.max_open_traces / owned,
        max_recent_spans: all.max_recent_spans / owned,
        max_unfinished_bytes: (all.max_unfinished_bytes / owned)
            .max(MIN_UNFINISHED.min(all.max_unfinished_bytes)),
        refetch_bytes: (all.refetch_bytes / owned).clamp(MIN_READ, REFETCH),
    }
}

/// Milliseconds of the log's time that the first reading may be ahead of the release. The release
/// follows one `decision_wait` behind; as much again lets it catch up evenly.
pub(crate) fn read_ahead(decision_wait: u32) -> u64 {
    u64::from(decision_wait) * 2 + 1000
}

/// Bytes of a budget of `limit` bytes that frames which only wait for their release leave to others:
/// what must be held to go on is more urgent. There are so many `exporters`, and `owned` partitions.
pub(crate) fn set_apart(all: Bounds, owned: usize, exporters: usize, limit: usize) -> usize {
    let readers = owned.saturating_mul(exporters);
    share(all, owned).refetch_bytes.saturating_mul(readers).min(limit / REFETCH_PART)
}

/// Bytes that frames which are read again may take at most when nothing is left of the budget, in a
/// process that may own all of `partitions` and has so many `exporters`.
#[must_use]
pub fn refetch_memory(partitions: u32, exporters: usize) -> u64 {
    u64::from(partitions).saturating_mul(exporters as u64).saturating_mul(MIN_READ as u64)
}

/// Bytes that all partitions take to recognize kept spans that come a second time, beside a window
/// cache of that size.
#[must_use]
pub fn recent_memory(window_cache: ByteSize) -> u64 {
    window_cache.get() / RECENT_PART
}

/// Bytes that a process which may own all of `partitions` takes at most to know of the frames that
/// were read ahead and are not released, beside their payloads.
#[must_use]
pub fn window_memory(partitions: u32) -> u64 {
    u64::from(partitions).saturating_mul(WINDOW_BYTES as u64)
}

/// The sampler's part of the configuration.
#[derive(Clone, Debug, Default)]
pub struct SamplerConfig {
    /// Which traces are kept, and when that is decided.
    pub tail_sampling: TailSamplingConfig,
    /// Where kept traces go.
    pub exporters: ExportersConfig,
    /// Epoch of the mapping of traces to partitions; frames of another one are counted. 0 counts
    /// none.
    pub epoch: u32,
    /// Bounds of memory.
    pub memory: SamplerMemory,
}

/// The sampler's part of the section `memory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SamplerMemory {
    /// Bytes of the log that are held in memory: frames that wait from their first reading to
    /// their release, and before those, which make room, frames that are read again, dead letters
    /// under way and kept spans for which an exporter's queue has no room. What does
    /// not fit is read again from the log, which costs time and nothing else; 0 reads everything
    /// twice. Enough for the traffic of one `decision_wait` is best: 512MiB are about 120,000
    /// spans a second for 10 seconds. A 32nd part of it, beside it, is for knowing kept spans again
    /// that a sender sends twice.
    pub window_cache: ByteSize,
    /// Traces that may be undecided at a time, about 110 bytes each. When there are more, frames
    /// are read once more later on, when there is room for their traces: that costs time, and no
    /// trace is decided early. Enough for the new traces of one `decision_wait` is best. 10,000 to
    /// 1,000,000,000.
    pub open_traces: u64,
}

impl Default for SamplerMemory {
    fn default() -> Self {
        Self { window_cache: ByteSize::mib(512), open_traces: OPEN_TRACES }
    }
}

impl SamplerConfig {
    /// Adds what is wrong with the exporters at `exporters`. The policies are checked when they
    /// are [compiled](crate::policy::PolicySet::compile).
    pub fn check(&self, exporters: &str, problems: &mut Problems) {
        self.exporters.check(exporters, problems);
    }

    /// What the partitions of the process may hold together, where the policies are those of the
    /// configuration.
    pub(crate) fn bounds(&self) -> Bounds {
        let queues = self.exporters.0.iter().map(|(_, exporter)| exporter.queue());
        let smallest = queues.map(|queue| queue.queue_size.as_usize()).min();
        let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let open_traces = self.memory.open_traces;
        Bounds {
            max_decisions: count(self.tail_sampling.decision_cache.entries(open_traces)),
            max_open_traces: count(open_traces),
            max_recent_spans: count(recent_memory(self.memory.window_cache)) / RECENT_SPAN,
            max_unfinished_bytes: smallest.unwrap_or_default().max(MIN_UNFINISHED),
            refetch_bytes: self.memory.window_cache.as_usize()
                / REFETCH_PART
                / self.exporters.0.len().max(1),
        }
    }

    /// What each partition works by, its number and its share of the bounds aside.
    pub(crate) fn settings(&self, exporters: Vec<String>, hash_seed: u64) -> Settings {
        let tail_sampling = &self.tail_sampling;
        let millis = |millis: u128| u32::try_from(millis).unwrap_or(u32::MAX);
        let decision_wait = millis(tail_sampling.decision_wait.get().as_millis());
        let queues = self.exporters.0.iter().map(|(_, exporter)| exporter.queue());
        let batch = queues.map(|queue| queue.batch.max_size.as_usize()).min();
        Settings {
            partition: Partition(0),
            owner: 0,
            epoch: self.epoch,
            exporters,
            decision_wait,
            decision_wait_after_root: millis(
                tail_sampling.decision_wait_after_root_received.get().as_millis(),
            ),
            decision_retention: u64::from(millis(
                tail_sampling.decision_cache.max_age.get().as_millis(),
            )),
            bounds: self.bounds(),
            read_ahead: read_ahead(decision_wait),
            max_piece_bytes: batch.unwrap_or(MAX_PIECE).min(MAX_PIECE),
            stopwatch: None,
            recording: crate::policy::Recording::default(),
            hash_seed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I6: however many partitions and exporters there are, what is read again for all of them
    /// takes no more than its part of the budget, or than is said beside it.
    #[test]
    fn what_is_read_again_is_bounded_for_all_partitions_together() {
        for cache in [0, 64, 512, 100_000] {
            for (partitions, exporters) in [(1, 1), (16, 2), (128, 1), (128, 3)] {
                let mut config = SamplerConfig::default();
                config.memory.window_cache = ByteSize::mib(cache);
                let (all, limit) = (config.bounds(), config.memory.window_cache.as_usize());
                let all = Bounds { refetch_bytes: all.refetch_bytes / exporters, ..all };
                let said = refetch_memory(partitions, exporters);
                for owned in [1, partitions / 2, partitions] {
                    let owned = owned as usize;
                    let one = share(all, owned).refetch_bytes;
                    let together = one * owned * exporters;
                    let apart = set_apart(all, owned, exporters, limit);
                    assert!(apart <= limit / REFETCH_PART);
                    assert!(together <= apart || together as u64 <= said, "{cache} MiB, {owned}");
                    assert!((MIN_READ..=REFETCH).contains(&one));
                }
            }
        }
    }
}
