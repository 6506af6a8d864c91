//! Reading a segment in order: what in it is genuine.

use std::io;

use super::{
    format::{ALIGN, GroupHead, HEAD, PAGE, RecordHead, Seal, group_head_bytes},
    payload,
    segment::Slot,
};
use crate::embedded::disk::Disk;

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// A genuine group head or record head.
pub(super) enum Piece<'a> {
    Group(GroupHead),
    Record {
        head: RecordHead,
        /// The payload as stored; `None` when it is damaged or was not asked for.
        stored: Option<&'a [u8]>,
    },
}

/// Of which records the payloads are read and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payloads {
    All,
    Checkpoints,
}

/// What to do about a page that the disk does not give out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Fail.
    Fail,
    /// Take it for zeros: its records are lost.
    Zeros,
}

/// Visits what is genuine in a slot, in the order of offsets, from the first group to `end`.
///
/// After bytes that are not genuine it looks for the next head at every multiple of 64: heads are
/// sealed with a secret salt, so that no payload can hold one.
pub(super) fn scan<D: Disk>(
    disk: &D,
    slot: &Slot<D::Slot>,
    seal: Seal,
    end: u64,
    (payloads, unreadable): (Payloads, Unreadable),
    visit: &mut dyn FnMut(Piece<'_>),
) -> io::Result<()> {
    let mut window = Window { disk, slot, end, unreadable, start: 0, buffer: Vec::new() };
    let head_bytes = usize::try_from(group_head_bytes(seal.partitions)).unwrap_or(HEAD);
    let mut at = PAGE;
    while at < end {
        if at.is_multiple_of(PAGE)
            && let Some(head) = GroupHead::read(seal, at, window.get(at, head_bytes)?)
        {
            visit(Piece::Group(head));
            at += head_bytes as u64;
        } else if let Some(head) = RecordHead::read(seal, at, window.get(at, HEAD)?) {
            let wanted = payloads == Payloads::All || head.kind == super::format::Kind::Checkpoint;
            let length = usize::try_from(head.stored).unwrap_or(usize::MAX);
            let stored = if wanted {
                let stored = window.get(at + HEAD as u64, length)?;
                Some(stored)
                    .filter(|stored| stored.len() == length && payload::is_intact(&head, stored))
            } else {
                None
            };
            visit(Piece::Record { head, stored });
            at += head.space();
        } else {
            at += ALIGN;
        }
    }
    Ok(())
}

/// A stretch of a slot in memory.
struct Window<'a, D: Disk> {
    disk: &'a D,
    slot: &'a Slot<D::Slot>,
    end: u64,
    unreadable: Unreadable,
    start: u64,
    buffer: Vec<u8>,
}

impl<D: Disk> Window<'_, D> {
    /// `length` bytes from `offset` on; fewer at the end.
    fn get(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let room = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = length.min(room);
        let held =
            offset >= self.start && offset + length as u64 <= self.start + self.buffer.len() as u64;
        if !held {
            self.load(offset, length.max(PIECE).min(room))?;
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        let rest = self.buffer.get(from..).unwrap_or_default();
        Ok(rest.get(..length).unwrap_or(rest))
    }

    fn load(&mut self, offset: u64, length: usize) -> io::Result<()> {
        self.start = offset;
        self.buffer.clear();
        self.buffer.resize(length, 0);
        let read = match read_full(self.disk, self.slot, &mut self.buffer, offset) {
            Err(_) if self.unreadable == Unreadable::Zeros => {
                self.load_pages(offset);
                length
            }
            read => read?,
        };
        self.buffer.truncate(read);
        Ok(())
    }

    /// Reads page by page, so that one that cannot be read takes no other with it.
    fn load_pages(&mut self, offset: u64) {
        let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
        // Up to the next page, then whole ones.
        let first = page - usize::try_from(offset % PAGE).unwrap_or_default();
        let (mut at, mut length) = (0, first);
        while at < self.buffer.len() {
            let stop = (at + length).min(self.buffer.len());
            if let Some(piece) = self.buffer.get_mut(at..stop)
                && read_full(self.disk, self.slot, piece, offset + at as u64).is_err()
            {
                piece.fill(0);
            }
            (at, length) = (stop, page);
        }
    }
}

/// Fills `buffer` from `offset` on; gives the bytes read, fewer only at the end of the file.
pub(super) fn read_full<D: Disk>(
    disk: &D,
    slot: &Slot<D::Slot>,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match disk.read_at(&slot.file, rest, offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Writes all of `bytes` at `offset`.
pub(super) fn write_full<D: Disk>(
    disk: &D,
    slot: &Slot<D::Slot>,
    bytes: &[u8],
    offset: u64,
) -> io::Result<()> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match disk.write_at(&slot.file, rest, offset + written as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
