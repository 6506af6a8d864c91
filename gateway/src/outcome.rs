//! What becomes of a request that is served.

use crate::reject::SpanRejects;

/// What became of a request that was served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Spans that are durable.
    pub(crate) spans: u32,
    /// Spans that were left out.
    pub(crate) rejects: SpanRejects,
    /// What was wrong with the first of them.
    pub(crate) first: Option<String>,
}

impl Accepted {
    /// How many spans were left out for which reasons, and what was wrong with the first.
    pub(crate) fn refused_text(&self) -> String {
        match &self.first {
            Some(first) => format!("{}; the first: {first}", self.rejects),
            None => self.rejects.to_string(),
        }
    }
}
