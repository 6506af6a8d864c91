//! What stands in the newest segment of a stream, of which only the last group can be torn.

use std::io;

use super::{
    format::{GroupHead, Kind, PAGE, RecordHead, Seal, SlotHeader, round_up},
    scan::{Payloads, Piece, Unreadable, scan},
    segment::{Index, Slot},
    segments::note,
};
use crate::{
    embedded::disk::Disk,
    position::{LogTime, Position},
    reader::Checkpoint,
};

/// What is kept of a segment, and what is not.
pub(super) struct Tail {
    pub(super) index: Index,
    /// Where the next group goes.
    pub(super) end: u64,
    /// The highest number of a group that was seen, kept or not.
    pub(super) group: u64,
    /// What is to be erased: from the end of what is kept to the last byte that might pass for a
    /// part of a group.
    pub(super) torn: Option<(u64, u64)>,
    /// How many groups are damaged.
    pub(super) damaged: usize,
    /// Whether what is damaged may have held records that nothing else tells of.
    pub(super) uncertain: bool,
    pub(super) oldest: u64,
    /// The newest time that any group tells.
    pub(super) time: LogTime,
    /// The latest time of a record.
    pub(super) record_time: LogTime,
    pub(super) checkpoints: Vec<Option<Checkpoint>>,
    /// Whether the checkpoints at the beginning of the segment are there.
    pub(super) has_snapshot: bool,
    /// Whether nothing proves that the newest records were durable.
    pub(super) unproven: bool,
}

/// A group of which something was seen.
struct Seen {
    number: u64,
    offset: u64,
    head: Option<GroupHead>,
    records: u32,
    /// A payload is damaged.
    broken: bool,
    proven: bool,
}

impl Seen {
    fn has_all_heads(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.records == self.records)
    }

    fn is_complete(&self) -> bool {
        self.has_all_heads() && !self.broken
    }

    /// Where the next group begins, if that is known.
    fn end(&self) -> Option<u64> {
        self.head.as_ref().map(|head| head.offset + head.length)
    }
}

/// Reads a segment up to `stop`.
pub(super) fn read<D: Disk>(
    disk: &D,
    slot: &Slot<D::Slot>,
    seal: Seal,
    header: &SlotHeader,
    stop: u64,
) -> io::Result<Tail> {
    let mut groups = Groups { before: header.previous.group, seen: Vec::new(), pieces: Vec::new() };
    let how = (Payloads::All, Unreadable::Fail);
    scan(disk, slot, seal, stop, how, &mut |piece| groups.take(piece))?;
    let kept = groups.judge();
    let mut tail = Tail {
        index: Index::new(seal.partitions),
        end: kept.end,
        group: groups.seen.last().map_or(groups.before, |group| group.number),
        torn: groups.torn(kept.end).map(|end| (kept.end, end.min(stop))),
        damaged: kept.damaged,
        uncertain: kept.uncertain,
        oldest: header.oldest,
        time: header.time,
        record_time: LogTime(0),
        checkpoints: vec![None; seal.partitions],
        has_snapshot: groups
            .seen
            .first()
            .is_some_and(|group| group.offset == PAGE && group.is_complete() && kept.end > PAGE),
        unproven: groups
            .seen
            .iter()
            .rfind(|group| group.offset < kept.end)
            .is_some_and(|group| group.records > 0),
    };
    for head in groups.seen.iter().filter_map(|group| group.head.as_ref()) {
        // What is cut off says nothing that lasts: the next opening would not find it.
        if head.offset < kept.end {
            tail.oldest = tail.oldest.max(head.oldest);
        }
        tail.time = tail.time.max(head.time);
    }
    let how = (Payloads::Checkpoints, Unreadable::Fail);
    scan(disk, slot, seal, kept.end, how, &mut |piece| {
        note(&mut tail.index, &header.next, &piece);
        if let Piece::Record { head, stored } = piece {
            tail.take(&head, stored);
        }
    })?;
    // What is cut off still tells which positions were given before it.
    let cut = groups.seen.iter().find(|group| group.offset == kept.end);
    if let Some(head) = cut.and_then(|group| group.head.clone()) {
        note(&mut tail.index, &header.next, &Piece::Group(head));
    }
    Ok(tail)
}

