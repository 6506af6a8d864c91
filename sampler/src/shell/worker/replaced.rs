//! A log that is not the one that the checkpoint is of.

use wholetrace_spanlog::{Checkpoint, Partition, ReadError, TopicName};

use crate::{
    core::checkpoint::{Hints, PartitionCheckpoint},
    shell::metrics::SamplerMetrics,
};

/// Counts and tells that `error`, a [`ReadError::Replaced`], came of the log `topic`, and takes out
/// of `committed` what is not true of that log: the span log is read from its oldest record on, and
/// of the decision log no record is taken for read.
pub(super) fn begin_anew(
    topic: TopicName,
    error: &ReadError,
    committed: &mut Option<Checkpoint>,
    metrics: &SamplerMetrics,
) {
    let ReadError::Replaced { partition, asked, oldest, end, why } = error else { return };
    metrics.replaced(topic, *why);
    let partition = Partition(*partition);
    tracing::error!(
        %topic, %partition, %asked, %oldest, %end, why = why.as_str(),
        "go on at the oldest record of a log that {why}: was its topic deleted and made anew, or did \
         its brokers lose what they had? Traces may be exported again"
    );
    if let Some(checkpoint) = committed {
        let mut partition = PartitionCheckpoint::of(checkpoint);
        if topic == TopicName::Spans {
            // What is remembered of decisions is of another log. All else is of this one.
            let Hints { decisions, claimed, term, claims, .. } = partition.hints;
            let hints = Hints { decisions, claimed, term, claims, ..Hints::default() };
            partition = PartitionCheckpoint { position: *oldest, hints };
        } else {
            let hints = &mut partition.hints;
            (hints.decisions, hints.claimed) = (None, None);
            hints.claims.clear();
            for point in hints.lead.iter_mut().chain(hints.behind.values_mut()) {
                point.decisions = 0;
            }
        }
        *checkpoint = partition.to_checkpoint();
    }
}
