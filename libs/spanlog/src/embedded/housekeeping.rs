//! What the writer thread does between batches. None of it waits for the disk but for groups of
//! its own when nothing is appended (L11).

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{
    disk::Disk,
    shared::Refusal,
    state::Appender,
    store::{Broken, NoRoom},
};

/// How often it looks around.
const INTERVAL: Duration = Duration::from_millis(200);

/// Without appends for so long, the newest records are sealed.
const IDLE: Duration = Duration::from_millis(100);

/// How often slots are made or given back, and marks are written.
const SLOW_INTERVAL: Duration = Duration::from_secs(1);

impl<D: Disk> Appender<D> {
    /// What is due now.
    pub(super) fn look_around(&mut self) -> Result<(), Broken> {
        let idle = self.upkeep.committed.elapsed() >= IDLE;
        let mut sealing = idle && self.store.wants_seal();
        if self.upkeep.looked.elapsed() >= INTERVAL || self.shared.queue.was_woken() {
            self.upkeep.looked = Instant::now();
            if self.shared.checkpoints().is_dirty() {
                self.write_checkpoints()?;
            }
            // What was freed the last time and has not come along with other groups since.
            sealing |= self.store.has_freed();
            self.free()?;
            self.watch_room()?;
        }
        if sealing {
            let now = self.now();
            self.store.seal(now)?;
        }
        if !self.shared.settings.sync && self.upkeep.synced.elapsed() >= SLOW_INTERVAL {
            self.upkeep.synced = Instant::now();
            self.store.sync()?;
        }
        if self.upkeep.slow.elapsed() >= SLOW_INTERVAL {
            self.upkeep.slow = Instant::now();
            self.give_back();
            self.write_marks(false);
            self.watch_clock();
        }
        Ok(())
    }

    /// Frees what nobody needs any more.
    fn free(&mut self) -> Result<(), Broken> {
        let settings = &self.shared.settings;
        let pressed = self.store.used_bytes() > settings.quota / 5 * 4
            || self.shared.refusal() != Refusal::None;
        let retention = settings.retention(pressed);
        let now = self.now();
        let freed = self.store.free(&retention, now)?;
        self.shared.meters.segments_freed.increment(freed as u64);
        Ok(())
    }

    /// Looks how full the log and the disk are, and takes spans again when there is room.
    pub(super) fn watch_room(&mut self) -> Result<(), Broken> {
        let reserve = self.store.fill_reserve()?;
        let (disk, used) = (self.store.disk_bytes(), self.store.used_bytes());
        self.shared.disk_bytes.store(disk, Ordering::Relaxed);
        self.shared.used_bytes.store(used, Ordering::Relaxed);
        let meters = &self.shared.meters;
        meters.disk_bytes.set(disk as f64);
        meters.used_bytes.set(used as f64);
        meters.quota.set(self.shared.settings.quota as f64);
        meters.min_free.set(self.shared.settings.min_free as f64);
        meters.free_bytes.set(self.store.free_disk_bytes() as f64);
        meters.segments.set(self.store.segments().count() as f64);
        meters.waiting_bytes.set(self.shared.queue.waiting() as f64);
        meters.tail_bytes.set(self.shared.tail().bytes() as f64);
        let refused = self.shared.refusal() != Refusal::None;
        let refusal = match reserve.and_then(|()| self.store.room(refused)) {
            Ok(()) => Refusal::None,
            // Spans go on in the segment that is being written to, until it is full.
            Err(_) if !refused => return Ok(()),
            Err(NoRoom::Quota) => Refusal::Quota,
            Err(NoRoom::Disk) => Refusal::DiskLow,
        };
        self.refuse_for(refusal);
        Ok(())
    }

    /// From now on refuses what `refusal` says.
    pub(super) fn refuse_for(&self, refusal: Refusal) {
        let before = self.shared.set_refusal(refusal);
        if before == refusal || before == Refusal::Broken {
            return;
        }
        let (used, quota) = (self.store.used_bytes(), self.shared.settings.quota);
        let free = self.store.free_disk_bytes();
        // Who is late: the oldest spans are kept for it.
        let (partition, position) = self.store.holder().map_or_else(
            || ("none".to_owned(), String::new()),
            |(partition, position)| (partition.to_string(), position.to_string()),
        );
        match refusal {
            Refusal::None => tracing::info!(used, quota, free, "the log takes spans again"),
            Refusal::Quota => tracing::warn!(
                used,
                quota,
                oldest_partition = partition,
                its_position = position,
                "the log has reached its quota: spans are refused until what is in it is exported"
            ),
            Refusal::DiskLow => tracing::warn!(
                free,
                oldest_partition = partition,
                its_position = position,
                "the disk is nearly full: spans are refused, what is in the log is still exported"
            ),
            Refusal::DiskFull => tracing::error!(
                free,
                used,
                "the disk is full: not even decisions are taken until there is room"
            ),
            Refusal::Broken => {}
        }
    }

    /// Has a slot given back that is not needed, one at a time.
    fn give_back(&mut self) {
        for number in self.keeper.gone() {
            self.store.forget(number);
        }
        if self.keeper.is_idle()
            && let Some(surplus) = self.store.surplus()
        {
            self.keeper.give_back(surplus);
        }
    }

    /// Has noted how far the log has come.
    pub(super) fn write_marks(&mut self, last: bool) {
        let newest = self.store.marks();
        let marks = std::array::from_fn(|at| newest[at].max(self.upkeep.marks[at]));
        if marks != self.upkeep.marks && self.keeper.note(marks, last) {
            self.upkeep.marks = marks;
        }
    }

    /// Tells when the log's time was set, to follow the machine's clock.
    pub(super) fn watch_clock(&mut self) {
        let Some(step) = self.clock.take_step() else { return };
        self.shared.meters.clock_steps.increment(1);
        tracing::warn!(
            seconds = step as f64 / 1_000.0,
            "the machine's clock was set, and the log's time with it: traces that are undecided may \
             be decided early or late. Have the clock kept by NTP"
        );
    }
}
