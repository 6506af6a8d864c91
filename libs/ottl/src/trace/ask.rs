//! What conditions on traces ask.

use crate::condition::Condition;

/// A question about a whole trace, each with the value that answers it. All are folds: they can be
/// answered whatever the order in which the spans come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `trace.duration`: [`Value::Duration`](crate::Value::Duration), from the earliest start to
    /// the latest end of its spans. Times of 0 are not set.
    DurationNs,
    /// `trace.span_count`: [`Value::Int`](crate::Value::Int).
    SpanCount,
    /// `trace.error_count`, the number of spans whose status is an error:
    /// [`Value::Int`](crate::Value::Int).
    ErrorCount,
    /// `trace.service_count`, the number of different `service.name`s of resources that are not
    /// empty: [`Value::Int`](crate::Value::Int).
    ServiceCount {
        /// Where counting may stop: the condition does not tell higher numbers apart.
        up_to: u64,
    },
    /// `trace.has_root`, whether a span without a parent has arrived:
    /// [`Value::Bool`](crate::Value::Bool).
    HasRoot,
    /// A comparison of parts of the root span, `trace.root.…`: whether the condition holds on a
    /// root span. [`Value::Bool`](crate::Value::Bool), or [`Value::Nil`](crate::Value::Nil) as long
    /// as none has arrived.
    Root(Condition),
    /// `any(span, …)`: whether the condition holds on one. [`Value::Bool`](crate::Value::Bool).
    Any(Condition),
    /// `all(span, …)`: whether the condition holds on each, as it does where there are none.
    /// [`Value::Bool`](crate::Value::Bool).
    All(Condition),
    /// `count(span, …)`: on how many the condition holds. [`Value::Int`](crate::Value::Int).
    Count {
        /// The condition.
        condition: Condition,
        /// Where counting may stop: the condition on the trace does not tell higher numbers apart.
        up_to: u64,
    },
}

impl Ask {
    /// The condition on spans, events or the root that it asks about.
    #[must_use]
    pub const fn condition(&self) -> Option<&Condition> {
        match self {
            Self::Root(condition)
            | Self::Any(condition)
            | Self::All(condition)
            | Self::Count { condition, .. } => Some(condition),
            _ => None,
        }
    }

    /// Sets where counting may stop, of a count.
    pub(super) const fn stop_at(&mut self, bound: u64) {
        if let Self::ServiceCount { up_to } | Self::Count { up_to, .. } = self {
            *up_to = bound;
        }
    }

    /// Whether both ask the same, wherever they stop counting.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ServiceCount { .. }, Self::ServiceCount { .. }) => true,
            (Self::Count { condition: one, .. }, Self::Count { condition: other, .. }) => {
                one == other
            }
            _ => self == other,
        }
    }
}
