//! Whether the logs of partitions are still the ones that were read.
//!
//! A topic that is deleted and made anew has the name and the partitions of the old one, and its
//! positions start again: what comes there would be taken for read up to where the old one was.
//! When it ends before that position, the brokers refuse to be asked for it. When it has grown
//! beyond, nothing does, and the client goes on reading in the middle. (It learns the topic's id, and
//! does not tell.) So the time tells: in a log that was read up to a position, no record before that
//! position is younger than the newest that was read. In one that was made anew, or whose end was lost
//! and written again, there are such records.
//!
//! What was read up to when is remembered for every partition that is being read, looked at every
//! few seconds, and stored with each checkpoint.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use wholetrace_spanlog::{LogTime, Partition, TopicName};

/// How far a log was read, and the time of the newest record in what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// All records read lie below.
    pub(super) below: u64,
    pub(super) time: LogTime,
}

/// What a cursor tells of how far it is, and what it is told.
#[derive(Default)]
pub(super) struct Watched {
    next: AtomicU64,
    newest: AtomicU64,
    replaced: AtomicBool,
}

/// The topics whose logs are looked at: nobody reads the dead letters in order.
pub(super) const TOPICS: [TopicName; 2] = [TopicName::Spans, TopicName::Decisions];

/// A partition of a topic.
pub(super) type LogId = (TopicName, Partition);

/// What is known of all partitions.
#[derive(Default)]
pub(super) struct Identities {
    logs: Mutex<HashMap<LogId, Known>>,
}

/// What is known of one partition.
#[derive(Default)]
struct Known {
    mark: Option<Mark>,
    /// Whether the mark comes from a checkpoint, and the log was not compared with it.
    unchecked: bool,
    cursors: Vec<Weak<Watched>>,
    /// Whether the log was replaced since somebody asked.
    replaced: bool,
}

impl Watched {
    /// The cursor has given all below `next`; the newest record has `time`.
    pub(super) fn moved(&self, next: u64, time: LogTime) {
        self.newest.fetch_max(time.0, Ordering::AcqRel);
        self.next.store(next, Ordering::Release);
    }

    /// Whether what the cursor reads is another log.
    pub(super) fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Acquire)
    }
}

impl Known {
    fn replace(&mut self) {
        for cursor in self.cursors.drain(..).filter_map(|cursor| cursor.upgrade()) {
            cursor.replaced.store(true, Ordering::Release);
        }
        (self.mark, self.unchecked, self.replaced) = (None, false, true);
    }
}

impl Identities {
    /// The checkpoint with which an assignment of `log` begins says `mark`, if it says anything.
    pub(super) fn expect(&self, log: LogId, mark: Option<Mark>) {
        let mut logs = self.logs();
        let known = logs.entry(log).or_default();
        (known.mark, known.unchecked) = (mark, mark.is_some());
    }

    /// What `log` is to be compared with before it is read, if that was not done.
    pub(super) fn unchecked(&self, log: LogId) -> Option<Mark> {
        self.logs().get(&log).filter(|known| known.unchecked)?.mark
    }

    /// What was read of `log`, as far as the log was compared since.
    pub(super) fn mark(&self, log: LogId) -> Option<Mark> {
        self.logs().get(&log)?.mark
    }

    /// Watches a cursor of `log`, for as long as what is given back lives.
    pub(super) fn watch(&self, log: LogId) -> Arc<Watched> {
        let watched = Arc::new(Watched::default());
        let mut logs = self.logs();
        let cursors = &mut logs.entry(log).or_default().cursors;
        cursors.retain(|cursor| cursor.strong_count() > 0);
        cursors.push(Arc::downgrade(&watched));
        watched
    }

    /// The partitions of `topic` that are being read, each with what is known and with what its
    /// cursors say: how far the one that is ahead has come.
    pub(super) fn read(&self, topic: TopicName) -> Vec<(Partition, Option<Mark>, Mark)> {
        let mut logs = self.logs();
        let mut read = Vec::new();
        for ((_, partition), known) in logs.iter_mut().filter(|((of, _), _)| *of == topic) {
            known.cursors.retain(|cursor| cursor.strong_count() > 0);
            let cursors = known.cursors.iter().filter_map(Weak::upgrade);
            // The position first: the time that belongs to it was told before.
            let ahead = cursors.map(|cursor| (cursor.next.load(Ordering::Acquire), cursor));
            let Some((below, cursor)) = ahead.max_by_key(|(next, _)| *next) else { continue };
            let newest = cursor.newest.load(Ordering::Acquire);
            let time = LogTime(newest.max(known.mark.map_or(0, |mark| mark.time.0)));
            if newest > 0 {
                read.push((*partition, known.mark, Mark { below, time }));
            }
        }
        read
    }

    /// `log` was compared with `before`, and is the same: so `mark` is of it too.
    pub(super) fn learn(&self, log: LogId, before: Option<Mark>, mark: Mark) {
        if let Some(known) = self.logs().get_mut(&log).filter(|known| known.mark == before) {
            (known.mark, known.unchecked) = (Some(mark), false);
        }
    }

