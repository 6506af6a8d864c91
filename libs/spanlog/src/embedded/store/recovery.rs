//! Finding again what was made durable.
//!
//! Only the newest group of a stream can be torn: each is written once the one before it is
//! durable (L1). So what is damaged below it is damage, told as a gap and passed over; an
//! incomplete newest group was never acknowledged and is cut off whole (L9). What is missing is
//! never taken for finished: files that are gone keep the log from being opened.

use std::sync::Arc;

use super::{
    error::{OpenFault, fault},
    format::{PAGE, Seal, SlotHeader},
    identity::{FORMAT, Identity, MARKS, Marks, parse_marks},
    pool::{Bounds, Pool},
    recovered::{Accepted, Cut, Damage, Recovered},
    salts::Salts,
    scan::{read_full, write_full},
    segment::{Before, End, Handle, MAX_RECORDS, Segment},
    segments::{Segments, make_index},
    slots::{Found, Slots},
    state::{Options, Store, position_of},
    stream::{Active, Desk, Stream},
    tail::{self, Tail},
};
use crate::{
    embedded::disk::{Disk, Listed},
    position::LogTime,
    reader::Checkpoint,
    routing::Descriptor,
    topic::TopicName,
};

/// A segment, its header, and whether both copies of that are there.
type Living<S> = (Arc<Segment<S>>, SlotHeader, bool);

impl<D: Disk> Store<D> {
    /// Opens the log on `disk`, or creates it where there are no slots. Reads at most the headers
    /// of all slots and the newest segment of each stream.
    ///
    /// # Errors
    /// [`OpenFault`]. Nothing is deleted, whatever is missing.
    pub(in crate::embedded) fn open(
        disk: Arc<D>,
        options: &Options,
    ) -> Result<(Self, Recovered), OpenFault> {
        let mut salts = Salts::new(options.seed);
        let listed = disk.list().map_err(fault("list the slots", None))?;
        let (identity, created) = identify(&*disk, options, &mut salts, listed.len())?;
        let mut slots = Slots {
            disk,
            log_id: identity.log_id,
            slot_bytes: identity.slot_bytes,
            partitions: usize::try_from(identity.descriptor.partitions).unwrap_or(1),
            lines: Default::default(),
            oldest: [1; 3],
            unused: Vec::new(),
            leftovers: Vec::new(),
        };
        slots.find(&listed)?;
        slots.find_newest()?;
        let recovered = Recovered {
            created,
            descriptor: identity.descriptor,
            checkpoints: Vec::new(),
            newest: LogTime(0),
            cuts: Vec::new(),
            damages: Vec::new(),
            accepted: Vec::new(),
        };
        let mut recovery = Recovery { options, slots, recovered };
        let store = recovery.build(salts, &listed)?;
        Ok((store, recovery.recovered))
    }
}

/// Reads the format, or makes one where there is no log.
fn identify<D: Disk>(
    disk: &D,
    options: &Options,
    salts: &mut Salts,
    slots: usize,
) -> Result<(Identity, bool), OpenFault> {
    let stored = disk.read_file(FORMAT).map_err(fault("read `format`", None))?;
    if let Some(bytes) = stored {
        let text = String::from_utf8_lossy(&bytes);
        let identity = Identity::parse(&text).map_err(OpenFault::Format)?;
        let stored = identity.descriptor.partitions;
        if stored != options.partitions {
            return Err(OpenFault::Partitions { stored });
        }
        return Ok((identity, false));
    }
    if slots > 0 {
        return Err(OpenFault::NoFormat(slots));
    }
    let seed = salts.draw();
    let log_id = u128::from(salts.draw()) << 64 | u128::from(salts.draw());
    let descriptor = Descriptor { epoch: 1, seed, partitions: options.partitions };
    let identity = Identity { descriptor, log_id, slot_bytes: options.slot_bytes };
    disk.replace_file(FORMAT, identity.show().as_bytes(), true)
        .map_err(fault("write `format`", None))?;
    Ok((identity, true))
}

