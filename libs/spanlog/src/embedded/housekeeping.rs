//! What the writer thread does between batches: writing old slices to tables, watching the disk,
//! opening the store again after a failure.

use std::time::{Duration, Instant};

use super::{
    folder::RESERVE,
    recovery,
    shared::Refusal,
    slices::Slices,
    state::Appender,
    store::{Store, StoreError, is_flushing},
};

/// How often it looks around at least.
const INTERVAL: Duration = Duration::from_millis(200);

/// How often the marks are written.
const MARKS_INTERVAL: Duration = Duration::from_secs(1);

/// Pause between attempts to open a failed store again.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// Free bytes that opening a store and removing slices from it needs. The reserve gives as much.
const ROOM_TO_OPEN: u64 = RESERVE / 2;

/// Failures in a row, none of them for lack of room, after which the log gives up writing.
const MAX_FAILURES: u32 = 5;

impl Appender {
    /// What is due now.
    pub(super) fn look_around(&mut self) {
        if let Some(due) = self.upkeep.reopen {
            self.watch_disk();
            if Instant::now() >= due && self.free() >= ROOM_TO_OPEN {
                self.reopen();
                // At once, before tables that the store goes on writing fill the disk again: what
                // is finished makes room.
                if self.upkeep.reopen.is_none()
                    && let Err(error) = self.store_checkpoints().and_then(|()| self.tidy())
                {
                    self.store_failed(&error);
                }
            }
            return;
        }
        self.wait_for_flushes();
        let appended = self.appended - self.upkeep.looked_at;
        if self.upkeep.looked.elapsed() < INTERVAL
            && appended < self.shared.settings.slice_bytes() / 2
        {
            return;
        }
        self.upkeep.looked = Instant::now();
        self.upkeep.looked_at = self.appended;
        if let Err(error) = self.tidy() {
            self.store_failed(&error);
        }
        self.watch_disk();
        if self.upkeep.marked.elapsed() >= MARKS_INTERVAL {
            self.write_marks();
        }
        let meters = &self.shared.meters;
        meters.waiting_bytes.set(self.shared.queue.waiting() as f64);
        meters.tail_bytes.set(self.shared.tail().bytes() as f64);
    }

    fn tidy(&mut self) -> Result<(), StoreError> {
        let Some(store) = self.store.take() else { return Ok(()) };
        let result = self.tidy_with(&store);
        self.store = Some(store);
        result?;
        self.store_checkpoints()
    }

    fn tidy_with(&mut self, store: &Store) -> Result<(), StoreError> {
        if !store.is_healthy() {
            return Err(StoreError::Poisoned);
        }
        self.upkeep.failures = 0;
        let removed = self.remove_finished(store)?;
        self.flush_old(store)?;
        if removed { store.reclaim() } else { Ok(()) }
    }

    /// Has slices written to tables whose oldest records have been in memory for long.
    fn flush_old(&mut self, store: &Store) -> Result<(), StoreError> {
        let flush_after = self.shared.settings.flush_after();
        let appended = self.appended;
        let mut slices = self.shared.slices_mut();
        for slice in slices.all_mut() {
            let Some(since) = slice.unflushed_since else { continue };
            if appended - since >= flush_after && store.flush(&slice.keyspace)? {
                slice.unflushed_since = None;
                self.upkeep.flushing.push((slice.keyspace.clone(), slice.bytes));
            }
        }
        Ok(())
    }

