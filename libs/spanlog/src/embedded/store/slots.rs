//! Finding the slots and the segments in them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    error::{OpenFault, fault},
    format::{
        FORMAT_VERSION, GroupHead, HeaderPage, PAGE, Previous, Seal, SlotHeader, group_head_bytes,
    },
    recovered::Accepted,
    scan::read_full,
    segment::{Handle, Slot},
};
use crate::{
    embedded::disk::{Disk, Listed},
    topic::TopicName,
};

/// A slot and what its header says.
pub(super) struct Found<S> {
    pub(super) slot: Arc<Slot<S>>,
    pub(super) header: SlotHeader,
    /// Whether both copies of it are there.
    pub(super) whole: bool,
}

/// The segments of one stream by id.
pub(super) type Line<S> = BTreeMap<u64, Found<S>>;

/// All slots of a log.
pub(super) struct Slots<D: Disk> {
    pub(super) disk: Arc<D>,
    pub(super) log_id: u128,
    pub(super) slot_bytes: u64,
    pub(super) partitions: usize,
    /// The segments of each stream.
    pub(super) lines: [Line<D::Slot>; 3],
    /// The oldest living segments.
    pub(super) oldest: [u64; 3],
    /// Slots of the right size whose header is not valid, or not that of a living segment.
    pub(super) unused: Vec<Handle<D>>,
    /// Slot files of the wrong size that hold nothing: made, or given back, half.
    pub(super) leftovers: Vec<Listed>,
}

impl<D: Disk> Slots<D> {
    /// Opens all slots and reads their headers.
    pub(super) fn find(&mut self, listed: &[Listed]) -> Result<(), OpenFault> {
        let mut headers = Vec::new();
        for &Listed { number, len } in listed {
            if len != self.slot_bytes {
                // Given back once it is known that no segment is missing.
                self.leftovers.push(Listed { number, len });
                continue;
            }
            let file = self.disk.open_slot(number).map_err(fault("open a slot", Some(number)))?;
            // What a process that was killed had written is durable from here on, or known not
            // to be.
            self.disk.sync_data(&file).map_err(fault("sync a slot", Some(number)))?;
            headers.push(Arc::new(Slot { number, file }));
        }
        for slot in headers {
            match self.header(&slot)? {
                Some((header, whole)) => self.place(slot, header, whole),
                None => self.unused.push(slot),
            }
        }
        if !self.unused.is_empty() {
            // A process that was killed may have made one that no folder on the disk has yet. Those
            // with a header are in it: they are written to once they are.
            self.disk.sync_folder().map_err(fault("sync the folder of the slots", None))?;
        }
        Ok(())
    }

    fn place(&mut self, slot: Handle<D>, header: SlotHeader, whole: bool) {
        let line = &mut self.lines[header.stream.index()];
        let id = header.segment;
        if let Some(before) = line.insert(id, Found { slot, header, whole }) {
            // Two of one id cannot be. One of them stays out of use.
            self.unused.push(before.slot);
        }
    }

    /// The valid header of a slot with the higher segment, and whether both copies hold it.
    fn header(&self, slot: &Handle<D>) -> Result<Option<(SlotHeader, bool)>, OpenFault> {
        let mut pages = Vec::with_capacity(2);
        for offset in [0, self.slot_bytes - PAGE] {
            let mut page = [0; 4_096];
            let read = read_full(&*self.disk, slot, &mut page, offset)
                .map_err(fault("read a slot's header", Some(slot.number)))?;
            match SlotHeader::decode(page.get(..read).unwrap_or_default()) {
                HeaderPage::Valid(header) => {
                    let own = header.log_id == self.log_id && header.next.len() == self.partitions;
                    if !own {
                        let detail = "belongs to another log".to_owned();
                        return Err(OpenFault::Foreign { slot: slot.number, detail });
                    }
                    pages.push(header);
                }
                HeaderPage::Version(version) => {
                    let detail = format!(
                        "is written in format {version}, this version reads {FORMAT_VERSION}"
                    );
                    return Err(OpenFault::Foreign { slot: slot.number, detail });
                }
                HeaderPage::Invalid => {}
            }
        }
        let whole = pages.len() == 2 && pages.first() == pages.last();
        Ok(pages.into_iter().max_by_key(|header| header.segment).map(|header| (header, whole)))
    }

