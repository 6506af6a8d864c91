//! Slices: the units of deletion.
//!
//! Each slice is a keyspace of the store with consecutive records of one topic, all partitions
//! together. A slice that nobody needs any more is removed whole, which touches none of the
//! others; single records are never deleted.

use fjall::Keyspace;

use crate::{
    position::{LogTime, Partition},
    topic::TopicName,
};

/// Positions of one partition in a slice: `first <= position < end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) end: u64,
}

/// One slice.
pub(super) struct Slice {
    /// Rises from slice to slice of a topic.
    pub(super) id: u64,
    pub(super) keyspace: Keyspace,
    /// What it holds of each partition. An empty span stands where the next record would.
    pub(super) spans: Vec<Span>,
    /// Stored bytes.
    pub(super) bytes: u64,
    pub(super) first_time: LogTime,
    pub(super) last_time: LogTime,
    /// Bytes that the log had appended when the oldest record came that is in memory and journal
    /// only; `None` when all is in tables.
    pub(super) unflushed_since: Option<u64>,
    /// No more records go into it.
    pub(super) sealed: bool,
}

impl Slice {
    /// Whether every record is below `committed`, by partition.
    pub(super) fn is_finished(&self, committed: &[u64]) -> bool {
        self.spans
            .iter()
            .zip(committed)
            .all(|(span, &committed)| span.first == span.end || span.end <= committed)
    }
}

/// All slices, by topic, oldest first.
#[derive(Default)]
pub(super) struct Slices {
    topics: [Vec<Slice>; 3],
}

impl Slices {
    pub(super) fn of(&self, topic: TopicName) -> &[Slice] {
        &self.topics[topic.index()]
    }

    pub(super) fn of_mut(&mut self, topic: TopicName) -> &mut Vec<Slice> {
        &mut self.topics[topic.index()]
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Slice> {
        self.topics.iter().flatten()
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Slice> {
        self.topics.iter_mut().flatten()
    }

    /// The slices that hold records of `partition` at or after `position`.
    pub(super) fn from(
        &self,
        topic: TopicName,
        partition: Partition,
        position: u64,
    ) -> impl Iterator<Item = (&Keyspace, Span)> {
        let slices = self.of(topic);
        let at = usize::try_from(partition.0).unwrap_or(usize::MAX);
        let span = move |slice: &Slice| slice.spans.get(at).copied().unwrap_or_default();
        let first = slices.partition_point(|slice| span(slice).end <= position);
        let rest = slices.get(first..).unwrap_or_default();
        rest.iter()
            .map(move |slice| (&slice.keyspace, span(slice)))
            .filter(|(_, span)| span.first < span.end)
    }
}

/// The keyspace name of a slice.
pub(super) fn slice_name(topic: TopicName, id: u64) -> String {
    format!("{}-{id:016x}", topic.as_str())
}

/// The slice that a keyspace name stands for.
pub(super) fn parse_slice_name(name: &str) -> Option<(TopicName, u64)> {
    let (topic, id) = name.rsplit_once('-')?;
    let topic = TopicName::ALL.into_iter().find(|known| known.as_str() == topic)?;
    Some((topic, u64::from_str_radix(id, 16).ok()?))
}

/// Gives empty spans their place: where the next record of the partition stands.
///
/// `spans` are those of the slices of one topic, oldest first, `None` where a slice holds nothing
/// of a partition; `next` is the position after the newest record of each partition.
///
/// # Errors
/// A sentence about the first records that are missing between two slices.
pub(super) fn join_spans(
    spans: &[Vec<Option<Span>>],
    next: &[u64],
) -> (Vec<Vec<Span>>, Option<String>) {
    let mut missing = None;
    let mut joined = vec![vec![Span::default(); next.len()]; spans.len()];
    for (partition, &next) in next.iter().enumerate() {
        let mut end = next;
        for (slice, known) in spans.iter().enumerate().rev() {
            let span = match known.get(partition).copied().flatten() {
                Some(span) => {
                    if span.end != end {
                        missing = Some(format!(
                            "records {} to {} of partition {partition} are missing",
                            span.end,
                            end.saturating_sub(1)
                        ));
                    }
                    span
                }
                None => Span { first: end, end },
            };
            end = span.first;
            if let Some(place) = joined.get_mut(slice).and_then(|row| row.get_mut(partition)) {
                *place = span;
            }
        }
    }
    (joined, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for topic in TopicName::ALL {
            assert_eq!(parse_slice_name(&slice_name(topic, 0xab)), Some((topic, 0xab)));
        }
        for name in ["meta", "spans", "spans-xyz", "other-00"] {
            assert_eq!(parse_slice_name(name), None, "{name}");
        }
    }

    #[test]
    fn empty_spans_stand_where_the_next_record_would() {
        let held = |first, end| Some(Span { first, end });
        let spans = [vec![held(5, 9), None], vec![None, None], vec![held(9, 12), held(3, 4)]];
        let (joined, missing) = join_spans(&spans, &[12, 4]);
        let span = |first, end| Span { first, end };
        assert_eq!(
            joined,
            [[span(5, 9), span(3, 3)], [span(9, 9), span(3, 3)], [span(9, 12), span(3, 4)]]
        );
        assert_eq!(missing, None);
    }

    #[test]
    fn a_gap_between_slices_is_told() {
        let held = |first, end| Some(Span { first, end });
        let (_, missing) = join_spans(&[vec![held(0, 5)], vec![held(8, 9)]], &[9]);
        assert_eq!(missing.as_deref(), Some("records 5 to 7 of partition 0 are missing"));
        let (_, missing) = join_spans(&[vec![held(0, 5)]], &[7]);
        assert_eq!(missing.as_deref(), Some("records 5 to 6 of partition 0 are missing"));
    }
}
