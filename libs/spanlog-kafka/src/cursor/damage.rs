//! Records that cannot be read.

use wholetrace_spanlog::{Position, ReadError};

use super::{KafkaCursor, Taken};

impl KafkaCursor {
    /// The record at the next position cannot be read, as `detail` says. The client does not say which
    /// positions that covers, gives nothing of what stands behind, and asks for it again and again.
    /// So it is read once more, since it may have been damaged on its way; then one position is
    /// passed, and no more: nothing is passed that can be read. Of a batch with several records each
    /// is found to be damaged in turn.
    pub(super) fn unreadable(&mut self, detail: String) -> Taken {
        self.stopped = true;
        if self.suspect.replace(self.next) != Some(self.next) {
            return Taken::Empty;
        }
        self.damaged = Some(detail);
        Taken::Nothing
    }

    /// Tells of the record that cannot be read, if there is one, and goes on behind it.
    pub(super) fn pass(&mut self) -> Option<ReadError> {
        let (detail, position) = (self.damaged.take()?, Position(self.next));
        self.next = position.next().0;
        self.context.meters.topic(self.topic_partition.name).damaged.increment(1);
        Some(ReadError::Damaged { partition: self.topic_partition.partition.0, position, detail })
    }
}