    /// Waits while more is on its way to tables than memory was set aside for.
    fn wait_for_flushes(&mut self) {
        let settings = &self.shared.settings;
        let room = settings.memtables - settings.flush_after();
        loop {
            self.upkeep.flushing.retain(|(keyspace, _)| is_flushing(keyspace));
            let bytes: u64 = self.upkeep.flushing.iter().map(|(_, bytes)| bytes).sum();
            let healthy = self.store.as_ref().is_some_and(Store::is_healthy);
            if bytes <= room || !healthy || self.shared.is_closed() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Looks how full the log and the disk are, and refuses or takes data accordingly.
    pub(super) fn watch_disk(&mut self) {
        let settings = &self.shared.settings;
        let (used, free) = (self.used(), self.free());
        self.shared.disk_bytes.store(used, std::sync::atomic::Ordering::Relaxed);
        self.shared.meters.disk_bytes.set(used as f64);
        self.shared.meters.free_bytes.set(free as f64);
        // What is in memory only will be written to tables beside the journal.
        let ahead = used + settings.flush_after().min(settings.quota / 8);
        let before = self.shared.refusal();
        // Some room must come back before data is taken again, or it would flutter.
        let slack = |on: bool, bound: u64| if on { bound / 16 } else { 0 };
        let low = settings.min_free + slack(before == Refusal::DiskLow, settings.min_free);
        let quota = settings.quota - slack(before == Refusal::Quota, settings.quota);
        let refusal = if self.upkeep.reopen.is_some() || free < settings.min_free / 4 {
            Refusal::DiskFull
        } else if free < low {
            Refusal::DiskLow
        } else if ahead > quota {
            Refusal::Quota
        } else {
            Refusal::None
        };
        if refusal == Refusal::None
            && free > settings.min_free.saturating_add(4 * RESERVE)
            && let Err(error) = self.folder.reserve()
        {
            tracing::debug!(%error, "setting room aside failed");
        }
        if before != refusal && before != Refusal::Broken {
            self.shared.set_refusal(refusal);
            tell(refusal, used, settings.quota, free);
        }
    }

    /// Bytes that the log takes on the disk.
    fn used(&self) -> u64 {
        let tables: u64 = self.shared.slices().all().map(|slice| slice.keyspace.disk_space()).sum();
        let journal = self.store.as_ref().map_or(Ok(0), Store::journal_bytes);
        journal.unwrap_or_default() + tables
    }

    /// Free bytes of the disk. One that cannot be asked does not stop the log: a real lack of
    /// room is survived.
    fn free(&self) -> u64 {
        self.shared.hooks.free(self.folder.path()).unwrap_or(u64::MAX)
    }

    /// A write failed: sees to it that the store is opened again, or gives up. Says whether it was
    /// for lack of room.
    pub(super) fn store_failed(&mut self, error: &StoreError) -> bool {
        // A background worker does not say what it failed of.
        let full = *error == StoreError::Full
            || self.free() < self.shared.settings.min_free.max(4 * RESERVE);
        if let (StoreError::Failed(reason), false) = (error, full) {
            // Whether the disk holds what was written is unknown, and asking it again may be
            // answered from memory: only a restart brings certainty.
            tracing::error!(reason, "writing the log failed: check the disk, then restart");
            self.shared.set_broken(format!("{reason}; check the disk, then restart"));
            return false;
        }
        if !full {
            self.upkeep.failures += 1;
        }
        if self.upkeep.failures > MAX_FAILURES {
            let reason = "the store failed again and again: check the disk, then restart";
            tracing::error!("{reason}");
            self.shared.set_broken(reason.to_owned());
            return false;
        }
        if full {
            self.folder.release_reserve();
        }
        self.upkeep.reopen = Some(Instant::now() + REOPEN_PAUSE);
        if self.shared.set_refusal(Refusal::DiskFull) != Refusal::DiskFull {
            tracing::warn!(?error, "the log cannot write: nothing is taken until it can again");
        }
        full
    }

    /// Opens the store again. Readers wait meanwhile.
    fn reopen(&mut self) {
        let shared = std::sync::Arc::clone(&self.shared);
        let _no_readers = shared.close_gate();
        *shared.slices_mut() = Slices::default();
        self.upkeep.flushing.clear();
        self.upkeep.undeleted.clear();
        self.store = None;
        self.upkeep.reopen = Some(Instant::now() + REOPEN_PAUSE);
        let path = self.folder.store();
        let opened = Store::open(&path, shared.settings.sync).and_then(|store| {
            recovery::recover(&store, &path, &shared.settings).map(|found| (store, found))
        });
        let (store, found) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.upkeep.failures += 1;
                tracing::error!(%error, "opening the store again failed");
                if self.upkeep.failures > MAX_FAILURES {
                    shared.set_broken(error.to_string());
                    self.upkeep.reopen = None;
                }
                return;
            }
        };
        let pairs = self.next.iter().flatten().zip(found.next.iter().flatten());
        if pairs.into_iter().any(|(known, found)| found < known) {
            let reason = "acknowledged records are missing after the store was opened again";
            tracing::error!("{reason}");
            shared.set_broken(reason.to_owned());
        }
        self.next = found.next;
        let mut slices = found.slices;
        for slice in slices.all_mut() {
            slice.unflushed_since = Some(self.appended);
        }
        shared.publish_extents(&slices, &self.next);
        *shared.slices_mut() = slices;
        // Records whose appends failed may have been written after all, between what the tail
        // holds and what comes next.
        shared.tail().clear();
        shared.wake_readers();
        self.store = Some(store);
        self.upkeep.reopen = None;
        shared.meters.reopened.increment(1);
        tracing::info!("the store is open again");
        self.watch_disk();
    }

    /// Notes how far each partition is durable.
    pub(super) fn write_marks(&mut self) {
        self.upkeep.marked = Instant::now();
        let ends: Vec<u64> = self.next.iter().flatten().copied().collect();
        if ends == self.upkeep.marks {
            return;
        }
        match self.folder.write_marks(&ends) {
            Ok(()) => self.upkeep.marks = ends,
            // They are a second proof only; a full disk is told elsewhere.
            Err(error) => tracing::debug!(%error, "writing the marks failed"),
        }
    }
}

fn tell(refusal: Refusal, used: u64, quota: u64, free: u64) {
    match refusal {
        Refusal::None => tracing::info!(used, quota, free, "the log takes spans again"),
        Refusal::Quota => {
            tracing::warn!(used, quota, "the log has reached its quota: spans are refused");
        }
        Refusal::DiskLow => {
            tracing::warn!(
                free,
                "the disk is nearly full: spans are refused, what is in the log \
                                  is still exported"
            );
        }
        Refusal::DiskFull => {
            tracing::error!(free, "the disk is full: nothing is taken until there is room");
        }
        Refusal::Broken => {}
    }
}
