//! Kinds of reasons why spans are refused, whatever they say in words.

use std::mem::{Discriminant, discriminant};

use wholetrace_proto::reject::{Rejected, SpanReject};

/// Makes a reason of one kind, of which the words do not count.
pub(crate) type Kind = fn(String) -> SpanReject;

/// Each kind that occurred, with the number of spans.
pub(crate) fn by_kind(rejected: &Rejected) -> Vec<(Discriminant<SpanReject>, u64)> {
    rejected.by_reason().map(|(reject, spans)| (discriminant(reject), spans)).collect()
}

/// As [`by_kind`] tells it.
pub(crate) fn kind(kind: Kind) -> Discriminant<SpanReject> {
    discriminant(&kind(String::new()))
}

/// What is told of the first span that was refused.
pub(crate) fn first(rejected: &Rejected) -> String {
    rejected.first().map(ToString::to_string).unwrap_or_default()
}
