//! Memory for what a translator writes, reserved ahead.

use crate::json::JsonError;
use crate::translated::Room;

/// The room that a translator has reserved.
pub(crate) struct Reserved<'r> {
    room: &'r mut dyn Room,
    bytes: usize,
}

impl<'r> Reserved<'r> {
    /// None yet.
    pub(crate) fn new(room: &'r mut dyn Room) -> Self {
        Self { room, bytes: 0 }
    }

    /// Just so many bytes.
    pub(crate) fn with(room: &'r mut dyn Room, bytes: usize) -> Result<Self, JsonError> {
        if room.grow_to(bytes) { Ok(Self { room, bytes }) } else { Err(JsonError::Room { bytes }) }
    }

    /// Sees to it that there is room for `bytes` in all.
    #[inline]
    pub(crate) fn reserve(&mut self, bytes: usize) -> Result<(), JsonError> {
        if bytes <= self.bytes { Ok(()) } else { self.ask(bytes) }
    }

    /// Asks for some more than is needed where that is there, so as not to ask for each span.
    #[cold]
    fn ask(&mut self, bytes: usize) -> Result<(), JsonError> {
        for wanted in [bytes.saturating_add(bytes / 4), bytes] {
            if self.room.grow_to(wanted) {
                self.bytes = wanted;
                return Ok(());
            }
        }
        Err(JsonError::Room { bytes })
    }
}
