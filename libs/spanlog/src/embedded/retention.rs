//! Which slices can go, and how they do.

use std::sync::atomic::Ordering;

use super::{
    recovery::{Base, base_key, encode_base},
    shared::Refusal,
    slices::{Slice, Slices},
    state::Appender,
    store::{Store, StoreError},
};
use crate::{position::LogTime, topic::TopicName};

impl Appender {
    /// Removes the slices that nobody needs any more. Says whether there were any.
    pub(super) fn remove_finished(&mut self, store: &Store) -> Result<bool, StoreError> {
        let now = self.clock.now(&self.shared.hooks.clock);
        let mut doomed = Vec::new();
        {
            let mut slices = self.shared.slices_mut();
            for (topic, count) in self.count_finished(&mut slices, now) {
                for slice in slices.of_mut(topic).drain(..count) {
                    let newest = &mut self.upkeep.newest_ids[topic.index()];
                    *newest = slice.id.max(*newest);
                    doomed.push((topic, slice));
                }
            }
            if doomed.is_empty() && self.upkeep.undeleted.is_empty() {
                return Ok(false);
            }
            self.shared.publish_extents(&slices, &self.next);
            self.shared.meters.slices.set(slices.all().count() as f64);
        }
        let kept = self.keep_positions(store, &doomed);
        self.shared.meters.slices_removed.increment(doomed.len() as u64);
        self.upkeep.undeleted.extend(doomed.into_iter().map(|(_, slice)| slice.keyspace));
        kept?;
        while let Some(keyspace) = self.upkeep.undeleted.pop() {
            if let Err(error) = store.delete(keyspace.clone()) {
                self.upkeep.undeleted.push(keyspace);
                return Err(error);
            }
        }
        Ok(true)
    }

    /// How many of the oldest slices of each topic can go.
    fn count_finished(&self, slices: &mut Slices, now: LogTime) -> Vec<(TopicName, usize)> {
        let settings = &self.shared.settings;
        let used = self.shared.disk_bytes.load(Ordering::Relaxed);
        let pressed = used > settings.quota / 5 * 4 || self.shared.refusal() != Refusal::None;
        let retain = if pressed { 0 } else { settings.retain };
        let committed = self.shared.checkpoints().durable().to_vec();
        let finished = |slice: &Slice| slice.is_finished(&committed);
        // Decisions serve until every span they may be about is finished.
        let unfinished = slices.of(TopicName::Spans).iter().find(|slice| !finished(slice));
        let horizon = unfinished.map_or(now, |slice| slice.first_time);

        let spans = slices.of_mut(TopicName::Spans);
        if pressed && let Some(newest) = spans.last_mut().filter(|slice| finished(slice)) {
            newest.sealed = true;
        }
        let of_spans = spans.iter().take_while(|slice| slice.sealed && finished(slice)).count();
        let mut surplus: u64 = spans.iter().take(of_spans).map(|slice| slice.bytes).sum();
        let surplus_fits = |slice: &&Slice| {
            surplus = surplus.saturating_sub(slice.bytes);
            surplus >= retain
        };
        let of_spans = spans.iter().take(of_spans).take_while(surplus_fits).count();

        let expired = |slice: &Slice, now: LogTime, retention| {
            now.since(slice.last_time) >= retention && slice.last_time < now
        };
        let decisions = slices.of(TopicName::Decisions);
        let retention = settings.decision_retention;
        let of_decisions =
            decisions.iter().take_while(|slice| expired(slice, horizon, retention)).count();

        let letters = slices.of(TopicName::DeadLetters);
        let mut bytes: u64 = letters.iter().map(|slice| slice.bytes).sum();
        let of_letters = letters
            .iter()
            .take_while(|slice| {
                let too_many = slice.sealed && bytes > settings.dead_letter_bytes();
                bytes -= slice.bytes;
                too_many || expired(slice, now, settings.dead_letter_retention)
            })
            .count();
        [
            (TopicName::Spans, of_spans),
            (TopicName::Decisions, of_decisions),
            (TopicName::DeadLetters, of_letters),
        ]
        .into()
    }

    /// Stores the positions of the topics that lose slices: when the newest goes, or those that
    /// stay are empty, nothing else would keep positions from beginning again below.
    fn keep_positions(
        &self,
        store: &Store,
        doomed: &[(TopicName, Slice)],
    ) -> Result<(), StoreError> {
        let mut batch = store.batch(TopicName::ALL.len());
        for topic in TopicName::ALL {
            let newest = doomed.iter().rfind(|(doomed, _)| *doomed == topic);
            if let Some((_, newest)) = newest {
                let next = self.next[topic.index()].clone();
                let base = Base { time: newest.last_time, next };
                batch.insert(&store.meta, base_key(topic), encode_base(&base));
            }
        }
        if batch.is_empty() { Ok(()) } else { self.commit(store, batch) }
    }
}