    /// `log` was compared with `before`, and is another one. Whoever reads it is told.
    pub(super) fn replaced(&self, log: LogId, before: Option<Mark>) {
        let mut logs = self.logs();
        if let Some(known) = logs.get_mut(&log).filter(|known| known.mark == before) {
            known.replace();
        }
    }

    /// `log` is another one, as is known otherwise. Whoever reads it is told.
    pub(super) fn forget(&self, log: LogId) {
        self.logs().entry(log).or_default().replace();
    }

    /// Whether `log` was replaced since the last time that this was asked.
    pub(super) fn take_replaced(&self, log: LogId) -> bool {
        self.logs().get_mut(&log).is_some_and(|known| std::mem::take(&mut known.replaced))
    }

    fn logs(&self) -> MutexGuard<'_, HashMap<LogId, Known>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a log can be the one that was read as far as `mark` says: the first record that is younger
/// than the mark's time stands at `younger`, if there is one.
pub(super) fn is_same(mark: Mark, younger: Option<u64>) -> bool {
    younger.is_none_or(|younger| younger >= mark.below)
}

/// Begins the line that is put behind the metadata of a checkpoint.
const BEGIN: &str = "\nread-up-to ";

/// `metadata` with what is known of the span log and of the decision log, if it stays within `max`
/// bytes.
pub(super) fn write(metadata: &str, marks: [Option<Mark>; 2], max: usize) -> String {
    let [spans, decisions] = marks.map(|mark| {
        mark.map_or_else(|| "-".to_owned(), |mark| format!("{}@{}", mark.below, mark.time.0))
    });
    let all = format!("{metadata}{BEGIN}{spans} {decisions}");
    if marks == [None; 2] || all.len() > max { metadata.to_owned() } else { all }
}

/// The metadata and the marks that [`write()`] put together.
pub(super) fn parse(stored: &str) -> (&str, [Option<Mark>; 2]) {
    let Some((metadata, line)) = stored.rsplit_once(BEGIN) else { return (stored, [None; 2]) };
    let mut marks = line.split(' ').map(|mark| {
        let (below, time) = mark.split_once('@')?;
        Some(Mark { below: below.parse().ok()?, time: LogTime(time.parse().ok()?) })
    });
    let mut next = || marks.next().flatten();
    (metadata, [next(), next()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_with_a_checkpoint_comes_back() {
        let some = |below| Some(Mark { below, time: LogTime(1_700) });
        for metadata in ["", "{\"decisions\":1}", "two\nlines"] {
            for marks in [[some(7), None], [None, some(8)], [None; 2], [some(0), some(1)]] {
                assert_eq!(parse(&write(metadata, marks, 4_096)), (metadata, marks));
            }
            assert_eq!(parse(metadata), (metadata, [None; 2]));
        }
        let long = "x".repeat(4_090);
        assert_eq!(write(&long, [some(7); 2], 4_096), long);
        assert_eq!(parse("{}\nread-up-to x"), ("{}", [None; 2]));
    }

    #[test]
    fn in_the_same_log_nothing_that_was_read_is_younger() {
        let mark = Mark { below: 10, time: LogTime(500) };
        // Nothing came since, or behind. What was read may be gone: that is retention's work.
        assert!(is_same(mark, None) && is_same(mark, Some(10)) && is_same(mark, Some(12)));
        assert!(!is_same(mark, Some(0)) && !is_same(mark, Some(9)));
    }

    #[test]
    fn cursors_are_told_once_and_what_was_known_is_forgotten() {
        let (identities, partition) = (Identities::default(), Partition(3));
        let log = (TopicName::Spans, partition);
        let (first, second) = (identities.watch(log), identities.watch(log));
        assert!(identities.read(TopicName::Spans).is_empty(), "nothing was read");
        first.moved(5, LogTime(100));
        second.moved(4, LogTime(90));
        let mark = Mark { below: 5, time: LogTime(100) };
        assert_eq!(identities.read(TopicName::Spans), [(partition, None, mark)]);
        assert!(identities.read(TopicName::Decisions).is_empty());
        identities.learn(log, None, mark);
        drop(first);
        // The time never goes back.
        let later = Mark { below: 4, time: LogTime(100) };
        assert_eq!(identities.read(TopicName::Spans), [(partition, Some(mark), later)]);
        identities.replaced(log, None);
        assert!(!second.is_replaced(), "it was compared with something older");
        identities.replaced(log, Some(mark));
        assert!(second.is_replaced() && identities.take_replaced(log));
        assert!(!identities.take_replaced(log));
        // What was compared before that is of the old log.
        identities.learn(log, Some(mark), later);
        assert_eq!(identities.mark(log), None);
    }

    #[test]
    fn what_a_checkpoint_says_is_compared_once() {
        let (identities, log) = (Identities::default(), (TopicName::Decisions, Partition(0)));
        let mark = Mark { below: 7, time: LogTime(100) };
        identities.expect(log, Some(mark));
        assert_eq!(identities.unchecked(log), Some(mark));
        identities.learn(log, Some(mark), mark);
        assert_eq!((identities.unchecked(log), identities.mark(log)), (None, Some(mark)));
        identities.expect(log, None);
        assert_eq!((identities.unchecked(log), identities.mark(log)), (None, None));
    }
}
