//! What opening a store finds.

use crate::{position::LogTime, reader::Checkpoint, routing::Descriptor, topic::TopicName};

/// What was found.
#[derive(Debug)]
pub(in crate::embedded) struct Recovered {
    /// Whether the log was created just now.
    pub(in crate::embedded) created: bool,
    /// The mapping of traces to partitions that the log was created with.
    pub(in crate::embedded) descriptor: Descriptor,
    /// What is committed, by partition.
    pub(in crate::embedded) checkpoints: Vec<Option<Checkpoint>>,
    /// The newest time in the log.
    pub(in crate::embedded) newest: LogTime,
    /// Groups that were torn by a crash and are cut off; nothing in them was acknowledged.
    pub(in crate::embedded) cuts: Vec<Cut>,
    /// What is damaged in the newest segments; reading tells which records.
    pub(in crate::embedded) damages: Vec<Damage>,
    /// What is missing and was accepted as lost.
    pub(in crate::embedded) accepted: Vec<Accepted>,
}

/// A torn group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct Cut {
    pub(in crate::embedded) topic: TopicName,
    pub(in crate::embedded) slot: u32,
    pub(in crate::embedded) offset: u64,
    /// Bytes that were erased.
    pub(in crate::embedded) bytes: u64,
}

/// Damaged groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct Damage {
    pub(in crate::embedded) topic: TopicName,
    pub(in crate::embedded) slot: u32,
    pub(in crate::embedded) groups: usize,
}

/// Segments whose files are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct Accepted {
    pub(in crate::embedded) topic: TopicName,
    pub(in crate::embedded) first: u64,
    pub(in crate::embedded) last: u64,
}
