//! The handle of an embedded log.

use std::{
    io::Read,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use super::{
    checkpoints::Checkpoints,
    config::EmbeddedConfig,
    disk::Disk,
    error::OpenError,
    folder::Folder,
    group::{EmbeddedCommitter, EmbeddedGroup},
    keeper::Keeper,
    real_disk::{RealDisk, weakness},
    settings::Settings,
    shared::{Refusal, Shared},
    state::{Appender, Upkeep},
    store::{OpenFault, Options, Recovered, Store},
    topic::EmbeddedTopic,
};
use crate::{
    clock::{Clock, LogClock},
    contract::{Log, Topic},
    reader::{Committed, Group},
    routing::Descriptor,
    topic::TopicName,
};

/// How long [`EmbeddedLog::close`] waits for the group to let go of its partitions.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// The durable log of a single machine. Dropping it closes it without waiting for anybody.
pub struct EmbeddedLog {
    pub(super) shared: Arc<Shared>,
    log: Log,
    descriptor: Descriptor,
    created: bool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What an embedded log looks like at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddedStatus {
    /// Bytes of all files on the disk, as last looked at (a fraction of a second ago).
    pub disk_bytes: u64,
    /// Bytes of those files that hold records which are not finished, or were so until just now.
    /// The others are free to be used again.
    pub used_bytes: u64,
    /// The configured quota.
    pub quota: u64,
    /// Bytes accepted and not yet durable.
    pub waiting_bytes: u64,
    /// Why spans are refused: `quota`, `disk_low`, `disk_full` or `failed`; `None` when they are
    /// taken.
    pub refusing: Option<&'static str>,
}

impl EmbeddedLog {
    /// Opens the log in the folder that `config` names, or creates it. Blocks while the newest
    /// files are read: a fraction of a second.
    ///
    /// # Errors
    /// [`OpenError`], which names the folder or file and says what to do.
    pub fn open(config: &EmbeddedConfig) -> Result<Self, OpenError> {
        Self::open_with(config.settings()?, Clock::wall())
    }

    /// A log of `slots` files of `slot_bytes` bytes, for tests that want many small ones.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[doc(hidden)]
    pub fn open_small(
        config: &EmbeddedConfig,
        slot_bytes: u64,
        slots: u64,
    ) -> Result<Self, OpenError> {
        let settings = config.settings()?;
        let quota = slot_bytes.saturating_mul(slots);
        Self::open_with(Settings { slot_bytes, quota, ..settings }, Clock::wall())
    }

    pub(super) fn open_with(settings: Settings, clock: Clock) -> Result<Self, OpenError> {
        let folder = Folder::open(&settings.directory)?;
        let path = settings.directory.clone();
        let failed = |source| OpenError::Io { path, action: "opened", source };
        let disk = RealDisk::open(&settings.directory).map_err(failed)?;
        if let Some(weakness) = weakness(&settings.directory) {
            let directory = settings.directory.display();
            tracing::warn!(%directory, "the file system of the log is weak: {weakness}");
        }
        Self::open_on(disk, folder, settings, clock)
    }

    /// Opens a log on any disk.
    pub(super) fn open_on<D: Disk>(
        disk: D,
        folder: Folder,
        settings: Settings,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let directory = settings.directory.clone();
        let io = |action| {
            let path = directory.clone();
            move |source| OpenError::Io { path, action, source }
        };
        let disk = Arc::new(disk);
        let options = Options {
            partitions: settings.partitions,
            slot_bytes: settings.slot_bytes,
            quota: settings.quota,
            min_free: settings.min_free,
            sync: settings.sync,
            accept_loss: settings.accept_loss,
            seed: seed().map_err(io("given random numbers"))?,
        };
        let (store, recovered) = Store::open(Arc::clone(&disk), &options)
            .map_err(|fault| open_error(fault, &settings))?;
        tell(&recovered);
        let Recovered { created, descriptor, checkpoints, newest, .. } = recovered;
        let checkpoints = Checkpoints::new(checkpoints);
        let shared = Arc::new(Shared::new(settings, store.max_payload(), checkpoints, clock));
        let segments = Arc::clone(store.segments());
        let topic = |name| {
            let (shared, segments) = (Arc::clone(&shared), Arc::clone(&segments));
            let topic = Arc::new(EmbeddedTopic { shared, segments, name });
            Topic { writer: Arc::clone(&topic) as _, reader: topic }
        };
        let log = Log {
            spans: topic(TopicName::Spans),
            decisions: topic(TopicName::Decisions),
            dead_letters: topic(TopicName::DeadLetters),
        };
        let clock = LogClock::start(&shared.clock, newest);
        let keeper = Keeper::start(disk).map_err(io("written by a thread"))?;
        let upkeep = Upkeep::new();
        let mut appender =
            Appender { shared: Arc::clone(&shared), store, clock, keeper, upkeep, folder };
        // Known before the first append: whether there is room at all. A disk that fails here
        // fails the first append too.
        let _broken = appender.watch_room();
        appender.watch_clock();
        let thread = std::thread::Builder::new()
            .name("wholetrace-log".to_owned())
            .spawn(move || appender.run())
            .map_err(io("written by a thread"))?;
        Ok(Self { shared, log, descriptor, created, thread: Mutex::new(Some(thread)) })
    }

    /// Both sides of all topics.
    #[must_use]
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    /// A member that owns all partitions, from the stored checkpoints on, until the log closes.
    /// Meant to be one at a time.
    #[must_use]
    pub fn group(&self) -> Box<dyn Group> {
        Box::new(EmbeddedGroup::new(&self.shared))
    }

    /// What is committed, for those that only look.
    #[must_use]
    pub fn checkpoints(&self) -> Arc<dyn Committed> {
        Arc::new(EmbeddedCommitter { shared: Arc::clone(&self.shared) })
    }

    /// The mapping of traces to partitions that this log was created with: its seed was drawn
    /// then, and it stays as long as the log does.
    #[must_use]
    pub const fn routing(&self) -> Descriptor {
        self.descriptor
    }

    /// Whether the log was created by this opening.
    #[must_use]
    pub const fn was_created(&self) -> bool {
        self.created
    }

    /// How full it is.
    #[must_use]
    pub fn status(&self) -> EmbeddedStatus {
        EmbeddedStatus {
            disk_bytes: self.shared.disk_bytes.load(Ordering::Relaxed),
            used_bytes: self.shared.used_bytes.load(Ordering::Relaxed),
            quota: self.shared.settings.quota,
            waiting_bytes: self.shared.queue.waiting(),
            refusing: match self.shared.refusal() {
                Refusal::None => None,
                Refusal::Quota => Some("quota"),
                Refusal::DiskLow => Some("disk_low"),
                Refusal::DiskFull => Some("disk_full"),
                Refusal::Broken => Some("failed"),
            },
        }
    }

    /// Resolves with the reason when the log has ended: after [`close`](Self::close), or because a
    /// write failed. A process must not outlive the latter: what the disk holds is known only when
    /// the log is opened again.
    pub async fn ended(&self) -> String {
        let mut ended = self.shared.ended.subscribe();
        // The sender lives as long as `self`.
        let _ended = ended.wait_for(|ended| *ended).await;
        self.cause().unwrap_or_default()
    }

    /// Why the log ends, as soon as anything of it answers that it is closed; `None` before.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        self.shared.reason.get().cloned()
    }

    /// Ends the log in order: the group's partitions are revoked and, for at most 10 seconds, let
    /// go; what was accepted becomes durable and is answered; checkpoints are stored; the folder
    /// is unlocked.
    pub async fn close(&self) {
        self.shared.leave();
        let mut members = self.shared.members.subscribe();
        let left = tokio::time::timeout(RELEASE_TIMEOUT, members.wait_for(|count| *count == 0));
        if left.await.is_err() {
            tracing::warn!("partitions were not let go in time: the log closes all the same");
        }
        self.shared.close();
        self.ended().await;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It has told that it ended: this takes no time. A panic was reported as it happened.
            let _panicked = thread.join();
        }
    }

    /// Has the writer thread look at its disk and its retention now.
    #[cfg(test)]
    pub(super) fn wake(&self) {
        self.shared.queue.wake();
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Random numbers of the system.
fn seed() -> std::io::Result<[u64; 2]> {
    let mut source = std::fs::File::open("/dev/urandom")?;
    let mut number = || {
        let mut bytes = [0; 8];
        source.read_exact(&mut bytes)?;
        std::io::Result::Ok(u64::from_le_bytes(bytes))
    };
    Ok([number()?, number()?])
}

fn open_error(fault: OpenFault, settings: &Settings) -> OpenError {
    let directory = settings.directory.clone();
    match fault {
        OpenFault::Disk(fault) => {
            let path = match fault.slot {
                Some(slot) => directory.join("slots").join(format!("{slot:04}")),
                None => directory,
            };
            OpenError::Disk { path, action: fault.action, source: fault.source }
        }
        OpenFault::Format(detail) => OpenError::Format { path: directory.join("format"), detail },
        OpenFault::Partitions { stored } => {
            OpenError::Partitions { directory, stored, configured: settings.partitions }
        }
        OpenFault::Missing(detail) => OpenError::Missing { directory, detail },
        fault @ (OpenFault::NoFormat(_) | OpenFault::Foreign { .. }) => {
            OpenError::Damaged { directory, detail: fault.to_string() }
        }
    }
}

/// What recovery found that people want to know of.
fn tell(recovered: &Recovered) {
    for cut in &recovered.cuts {
        tracing::info!(
            topic = %cut.topic,
            slot = cut.slot,
            offset = cut.offset,
            bytes = cut.bytes,
            "the last write before the crash was not complete: it is cut off, nothing in it was \
             acknowledged"
        );
    }
    for damage in &recovered.damages {
        tracing::error!(
            topic = %damage.topic,
            slot = damage.slot,
            groups = damage.groups,
            "the log is damaged: check the disk; the records that cannot be read are passed over \
             and told one by one"
        );
    }
    for lost in &recovered.accepted {
        tracing::warn!(
            topic = %lost.topic,
            first = lost.first,
            last = lost.last,
            "segments are missing; `accept_loss` is set: the log goes on without them"
        );
    }
}
