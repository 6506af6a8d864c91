//! How far each partition is read, and how far of that the log has.

use std::collections::{HashMap, VecDeque};

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) topic: String,
    pub(super) partition: i32,
}

/// A message that was begun.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) place: Place,
    pub(super) offset: i64,
    /// The partition may have been given away and come back since.
    term: u64,
}

/// The messages that were begun, by partition.
#[derive(Debug, Default)]
pub(super) struct Marks {
    partitions: HashMap<Place, Begun>,
    terms: u64,
}

/// The messages of one partition, in their order.
#[derive(Debug, Default)]
struct Begun {
    term: u64,
    /// The offset of each from the first that is not finished on, and whether it is.
    messages: VecDeque<(i64, bool)>,
    /// The position behind all that is finished without a gap, until it is stored.
    reached: Option<i64>,
}

impl Marks {
    /// A message is begun.
    pub(super) fn begin(&mut self, place: Place, offset: i64) -> Ticket {
        let terms = &mut self.terms;
        let begun = self.partitions.entry(place.clone()).or_insert_with(|| {
            *terms += 1;
            Begun { term: *terms, ..Begun::default() }
        });
        begun.messages.push_back((offset, false));
        Ticket { place, offset, term: begun.term }
    }

    /// A message is finished: the log has it, or it will never be taken.
    pub(super) fn finish(&mut self, ticket: &Ticket) {
        let Some(begun) = self.partitions.get_mut(&ticket.place) else { return };
        if begun.term != ticket.term {
            return;
        }
        let mut messages = begun.messages.iter_mut();
        if let Some(message) = messages.find(|message| message.0 == ticket.offset && !message.1) {
            message.1 = true;
        }
        while let Some((offset, true)) = begun.messages.front().copied() {
            begun.messages.pop_front();
            begun.reached = Some(offset + 1);
        }
    }

    /// The positions that were reached since this was asked last.
    pub(super) fn take_reached(&mut self) -> Vec<(Place, i64)> {
        let reached = |(place, begun): (&Place, &mut Begun)| {
            begun.reached.take().map(|position| (place.clone(), position))
        };
        self.partitions.iter_mut().filter_map(reached).collect()
    }

    /// Whether all messages of these partitions are finished that were begun.
    pub(super) fn are_finished(&self, places: &[Place]) -> bool {
        let mut begun = places.iter().filter_map(|place| self.partitions.get(place));
        begun.all(|begun| begun.messages.is_empty())
    }

    /// How many messages of these partitions are begun and not finished.
    pub(super) fn unfinished(&self, places: &[Place]) -> usize {
        let begun = places.iter().filter_map(|place| self.partitions.get(place));
        begun.flat_map(|begun| &begun.messages).filter(|(_, finished)| !finished).count()
    }

    /// These partitions are given away: what becomes of their messages is not ours to mark.
    pub(super) fn forget(&mut self, places: &[Place]) {
        for place in places {
            self.partitions.remove(place);
        }
    }

    /// Whether a message belongs to a partition that is ours still.
    pub(super) fn has(&self, ticket: &Ticket) -> bool {
        self.partitions.get(&ticket.place).is_some_and(|begun| begun.term == ticket.term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partition: i32) -> Place {
        Place { topic: "spans".to_owned(), partition }
    }

    #[test]
    fn what_is_finished_behind_a_gap_is_not_marked() {
        let mut marks = Marks::default();
        // Offsets may have gaps.
        let tickets: Vec<Ticket> =
            [3, 4, 9].into_iter().map(|offset| marks.begin(place(0), offset)).collect();
        let other = marks.begin(place(1), 0);
        marks.finish(&tickets[1]);
        assert_eq!(marks.take_reached(), []);
        marks.finish(&tickets[0]);
        assert_eq!(marks.take_reached(), [(place(0), 5)]);
        marks.finish(&tickets[2]);
        assert!(marks.are_finished(&[place(0)]) && !marks.are_finished(&[place(0), place(1)]));
        assert_eq!(marks.take_reached(), [(place(0), 10)]);
        marks.finish(&other);
        assert_eq!(marks.take_reached(), [(place(1), 1)]);
        assert_eq!(marks.take_reached(), []);
    }

    /// The next owner may be behind the message, and read it again.
    #[test]
    fn what_is_finished_after_its_partition_was_given_away_marks_nothing() {
        let mut marks = Marks::default();
        let late = marks.begin(place(0), 7);
        marks.forget(&[place(0)]);
        assert!(!marks.has(&late));
        let again = marks.begin(place(0), 7);
        marks.finish(&late);
        assert_eq!(marks.take_reached(), []);
        assert!(marks.has(&again) && !marks.are_finished(&[place(0)]));
        marks.finish(&again);
        assert_eq!(marks.take_reached(), [(place(0), 8)]);
    }
}
