//! Reads on to decide the open traces when there is no room for more of them.

use wholetrace_spanlog::Position;

use crate::core::watermark::Watermark;

/// A reading that opens no traces.
///
/// When too many traces are open, none may be decided early and none be dropped. So the frames from here
/// on are read without opening any: the open traces get their spans and, in time, their decisions. Then
/// the reader seeks back to this position, and there is room for new traces. The decisions are the same
/// as after a restart; the cost is a second reading.
#[derive(Debug)]
pub(super) struct Overflow {
    from: Position,
    watermark: Watermark,
    coming_back: bool,
}

impl Overflow {
    /// An overflow read from the frame at `from` on; all frames before it have reached `watermark`.
    pub(super) const fn new(from: Position, watermark: Watermark) -> Self {
        Self { from, watermark, coming_back: false }
    }

    /// How far the frames that it has read have come.
    pub(super) const fn watermark(&mut self) -> &mut Watermark {
        &mut self.watermark
    }

    /// Whether it is over and waits for the reader to come back.
    pub(super) const fn is_over(&self) -> bool {
        self.coming_back
    }

    /// Ends it. Gives the position to come back to.
    pub(super) const fn end(&mut self) -> Position {
        self.coming_back = true;
        self.from
    }
}
