//! How far the log's time has come in a partition.

use wholetrace_spanlog::LogTime;

/// The largest append time read so far. Everything that is decided depends on it and on no other
/// clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watermark(LogTime);

impl Watermark {
    /// The time that counts for a record with append time `time`: the log's times never decrease,
    /// and should one do so all the same it counts as the largest before it.
    pub(crate) fn advance(&mut self, time: LogTime) -> LogTime {
        self.0 = self.0.max(time);
        self.0
    }

    /// The time reached.
    pub(crate) const fn now(self) -> LogTime {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_back() {
        let mut watermark = Watermark::default();
        assert_eq!(watermark.advance(LogTime(5)), LogTime(5));
        assert_eq!(watermark.advance(LogTime(3)), LogTime(5));
        assert_eq!(watermark.now(), LogTime(5));
    }
}
