//! What a partition wants done.

use std::sync::Arc;

use bytes::Bytes;
use wholetrace_exporter::contract::{ExporterIndex, KeptSpans};
use wholetrace_proto::record::{DeadLetter, PartitionDemand};
use wholetrace_spanlog::{LogTime, Partition, Position, TopicName};

use crate::policy::{PolicyCounts, PolicySet};

/// Name of the span log in dead letters.
const TOPIC: &str = "spans";

/// What a partition wants done.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Append these decisions to the decision log, trying until it succeeds. They take effect
    /// when they are read back. A new owner's claim is one of these.
    AppendDecisions(Bytes),
    /// Tell all partitions what this one asks of budgets. It need not arrive.
    TellDemand(PartitionDemand),
    /// Count what these policies have decided.
    Decided(Made),
    /// Append a tick to the span log, trying until it succeeds.
    AppendTick,
    /// Hand a piece of kept spans to an exporter, and report what became of it.
    Export {
        /// Which one.
        exporter: ExporterIndex,
        /// The spans. The ticket tells the frame they are of.
        kept: KeptSpans,
    },
    /// Read the span log again from a position on.
    Fetch {
        /// The position.
        from: Position,
        /// Bytes of payload to read, or one record.
        max_bytes: usize,
    },
    /// Read a log for an exporter that is behind. The other exporters share [`Effect::Fetch`].
    FetchFor {
        /// Which exporter.
        exporter: ExporterIndex,
        /// The span log or the decision log.
        topic: TopicName,
        /// The position.
        from: Position,
        /// Bytes of payload to read, or one record.
        max_bytes: usize,
    },
    /// Seek the reader of the span log back to this position, then say
    /// [`Input::SeekDone`](super::Input::SeekDone) before the next frame.
    Seek(Position),
    /// Append a dead letter, trying until it succeeds, and say so.
    DeadLetter {
        /// What it is about.
        id: DeadLetterId,
        /// The record.
        record: Bytes,
    },
}

/// What the policies of a set have decided.
#[derive(Clone, Debug)]
pub struct Made {
    /// The set.
    pub policies: Arc<PolicySet>,
    /// By the index of the policy; the last counts those that no policy wanted.
    pub counts: Vec<PolicyCounts>,
}

impl Made {
    /// The policies with their names, and what they did; `None` is the name of no policy.
    pub fn named(&self) -> impl Iterator<Item = (Option<&str>, &PolicyCounts)> {
        let names = self.policies.policy_names().iter().map(|name| Some(name.as_str()));
        names.chain([None]).zip(&self.counts)
    }
}

/// Names a dead letter until it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadLetterId {
    /// Whose backend refused the spans; `None` when their frame cannot be decoded.
    pub exporter: Option<ExporterIndex>,
    /// The frame they are of.
    pub position: Position,
}

impl DeadLetterId {
    /// The dead letter about `payload`, which is of `partition` and became one at `time`.
    pub(super) fn write(
        self,
        partition: Partition,
        time: LogTime,
        exporter: &str,
        reason: &str,
        payload: &[u8],
    ) -> Effect {
        let record = DeadLetter {
            reason,
            topic: TOPIC,
            partition: partition.0,
            position: self.position.0,
            time_ms: time.0,
            exporter,
            payload,
        };
        Effect::DeadLetter { id: self, record: record.encode().into() }
    }
}