struct Recovery<'a, D: Disk> {
    options: &'a Options,
    slots: Slots<D>,
    recovered: Recovered,
}

impl<D: Disk> Recovery<'_, D> {
    fn marks(&self) -> Result<Marks, OpenFault> {
        let bytes = self.slots.disk.read_file(MARKS).map_err(fault("read `marks`", None))?;
        let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(text.and_then(|text| parse_marks(&text)).unwrap_or_default())
    }

    fn build(&mut self, salts: Salts, listed: &[Listed]) -> Result<Store<D>, OpenFault> {
        let marks = self.marks()?;
        // First everything is looked at: an error leaves the disk as it is.
        let mut tails = Vec::with_capacity(3);
        for topic in TopicName::ALL {
            let tail = self.tail(topic)?;
            self.slots.drop_finished(topic, tail.as_ref().map(|tail| tail.oldest));
            self.slots.identify_missing(topic)?;
            self.refuse_missing(topic, marks[topic.index()])?;
            tails.push(tail);
        }
        let checkpoints = self.checkpoints(tails.first_mut().and_then(Option::as_mut))?;
        let finished: Vec<u64> = checkpoints.iter().map(position_of).collect();
        let segments = Arc::new(Segments::new(
            Arc::clone(&self.slots.disk),
            self.slots.slot_bytes,
            self.slots.partitions,
        ));
        let mut streams = TopicName::ALL.map(|topic| Stream::new(topic, self.slots.partitions));
        for ((topic, stream), tail) in TopicName::ALL.into_iter().zip(&mut streams).zip(tails) {
            self.restore(stream, tail, &segments, marks[topic.index()])?;
            if topic == TopicName::Spans {
                // A checkpoint proves that there were records below it.
                for (next, at) in stream.next.iter_mut().zip(&finished) {
                    if *at > *next {
                        stream.jump = stream.jump.max(*at - *next);
                    }
                }
            }
            let ends: Vec<u64> = match topic {
                // Who goes on at a checkpoint is in the right.
                TopicName::Spans => {
                    stream.next.iter().zip(&finished).map(|(next, at)| *next.max(at)).collect()
                }
                _ => stream.next.clone(),
            };
            segments.publish_ends(topic, &ends);
            segments.publish_starts(topic);
        }
        let existing = listed.iter().map(|listed| listed.number).collect();
        let bounds = Bounds {
            slot_bytes: self.slots.slot_bytes,
            quota: self.options.quota,
            min_free: self.options.min_free,
        };
        let unused = std::mem::take(&mut self.slots.unused);
        let pool = Pool::new(Arc::clone(&self.slots.disk), bounds, unused, existing);
        let desk = Desk {
            disk: Arc::clone(&self.slots.disk),
            segments,
            log_id: self.slots.log_id,
            salts,
            partitions: self.slots.partitions,
            slot_bytes: self.slots.slot_bytes,
            sync: self.options.sync,
            buffer: Vec::new(),
        };
        self.recovered.checkpoints.clone_from(&checkpoints);
        let time = self.recovered.newest;
        let leftovers = std::mem::take(&mut self.slots.leftovers);
        Ok(Store { desk, pool, streams, leftovers, checkpoints, finished, time, broken: None })
    }

    /// What stands in the newest segment of a stream.
    fn tail(&self, topic: TopicName) -> Result<Option<Tail>, OpenFault> {
        let Some((_, found)) = self.slots.lines[topic.index()].last_key_value() else {
            return Ok(None);
        };
        let seal = seal(&found.header, self.slots.partitions);
        let stop = self.slots.slot_bytes - PAGE;
        tail::read(&*self.slots.disk, &found.slot, seal, &found.header, stop)
            .map(Some)
            .map_err(fault("read the newest segment", Some(found.slot.number)))
            .map_err(OpenFault::from)
    }

    /// Every segment from the oldest living to the newest must be there.
    fn refuse_missing(&mut self, topic: TopicName, mark: u64) -> Result<(), OpenFault> {
        let mut missing = self.slots.missing(topic, mark);
        let Some(gone) = missing.first() else { return Ok(()) };
        if !self.options.accept_loss {
            let Accepted { first, last, .. } = gone;
            return Err(OpenFault::Missing(format!(
                "slot files with acknowledged {topic} are missing or cut short (segments {first} \
                 to {last})"
            )));
        }
        self.recovered.accepted.append(&mut missing);
        Ok(())
    }

    /// The checkpoints in the newest segments of the spans.
    fn checkpoints(&self, tail: Option<&mut Tail>) -> Result<Vec<Option<Checkpoint>>, OpenFault> {
        let mut found: Vec<Option<Checkpoint>> = vec![None; self.slots.partitions];
        let Some(tail) = tail else { return Ok(found) };
        let mut complete = tail.has_snapshot;
        merge(&mut found, std::mem::take(&mut tail.checkpoints));
        // Each segment begins with all of them. Where that is damaged, the one before has them.
        let older = self.slots.lines[TopicName::Spans.index()].values().rev().skip(1);
        for older in older {
            if complete {
                break;
            }
            let seal = seal(&older.header, self.slots.partitions);
            let stop = self.slots.slot_bytes - PAGE;
            let read = tail::read(&*self.slots.disk, &older.slot, seal, &older.header, stop)
                .map_err(fault("read a segment", Some(older.slot.number)))?;
            complete = read.has_snapshot;
            merge(&mut found, read.checkpoints);
        }
        Ok(found)
    }

    /// Makes the writing end of a stream, erases what was torn, and lets readers see the rest.
    fn restore(
        &mut self,
        stream: &mut Stream<D>,
        tail: Option<Tail>,
        segments: &Segments<D>,
        mark: u64,
    ) -> Result<(), OpenFault> {
        let topic = stream.topic;
        let line = std::mem::take(&mut self.slots.lines[topic.index()]);
        let lost = mark.saturating_sub(line.last_key_value().map_or(0, |(&id, _)| id));
        let Some(tail) = tail else {
            // Nothing is left of what was there, if there was anything.
            stream.jump = 2 * MAX_RECORDS * lost;
            return Ok(());
        };
        let newest = line.last_key_value().map(|(&id, _)| id).unwrap_or_default();
        let mut living: Vec<Living<D::Slot>> = Vec::new();
        for (id, Found { slot, header, whole }) in line {
            let seal = seal(&header, self.slots.partitions);
            let follows = living.last().is_none_or(|(before, ..)| before.id + 1 == id);
            let before = match (follows, header.jump) {
                (false, _) => Before::Missing,
                (true, 0) => Before::Nothing,
                (true, _) => Before::Jump,
            };
            let base = header.next.clone();
            let segment = Arc::new(Segment::new(id, slot, seal, base, header.time, before));
            if let Some((before, ..)) = living.last() {
                self.end(before, follows.then_some(&header), header.time)?;
            }
            living.push((segment, header, whole));
        }
        let Some((active, header, whole)) = living.last() else { return Ok(()) };
        // Where there is damage, what was torn is the proof that it is damage: it stays, and the
        // segment is not written to any more.
        let proof = tail.damaged > 0 && tail.torn.is_some();
        self.cut(topic, &active.slot, &tail, !proof)?;
        if !whole {
            self.repair(&active.slot, header)?;
        }
        if tail.damaged > 0 {
            let slot = active.slot.number;
            self.recovered.damages.push(Damage { topic, slot, groups: tail.damaged });
        }
        self.recovered.newest = self.recovered.newest.max(tail.time).max(header.time);
        stream.newest = newest;
        stream.group = tail.group;
        stream.durable = tail.group;
        // Where the loss of the oldest ones was accepted, they are finished.
        let first = living.first().map_or(newest, |(segment, ..)| segment.id);
        stream.noted = self.slots.oldest[topic.index()];
        stream.noted_before = stream.noted;
        stream.oldest = stream.noted.max(first);
        stream.unproven = tail.unproven;
        stream.time = tail.record_time.max(header.time);
        stream.next = header
            .next
            .iter()
            .enumerate()
            .map(|(partition, base)| base + tail.index.count(partition))
            .collect();
        // L7: what was damaged may have held positions that nobody knows of.
        stream.jump = if tail.uncertain { MAX_RECORDS } else { 0 } + 2 * MAX_RECORDS * lost;
        stream.full = proof || (!tail.has_snapshot && tail.end > PAGE);
        *active.index_mut() = Some(tail.index);
        let active = Arc::clone(active);
        segments.line_mut(topic).extend(living.into_iter().map(|(segment, ..)| segment));
        stream.active = Some(Active { segment: active, cursor: tail.end, header: None });
        Ok(())
    }

    /// Sets how `segment` ends: the one behind it knows.
    fn end(
        &self,
        segment: &Segment<D::Slot>,
        behind: Option<&SlotHeader>,
        time: LogTime,
    ) -> Result<(), OpenFault> {
        let end = match behind {
            Some(behind) => {
                let next = behind.next.iter().map(|next| next.saturating_sub(behind.jump));
                // Not known where the header is itself put together from what was found.
                let offset = match behind.previous.end {
                    0 => self.slots.slot_bytes - PAGE,
                    offset => offset,
                };
                // The clock may have gone back meanwhile.
                let time = time.max(behind.previous.time);
                End { offset, next: next.collect(), time }
            }
            None => {
                // The files in between are lost: only it can tell.
                let index = make_index(&*self.slots.disk, self.slots.slot_bytes, segment)
                    .map_err(fault("read a segment", Some(segment.slot.number)))?;
                let ends = segment.base.iter().enumerate();
                let next = ends.map(|(partition, base)| base + index.count(partition)).collect();
                End { offset: self.slots.slot_bytes - PAGE, next, time }
            }
        };
        // It ends once.
        let _ended = segment.end.set(end);
        Ok(())
    }

    /// Cuts off what was torn.
    fn cut(
        &mut self,
        topic: TopicName,
        slot: &Handle<D>,
        tail: &Tail,
        erase: bool,
    ) -> Result<(), OpenFault> {
        let Some((begin, end)) = tail.torn else { return Ok(()) };
        let cut = Cut { topic, slot: slot.number, offset: begin, bytes: end - begin };
        self.recovered.cuts.push(cut);
        if erase { self.erase(slot, begin, end) } else { Ok(()) }
    }

    /// L8: no byte behind the kept end may pass for a part of a later group.
    fn erase(&self, slot: &Handle<D>, begin: u64, end: u64) -> Result<(), OpenFault> {
        let failed = || fault("erase a torn group", Some(slot.number));
        let zeros = vec![0; 256 << 10];
        let mut at = begin;
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(zeros.len());
            let piece = zeros.get(..length).unwrap_or_default();
            write_full(&*self.slots.disk, slot, piece, at).map_err(failed())?;
            at += length as u64;
        }
        self.slots.disk.sync_data(&slot.file).map_err(failed())?;
        Ok(())
    }

    /// Writes the copy of the newest segment's header that is not there.
    fn repair(&self, slot: &Handle<D>, header: &SlotHeader) -> Result<(), OpenFault> {
        let failed = || fault("write a slot's header", Some(slot.number));
        let page = header.encode();
        for offset in [0, self.slots.slot_bytes - PAGE] {
            let mut found = [0; 4_096];
            let read = read_full(&*self.slots.disk, slot, &mut found, offset).map_err(failed())?;
            if found.get(..read) == Some(page.as_slice()) {
                continue;
            }
            write_full(&*self.slots.disk, slot, &page, offset).map_err(failed())?;
            self.slots.disk.sync_data(&slot.file).map_err(failed())?;
        }
        Ok(())
    }
}

fn seal(header: &SlotHeader, partitions: usize) -> Seal {
    Seal { salt: header.salt, segment: header.segment, partitions }
}

/// Takes over those of `more` that go forward.
fn merge(found: &mut [Option<Checkpoint>], more: Vec<Option<Checkpoint>>) {
    for (found, more) in found.iter_mut().zip(more) {
        if position_of(&more) >= position_of(found) && more.is_some() {
            *found = more;
        }
    }
}
