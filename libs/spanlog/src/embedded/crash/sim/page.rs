//! One page of a file: what is durable of it, what was written since, and what the cache holds.

use std::sync::Arc;

use fastrand::Rng;

/// Bytes of a page of the cache.
pub(crate) const PAGE: usize = 4096;
/// Bytes that the device writes whole or not at all.
pub(crate) const SECTOR: usize = 512;

/// The content of a page.
pub(super) type Block = [u8; PAGE];

/// What the cache shows after a sync that failed. The kernel calls the page clean in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CacheAfter {
    /// What was written (ext4, xfs).
    #[default]
    New,
    /// What the device holds (btrfs).
    Old,
}

#[derive(Clone, Debug)]
pub(super) struct Page {
    /// What surely survives a power cut.
    durable: Arc<Block>,
    /// What was written since, oldest first: each sector may survive as any of them.
    since: Vec<Arc<Block>>,
    /// What the device answers.
    device: Arc<Block>,
    /// What the cache answers; `None` when the page is not in it.
    cached: Option<Arc<Block>>,
    /// Whether the cache holds what the device has not got.
    dirty: bool,
}

impl Page {
    /// A page that is durable and not in the cache.
    pub(super) fn new(content: &Arc<Block>) -> Self {
        let (durable, device) = (Arc::clone(content), Arc::clone(content));
        Self { durable, since: Vec::new(), device, cached: None, dirty: false }
    }

    /// What a read gives.
    pub(super) fn visible(&self) -> &Arc<Block> {
        self.cached.as_ref().unwrap_or(&self.device)
    }

    pub(super) const fn is_cached(&self) -> bool {
        self.cached.is_some()
    }

    pub(super) const fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Whether a power cut may take something away.
    pub(super) const fn is_unsynced(&self) -> bool {
        !self.since.is_empty()
    }

    /// A read takes the page into the cache.
    pub(super) fn load(&mut self) {
        if self.cached.is_none() {
            self.cached = Some(Arc::clone(&self.device));
        }
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        let mut content = **self.visible();
        content[at..at + bytes.len()].copy_from_slice(bytes);
        let content = Arc::new(content);
        self.since.push(Arc::clone(&content));
        self.cached = Some(content);
        self.dirty = true;
    }

    /// Writes what the cache holds once more.
    pub(super) fn write_again(&mut self) {
        let content = **self.visible();
        self.write(0, &content);
    }

    /// The kernel hands the page to the device, which may still keep it in its own cache.
    pub(super) fn write_back(&mut self) {
        if let Some(cached) = self.cached.as_ref().filter(|_| self.dirty) {
            self.device = Arc::clone(cached);
            self.dirty = false;
        }
    }

    /// The kernel needs memory: only clean pages go.
    pub(super) fn evict(&mut self) {
        if !self.dirty {
            self.cached = None;
        }
    }

    /// All that was written is durable.
    pub(super) fn sync(&mut self) {
        self.write_back();
        self.durable = Arc::clone(&self.device);
        self.since.clear();
    }

    /// The device turns the page down, but has written a subset of its sectors. The kernel calls
    /// it clean.
    pub(super) fn fail(&mut self, after: CacheAfter, random: &mut Rng) {
        let Some(cached) = self.cached.as_ref().filter(|_| self.dirty) else { return };
        let mut mixed = *self.device;
        let taken = random.u8(..);
        for (sector, part) in mixed.chunks_exact_mut(SECTOR).enumerate() {
            if taken & 1 << sector != 0 {
                part.copy_from_slice(&cached[sector * SECTOR..][..SECTOR]);
            }
        }
        self.device = Arc::new(mixed);
        self.since.push(Arc::clone(&self.device));
        self.dirty = false;
        if after == CacheAfter::Old {
            self.cached = Some(Arc::clone(&self.device));
        }
    }

    /// A power cut that leaves the page as it was written last, or as it was durable.
    pub(super) fn cut(&mut self, kept: bool) {
        let last = self.since.last().filter(|_| kept);
        let content = Arc::clone(last.unwrap_or(&self.durable));
        self.settle(&content);
    }

    /// A power cut that leaves any version of each sector, and garbage in some.
    pub(super) fn scatter(&mut self, random: &mut Rng) {
        let mut mixed = *self.durable;
        for (sector, part) in mixed.chunks_exact_mut(SECTOR).enumerate() {
            let range = sector * SECTOR..(sector + 1) * SECTOR;
            if random.u8(..20) == 0 {
                part.fill_with(|| random.u8(..));
            } else if let Some(version) = random.usize(..=self.since.len()).checked_sub(1) {
                part.copy_from_slice(&self.since[version][range]);
            }
        }
        self.settle(&Arc::new(mixed));
    }

    fn settle(&mut self, content: &Arc<Block>) {
        *self = Self::new(content);
    }

    /// Changes what the device holds, behind everybody's back.
    pub(super) fn damage(&mut self, change: impl FnOnce(&mut Block)) {
        let mut content = *self.device;
        change(&mut content);
        self.settle(&Arc::new(content));
    }
}