impl Tail {
    fn take(&mut self, head: &RecordHead, stored: Option<&[u8]>) {
        if head.kind != Kind::Checkpoint {
            self.record_time = self.record_time.max(head.time);
            return;
        }
        let Some(metadata) = stored.and_then(|stored| str::from_utf8(stored).ok()) else { return };
        let at = usize::try_from(head.partition.0).unwrap_or(usize::MAX);
        if let Some(place) = self.checkpoints.get_mut(at) {
            let position = Position(head.position);
            *place = Some(Checkpoint { position, metadata: metadata.to_owned() });
        }
    }
}

/// All groups of a segment of which something was seen, in the order of numbers and offsets.
struct Groups {
    /// The newest group of the segment before.
    before: u64,
    seen: Vec<Seen>,
    /// Where heads stand that may have to be erased, and where they end: the newest ones.
    pieces: Vec<(u64, u64)>,
}

/// What is kept.
struct Kept {
    end: u64,
    damaged: usize,
    uncertain: bool,
}

impl Groups {
    fn take(&mut self, piece: Piece<'_>) {
        let newest = self.seen.last().map_or(self.before, |group| group.number);
        match piece {
            Piece::Group(head) => {
                self.note_piece(head.offset, head.offset + PAGE);
                // A lower number is left from before a cut.
                if head.number > newest {
                    self.seen.push(Seen {
                        number: head.number,
                        offset: head.offset,
                        proven: head.durable + 1 >= head.number,
                        head: Some(head),
                        records: 0,
                        broken: false,
                    });
                }
            }
            Piece::Record { head, stored } => {
                self.note_piece(head.offset, head.offset + head.space());
                #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
                let ahead = head.group.wrapping_sub(newest as u32);
                if ahead > u32::MAX / 2 {
                    return;
                }
                if ahead > 0 {
                    self.seen.push(Seen {
                        number: newest + u64::from(ahead),
                        offset: head.group_offset,
                        head: None,
                        records: 0,
                        broken: false,
                        proven: head.proven,
                    });
                }
                if let Some(group) = self.seen.last_mut() {
                    group.records += 1;
                    group.broken |= stored.is_none();
                }
            }
        }
    }

    /// Of the pieces only the last of a run is needed: they come in order.
    fn note_piece(&mut self, begin: u64, end: u64) {
        match self.pieces.last_mut() {
            Some(last) if begin / PAGE == last.0 / PAGE => last.1 = end.max(last.1),
            _ => self.pieces.push((begin, end)),
        }
    }

    /// The end of the last piece at or behind `kept`.
    fn torn(&self, kept: u64) -> Option<u64> {
        let last = self.pieces.iter().rfind(|(begin, _)| *begin >= kept)?;
        Some(round_up(last.1, PAGE))
    }

    /// What is damaged, and where what is kept ends.
    ///
    /// Everything up to the highest group that is known to have been durable stays. Behind it all
    /// is cut off from the first group on that is not complete: it was not acknowledged.
    fn judge(&self) -> Kept {
        let durable = self.seen.iter().fold(self.before, |durable, group| {
            let claimed = group.head.as_ref().map_or(0, |head| head.durable);
            let proven = if group.proven { group.number - 1 } else { 0 };
            durable.max(claimed).max(proven)
        });
        let mut kept = Kept { end: PAGE, damaged: 0, uncertain: false };
        let mut expected = Some(PAGE);
        let mut before = self.before;
        for group in &self.seen {
            let hole = expected.is_some_and(|expected| expected != group.offset);
            if hole && before < durable {
                kept.damaged += 1;
                kept.uncertain = true;
            }
            if hole && group.number - 1 > durable {
                // What is missing here was not durable, and nothing behind it counts.
                return kept;
            }
            if group.head.is_some() {
                kept.uncertain = false;
            }
            if !group.is_complete() {
                if group.number > durable {
                    kept.end = group.offset;
                    return kept;
                }
                kept.damaged += 1;
                kept.uncertain |= !group.has_all_heads();
            }
            expected = group.end();
            before = group.number;
            kept.end = expected.unwrap_or(kept.end);
        }
        kept
    }
}
