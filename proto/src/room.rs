//! Memory for what a translator writes, reserved ahead.

/// Room for what a translator writes. It is asked before the room is taken, so that nobody has to
/// know beforehand how much a request takes.
pub trait Room {
    /// Sees to it that there is room for `bytes` in all, beside the text. Later calls ask for more.
    ///
    /// # Errors
    /// When there is not so much.
    fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom>;
}

/// There is no room for what a request becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no room for the `{bytes}` bytes that the request takes; send fewer spans at once"
)]
pub struct NoRoom {
    /// The bytes that were asked for.
    pub bytes: usize,
}

/// Room for so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that a translation may take. A request that needs more is refused as a whole.
    pub bytes: usize,
}

impl Default for Limits {
    /// 256 MiB.
    fn default() -> Self {
        Self { bytes: 256 << 20 }
    }
}

impl Room for Limits {
    fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
        if bytes <= self.bytes { Ok(()) } else { Err(NoRoom { bytes }) }
    }
}

/// The room that a translator has reserved.
pub(crate) struct Reserved<'r> {
    room: &'r mut dyn Room,
    bytes: usize,
}

/// The least that is reserved ahead of what is needed.
const STEP_BYTES: usize = 4 << 10;

impl<'r> Reserved<'r> {
    /// None yet.
    pub(crate) fn new(room: &'r mut dyn Room) -> Self {
        Self { room, bytes: 0 }
    }

    /// Just so many bytes.
    pub(crate) fn with(room: &'r mut dyn Room, bytes: usize) -> Result<Self, NoRoom> {
        room.grow_to(bytes)?;
        Ok(Self { room, bytes })
    }

    /// How many bytes there are.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Sees to it that there is room for `bytes` in all.
    #[inline]
    pub(crate) fn reserve(&mut self, bytes: usize) -> Result<(), NoRoom> {
        if bytes <= self.bytes { Ok(()) } else { self.ask(bytes) }
    }

    /// Asks for some more than is needed where that is there, so as not to ask for each field.
    #[cold]
    fn ask(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let ahead = bytes.saturating_add(STEP_BYTES.max(bytes / 4));
        let reserved = match self.room.grow_to(ahead) {
            Ok(()) => ahead,
            Err(_) => self.room.grow_to(bytes).map(|()| bytes)?,
        };
        self.bytes = reserved;
        Ok(())
    }
}
