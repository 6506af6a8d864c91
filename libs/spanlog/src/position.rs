//! Where a record stands in the log, and when it came there.

use std::fmt;

/// Number of a partition, from 0. A trace lives in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u32);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Offset of a record in its partition. Positions of a partition increase but need not be
/// contiguous: never compute a neighbour, compare only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// The lowest position that can hold a record after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The log's time in milliseconds since the Unix epoch: when a record was appended, as the log
/// itself says (the broker's `LogAppendTime`; the writer's clock in the embedded log). A record has
/// the same one at every reading. All decisions depend on it and on no other clock.
///
/// It increases from record to record as a rule and not always: clocks are set back, and brokers
/// take turns whose clocks differ. The log gives the times as they are. That time never goes back
/// for those who decide by it, and that every one of them finds the same, is for the reader to see
/// to, who hands on with his commit how far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogTime(pub u64);

impl LogTime {
    /// This time moved forward by `millis` milliseconds, saturating.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// This time moved back by `millis` milliseconds, saturating at the epoch.
    #[must_use]
    pub const fn minus(self, millis: u64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// Milliseconds from `earlier` to this time; 0 when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
