//! The topics of a deployment, by name.

use std::fmt;

/// One of the three topics of a [`Log`](crate::Log).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicName {
    /// Frames of spans, and ticks.
    Spans,
    /// Batches of decisions.
    Decisions,
    /// What could not be decoded or was refused for good.
    DeadLetters,
}

impl TopicName {
    /// All topics, in the order of their [`index`](Self::index).
    pub const ALL: [Self; 3] = [Self::Spans, Self::Decisions, Self::DeadLetters];

    /// A small number for tables, below 3. It is also in the keys of the embedded log: fixed.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Spans => 0,
            Self::Decisions => 1,
            Self::DeadLetters => 2,
        }
    }

    /// The name in metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::Decisions => "decisions",
            Self::DeadLetters => "dead_letters",
        }
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