    /// Reads the newest segments' headers from the disk itself: after a failed sync, memory may
    /// hold what the disk does not (L8).
    pub(super) fn find_newest(&mut self) -> Result<(), OpenFault> {
        for topic in TopicName::ALL {
            let mut looked_at = BTreeSet::new();
            while let Some((&id, found)) = self.lines[topic.index()].last_key_value() {
                let slot = Arc::clone(&found.slot);
                if !looked_at.insert((id, slot.number)) {
                    break;
                }
                self.disk
                    .drop_cache(&slot.file)
                    .map_err(fault("drop the cache of a slot", Some(slot.number)))?;
                let header = self.header(&slot)?;
                if header.as_ref().map(|(header, _)| header) == Some(&found.header) {
                    break;
                }
                self.lines[topic.index()].remove(&id);
                match header {
                    Some((header, whole)) => self.place(slot, header, whole),
                    None => self.unused.push(slot),
                }
            }
        }
        Ok(())
    }

    /// Takes the segments that are finished out of the line.
    pub(super) fn drop_finished(&mut self, topic: TopicName, told: Option<u64>) {
        let line = &mut self.lines[topic.index()];
        let noted = line.last_key_value().map_or(0, |(_, found)| found.header.oldest);
        let oldest = told.unwrap_or_default().max(noted).max(1);
        self.oldest[topic.index()] = oldest;
        let living = line.split_off(&oldest);
        let finished = std::mem::replace(line, living);
        self.unused.extend(finished.into_values().map(|found| found.slot));
    }

    /// Looks for segments both of whose headers are lost: the one behind knows their salt.
    pub(super) fn identify_missing(&mut self, topic: TopicName) -> Result<(), OpenFault> {
        let Some((&newest, _)) = self.lines[topic.index()].last_key_value() else {
            return Ok(());
        };
        for id in (self.oldest[topic.index()]..newest).rev() {
            if self.lines[topic.index()].contains_key(&id) {
                continue;
            }
            let Some(behind) = self.lines[topic.index()].get(&(id + 1)) else { continue };
            let previous = behind.header.previous;
            let seal = Seal { salt: previous.salt, segment: id, partitions: self.partitions };
            let mut identified = None;
            for (at, slot) in self.unused.iter().enumerate() {
                if let Some(head) = self.first_group(slot, seal)? {
                    identified = Some((at, head));
                    break;
                }
            }
            let Some((at, head)) = identified else { continue };
            let header = SlotHeader {
                log_id: self.log_id,
                stream: topic,
                segment: id,
                salt: previous.salt,
                previous: Previous::default(),
                oldest: head.oldest,
                time: head.time,
                jump: 0,
                next: head.next,
            };
            let slot = self.unused.remove(at);
            self.place(slot, header, false);
        }
        Ok(())
    }

    fn first_group(&self, slot: &Handle<D>, seal: Seal) -> Result<Option<GroupHead>, OpenFault> {
        let length = usize::try_from(group_head_bytes(self.partitions)).unwrap_or_default();
        let mut bytes = vec![0; length];
        let read = read_full(&*self.disk, slot, &mut bytes, PAGE)
            .map_err(fault("read a slot", Some(slot.number)))?;
        Ok(GroupHead::read(seal, PAGE, bytes.get(..read).unwrap_or_default()))
    }

    /// The segments between the oldest living and the newest that are not there, and those up to
    /// `mark`, which was the newest once.
    pub(super) fn missing(&self, topic: TopicName, mark: u64) -> Vec<Accepted> {
        let line = &self.lines[topic.index()];
        let mut missing = Vec::new();
        let mut expected = self.oldest[topic.index()];
        for &id in line.keys() {
            if id > expected {
                missing.push(Accepted { topic, first: expected, last: id - 1 });
            }
            expected = id + 1;
        }
        let newest = line.last_key_value().map_or(0, |(&newest, _)| newest);
        if mark > newest {
            missing.push(Accepted { topic, first: newest + 1, last: mark });
        }
        missing
    }
}
