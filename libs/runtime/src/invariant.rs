//! What holds at every moment, by number: the same sentences for assertions, simulations and
//! `docs/invariants.md`.
//!
//! ```text
//! assertion in the process ──┐
//! oracle of the simulation ──┼──► Invariant ──► "I5: the committed position never …"
//! oracle of the whole ───────┤
//! docs/invariants.md ────────┘ (a test compares)
//! ```
//!
//! An assertion that fails in a running process must lose nothing. [`Invariant::assert`] panics, so the
//! task ends before it commits or answers anything that follows from the broken state; the
//! [supervisor](crate::shutdown) stops the process, and the next owner reads again from the last commit.
//! Spans may arrive twice (I4), none is lost (I1). Where going on is safer than ending, the code goes on
//! and counts, and only debug builds assert.

use std::fmt;

/// An invariant, as `docs/invariants.md` lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// Every acknowledged span of a kept trace reaches each exporter's backend at least once.
    I1,
    /// A kept trace is whole: all its spans are exported, late ones included, within the late-span
    /// window.
    I2,
    /// A trace has one decision: the first one in the decision log. Every span, replay and owner obeys
    /// it.
    I3,
    /// Duplicates: none without faults; after a crash at most what was exported since the last commit.
    I4,
    /// The committed position never passes an unreleased span and never moves back within one
    /// ownership.
    I5,
    /// Memory stays under the configured bounds, whatever is sent.
    I6,
    /// Nothing is refused or lost silently: every refusal is an answer to the sender and a counter with
    /// a reason.
    I7,
    /// After faults stop, a fresh trace is decided within two decision waits.
    I8,
}

impl Invariant {
    /// All of them, in order.
    pub const ALL: [Self; 8] =
        [Self::I1, Self::I2, Self::I3, Self::I4, Self::I5, Self::I6, Self::I7, Self::I8];

    /// What holds, as a sentence in lower case without a period.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::I1 => {
                "every acknowledged span of a kept trace reaches each exporter's backend at least once"
            }
            Self::I2 => {
                "a kept trace is whole: all its spans are exported, late ones included, within the \
                 late-span window"
            }
            Self::I3 => {
                "a trace has one decision: the first one in the decision log. Every span, replay and \
                 owner obeys it"
            }
            Self::I4 => {
                "duplicates: none without faults; after a crash at most what was exported since the \
                 last commit"
            }
            Self::I5 => {
                "the committed position never passes an unreleased span and never moves back within \
                 one ownership"
            }
            Self::I6 => "memory stays under the configured bounds, whatever is sent",
            Self::I7 => {
                "nothing is refused or lost silently: every refusal is an answer to the sender and a \
                 counter with a reason"
            }
            Self::I8 => "after faults stop, a fresh trace is decided within two decision waits",
        }
    }

    /// Ends the task with a panic unless `holds`, also in release builds; the message names the
    /// invariant and the `found` values. For conditions that cost a comparison.
    ///
    /// # Panics
    /// When the invariant does not hold: see the [module](self) for what happens then.
    #[inline]
    #[track_caller]
    pub fn assert(self, holds: bool, found: fmt::Arguments<'_>) {
        if !holds {
            self.broken(found);
        }
    }

    #[cold]
    #[track_caller]
    #[expect(clippy::panic, reason = "a broken invariant ends the task, as the module says")]
    fn broken(self, found: fmt::Arguments<'_>) -> ! {
        panic!("{self}, but {found}");
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}: {}", self.sentence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(
        expected = "I6: memory stays under the configured bounds, whatever is sent, but 2 of 1 bytes"
    )]
    fn a_broken_invariant_says_which_and_how() {
        Invariant::I6.assert(true, format_args!("never said"));
        Invariant::I6.assert(false, format_args!("{} of {} bytes", 2, 1));
    }

    #[test]
    fn numbers_count_from_one() {
        let numbers = Invariant::ALL.map(|one| format!("{one:?}"));
        assert_eq!(numbers, ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8"]);
    }
}
