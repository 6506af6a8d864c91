//! Topics and the log as a whole.

use std::sync::Arc;

use crate::{reader::Reader, writer::Writer};

/// Both sides of one topic.
#[derive(Clone)]
pub struct Topic {
    /// Appends to it.
    pub writer: Arc<dyn Writer>,
    /// Reads from it.
    pub reader: Arc<dyn Reader>,
}

/// The three topics of a deployment, partitioned alike.
#[derive(Clone)]
pub struct Log {
    /// Frames of spans, and ticks.
    pub spans: Topic,
    /// Batches of decisions: partition *n* holds those of the traces in partition *n* of `spans`.
    pub decisions: Topic,
    /// What could not be decoded or was refused for good.
    pub dead_letters: Topic,
}
