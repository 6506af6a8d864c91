//! One dead letter, as it stands in its topic.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use wholetrace_proto::{
    record::{DeadLetter, RecordError},
    spans::{SpanRef, Visitor, visit},
};
use wholetrace_spanlog::{Frame, Partition, Position};

/// A dead letter, and where it stands in the topic of the dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDeadLetter {
    /// The partition of the topic of the dead letters.
    pub partition: Partition,
    /// Its position there.
    pub position: Position,
    /// When it became a dead letter, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Why.
    pub reason: String,
    /// The topic that it was read from.
    pub topic: String,
    /// The position in that topic, in the partition of the same number.
    pub read_from: u64,
    /// The exporter whose backend refused it; empty when it did not come that far.
    pub exporter: Arc<str>,
    /// `TracesData`, or what should have been.
    pub payload: Bytes,
}

/// What is in a dead letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Different trace ids.
    pub traces: u64,
    /// Spans.
    pub spans: u64,
}

impl StoredDeadLetter {
    /// The dead letter in `frame`, from `partition`.
    ///
    /// # Errors
    /// When the frame is none.
    pub(super) fn of(partition: Partition, frame: &Frame) -> Result<Self, RecordError> {
        let dead_letter = DeadLetter::read(&frame.payload)?;
        let time_ms = if dead_letter.time_ms == 0 { frame.time.0 } else { dead_letter.time_ms };
        Ok(Self {
            partition,
            position: frame.position,
            time_ms,
            reason: dead_letter.reason.to_owned(),
            topic: dead_letter.topic.to_owned(),
            read_from: dead_letter.position,
            exporter: dead_letter.exporter.into(),
            payload: frame.payload.slice_ref(dead_letter.payload),
        })
    }

    /// What is in it; `None` when it holds no spans, or nothing that can be read as such.
    #[must_use]
    pub fn contents(&self) -> Option<Contents> {
        #[derive(Default)]
        struct Found<'a> {
            ids: HashSet<&'a [u8]>,
            spans: u64,
        }
        impl<'a> Visitor<'a> for Found<'a> {
            fn span(&mut self, span: SpanRef<'a>) {
                self.ids.insert(span.trace_id());
                self.spans += 1;
            }
        }
        let mut found = Found::default();
        visit(&self.payload, &mut found).ok()?;
        let traces = found.ids.len() as u64;
        (found.spans > 0).then_some(Contents { traces, spans: found.spans })
    }
}
