//! A slot file: its pages and its length.

use std::{collections::BTreeSet, io, ops::Range, sync::Arc};

use fastrand::Rng;

use super::{
    page::{Block, CacheAfter, PAGE, Page, SECTOR},
    versions::Versions,
};

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) pages: Vec<Page>,
    pub(super) len: Versions<u64>,
    /// Sectors that the device cannot read.
    unreadable: BTreeSet<usize>,
    /// Writing back failed in the background; the next sync tells it, once.
    pub(super) late_error: bool,
}

impl File {
    /// A new file whose length is not durable.
    pub(super) fn new(size: u64, zeros: &Arc<Block>) -> Self {
        let mut len = Versions::new(0);
        len.set(size);
        let pages = vec![Page::new(zeros); to_usize(size).div_ceil(PAGE)];
        Self { pages, len, unreadable: BTreeSet::new(), late_error: false }
    }

    fn len(&self) -> usize {
        to_usize(*self.len.visible())
    }

    /// The pieces of `range`: the page, where in it, where in the buffer.
    fn pieces(range: Range<usize>) -> impl Iterator<Item = (usize, usize, Range<usize>)> {
        let start = range.start;
        let first = start / PAGE;
        (first..range.end.div_ceil(PAGE)).map(move |page| {
            let from = range.start.max(page * PAGE);
            let to = range.end.min((page + 1) * PAGE);
            (page, from - page * PAGE, from - start..to - start)
        })
    }

    pub(super) fn read(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = to_usize(offset);
        let end = self.len().min(offset + buffer.len()).max(offset);
        for (page, within, part) in Self::pieces(offset..end) {
            let sectors = page * PAGE / SECTOR..(page + 1) * PAGE / SECTOR;
            let page = &mut self.pages[page];
            if !page.is_cached() && self.unreadable.range(sectors).next().is_some() {
                return Err(rustix::io::Errno::IO.into());
            }
            page.load();
            let len = part.len();
            buffer[part].copy_from_slice(&page.visible()[within..within + len]);
        }
        Ok(end - offset)
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let offset = to_usize(offset);
        if offset + bytes.len() > self.len() {
            // A slot never grows: to write behind its end is a mistake of the caller.
            return Err(rustix::io::Errno::INVAL.into());
        }
        for (page, within, part) in Self::pieces(offset..offset + bytes.len()) {
            self.pages[page].write(within, &bytes[part]);
        }
        for sector in offset.div_ceil(SECTOR)..(offset + bytes.len()) / SECTOR {
            self.unreadable.remove(&sector);
        }
        Ok(bytes.len())
    }

    pub(super) fn set_len(&mut self, len: u64) -> io::Result<()> {
        if len > *self.len.visible() {
            return Err(rustix::io::Errno::INVAL.into());
        }
        self.len.set(len);
        Ok(())
    }

    /// All that was written is durable, unless the device lies: then it only has it.
    pub(super) fn sync(&mut self, lying: bool) {
        for page in &mut self.pages {
            if lying { page.write_back() } else { page.sync() }
        }
        if !lying {
            self.len.sync();
        }
    }

    pub(super) fn fail(&mut self, after: CacheAfter, random: &mut Rng) {
        self.pages.iter_mut().for_each(|page| page.fail(after, random));
    }

    /// Flips the lowest bits of `mask` in the byte at `offset`.
    pub(super) fn flip(&mut self, offset: usize, mask: u8) {
        self.pages[offset / PAGE].damage(|block| block[offset % PAGE] ^= mask);
    }

    /// What the device holds of a sector.
    pub(super) fn sector(&self, sector: usize) -> [u8; SECTOR] {
        let at = sector * SECTOR;
        let mut content = [0; SECTOR];
        content.copy_from_slice(&self.pages[at / PAGE].visible()[at % PAGE..][..SECTOR]);
        content
    }

    pub(super) fn set_sector(&mut self, sector: usize, content: &[u8]) {
        let at = sector * SECTOR;
        self.pages[at / PAGE].damage(|block| block[at % PAGE..][..SECTOR].copy_from_slice(content));
    }

    pub(super) fn make_unreadable(&mut self, sector: usize) {
        self.pages[sector * SECTOR / PAGE].damage(|_| {});
        self.unreadable.insert(sector);
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).expect("simulated files are small")
}
