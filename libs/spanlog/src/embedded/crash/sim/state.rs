//! What the simulated disk holds at one moment. Cheap to copy.

use std::{collections::BTreeMap, io, sync::Arc};

use fastrand::Rng;
use rustix::io::Errno;

use super::{
    file::File,
    page::{CacheAfter, PAGE, Page},
    versions::Versions,
};
use crate::embedded::disk::Listed;

/// A part of the protocol that the disk takes away, to show that the harness misses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Recovery trusts the page cache.
    KeepCache,
    /// Recovery writes again what the cache holds, and does not ask the disk.
    WriteAgain,
    /// What is torn is not erased.
    KeepTorn,
    /// New slot files are not synced.
    ForgetNewFiles,
    /// Errors of syncs are not looked at.
    ForgiveSyncs,
    /// The next write does not wait for the sync of the one before.
    SyncLate,
}

/// Files, names and their durability.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(super) files: BTreeMap<u64, Arc<File>>,
    /// The file of each slot number; `None` where there is none.
    pub(super) slots: BTreeMap<u32, Versions<Option<u64>>>,
    pub(super) small: BTreeMap<String, Versions<Option<Arc<[u8]>>>>,
    next_file: u64,
    pub(super) random: Rng,
    /// Bytes that the disk has.
    pub(crate) capacity: u64,
    /// What the cache shows after a sync that failed.
    pub(crate) cache_after: CacheAfter,
    /// Syncs answer Ok, but the device keeps what it got in memory.
    pub(crate) lying: bool,
    /// In how many of 256 calls the kernel does something by itself: writes a page back, drops
    /// one.
    pub(crate) restless: u8,
    pub(crate) sabotage: Option<Sabotage>,
    /// Files whose sync was put off.
    late: Vec<u64>,
}

impl State {
    /// An empty disk.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            files: BTreeMap::new(),
            slots: BTreeMap::new(),
            small: BTreeMap::new(),
            next_file: 0,
            random: Rng::with_seed(seed),
            capacity: u64::MAX,
            cache_after: CacheAfter::New,
            lying: false,
            restless: 0,
            sabotage: None,
            late: Vec::new(),
        }
    }

    /// A random number.
    pub(crate) fn draw(&mut self) -> u64 {
        self.random.u64(..)
    }

    pub(super) fn file(&mut self, id: u64) -> io::Result<&mut File> {
        self.files.get_mut(&id).map(Arc::make_mut).ok_or_else(|| Errno::BADF.into())
    }

    fn named(&self, number: u32) -> Option<u64> {
        self.slots.get(&number).and_then(|name| *name.visible())
    }

    pub(crate) fn list(&self) -> Vec<Listed> {
        let names =
            self.slots.iter().filter_map(|(&number, name)| Some((number, (*name.visible())?)));
        names.map(|(number, id)| Listed { number, len: *self.files[&id].len.visible() }).collect()
    }

    /// Bytes that the slot files take.
    pub(crate) fn used(&self) -> u64 {
        self.list().iter().map(|slot| slot.len).sum()
    }

    pub(super) fn open(&self, number: u32) -> io::Result<u64> {
        self.named(number).ok_or_else(|| Errno::NOENT.into())
    }

    pub(super) fn create(&mut self, number: u32, size: u64) -> io::Result<u64> {
        if self.named(number).is_some() {
            return Err(Errno::EXIST.into());
        }
        if self.used().saturating_add(size) > self.capacity {
            return Err(Errno::NOSPC.into());
        }
        let id = self.next_file;
        self.next_file += 1;
        self.files.insert(id, Arc::new(File::new(size, &Arc::new([0; PAGE]))));
        self.slots.entry(number).or_insert_with(|| Versions::new(None)).set(Some(id));
        Ok(id)
    }

    pub(super) fn unlink(&mut self, number: u32) -> io::Result<()> {
        self.open(number)?;
        if let Some(name) = self.slots.get_mut(&number) {
            name.set(None);
        }
        Ok(())
    }

    pub(super) fn sync_folder(&mut self) {
        if !self.lying && self.sabotage != Some(Sabotage::ForgetNewFiles) {
            self.slots.values_mut().for_each(Versions::sync);
            self.small.values_mut().for_each(Versions::sync);
        }
    }

    /// Waits for the device; with `failing`, it turns down what is dirty.
    pub(super) fn sync(&mut self, id: u64, failing: bool) -> io::Result<()> {
        let (after, lying) = (self.cache_after, self.lying);
        let mut random = self.random.fork();
        let forgiving = self.sabotage == Some(Sabotage::ForgiveSyncs);
        if self.sabotage == Some(Sabotage::SyncLate) {
            for late in std::mem::replace(&mut self.late, vec![id]) {
                self.file(late)?.sync(lying);
            }
            return Ok(());
        }
        let file = self.file(id)?;
        if failing {
            file.fail(after, &mut random);
        } else {
            file.sync(lying);
        }
        if (std::mem::take(&mut file.late_error) || failing) && !forgiving {
            return Err(Errno::IO.into());
        }
        Ok(())
    }

    /// Forgets the clean pages of a file.
    pub(super) fn drop_cache(&mut self, id: u64) -> io::Result<()> {
        let sabotage = self.sabotage;
        let file = self.file(id)?;
        match sabotage {
            Some(Sabotage::KeepCache) => {}
            Some(Sabotage::WriteAgain) => file.pages.iter_mut().for_each(Page::write_again),
            _ => file.pages.iter_mut().for_each(Page::evict),
        }
        Ok(())
    }

    /// Writing back fails in the background; the next sync of the file tells it.
    pub(crate) fn fail_later(&mut self, number: u32) {
        let (id, after) = (self.named(number).expect("a slot"), self.cache_after);
        let mut random = self.random.fork();
        let file = self.file(id).expect("a file");
        file.fail(after, &mut random);
        file.late_error = true;
    }

    pub(super) fn replace(&mut self, name: &str, bytes: &[u8], durable: bool) {
        let lying = self.lying;
        let entry = self.small.entry(name.to_owned()).or_insert_with(|| Versions::new(None));
        entry.set(Some(bytes.into()));
        if durable && !lying {
            entry.sync();
        }
    }

    /// The kernel writes a page back or drops one, by itself.
    pub(super) fn stir(&mut self) {
        if self.restless == 0 || self.random.u8(..) >= self.restless {
            return;
        }
        let ids: Vec<u64> = self.files.keys().copied().collect();
        let Some(&id) = self.random.choice(&ids) else { return };
        let (choice, write_back) = (self.random.usize(..), self.random.bool());
        let Ok(file) = self.file(id) else { return };
        let touched =
            file.pages.iter_mut().filter(|page| page.is_dirty() == write_back && page.is_cached());
        let mut touched: Vec<_> = touched.collect();
        if touched.is_empty() {
            return;
        }
        let chosen = choice % touched.len();
        if write_back { touched[chosen].write_back() } else { touched[chosen].evict() }
    }
}
