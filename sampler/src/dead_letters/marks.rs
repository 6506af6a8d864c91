//! Which dead letters of a partition are settled.

use std::collections::BTreeMap;

use wholetrace_spanlog::Position;

/// Ranges that are remembered at most: some 50 MB. Letters that are replayed one after the other are
/// one range.
const RANGES: usize = 1 << 20;

/// Positions, as ranges that do not touch each other: by the first, one past the last.
#[derive(Debug, Default)]
pub(super) struct Marks(BTreeMap<u64, u64>);

impl Marks {
    /// Adds a position. Beyond the bound the lowest range is forgotten: what stands there is the
    /// next to be deleted, and comes up once more until then.
    pub(super) fn add(&mut self, position: u64) {
        let Some(mut end) = position.checked_add(1) else { return };
        let mut start = position;
        if let Some((first, last)) = self.0.range(..=position).next_back() {
            if *last >= end {
                return;
            }
            if *last == position {
                start = *first;
            }
        }
        if let Some(last) = self.0.remove(&end) {
            end = last;
        }
        self.0.insert(start, end);
        if self.0.len() > RANGES {
            self.0.pop_first();
        }
    }

    pub(super) fn contains(&self, position: Position) -> bool {
        self.0.range(..=position.0).next_back().is_some_and(|(_, end)| position.0 < *end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn prop_it_is_the_set_of_what_was_added(added in prop::collection::vec(0_u64..60, 0..80)) {
            let mut marks = Marks::default();
            added.iter().for_each(|position| marks.add(*position));
            for position in 0..70 {
                prop_assert_eq!(marks.contains(Position(position)), added.contains(&position));
            }
            let ranges: Vec<(u64, u64)> = marks.0.into_iter().collect();
            prop_assert!(ranges.windows(2).all(|two| two[0].1 < two[1].0), "{:?}", ranges);
        }
    }

    #[test]
    fn the_last_position_is_none() {
        let mut marks = Marks::default();
        marks.add(u64::MAX);
        assert!(!marks.contains(Position(u64::MAX)));
    }
}
