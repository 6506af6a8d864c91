//! The handle of an embedded log.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use super::{
    checkpoints::Checkpoints,
    config::EmbeddedConfig,
    error::OpenError,
    folder::Folder,
    group::EmbeddedGroup,
    hooks::Hooks,
    recovery::{self, Recovered},
    settings::Settings,
    shared::{Refusal, Shared},
    state::{Appender, Upkeep},
    store::Store,
    topic::EmbeddedTopic,
};
use crate::{
    clock::LogClock,
    contract::{Log, Topic},
    reader::Group,
    routing::Descriptor,
    topic::TopicName,
};

/// How long [`EmbeddedLog::close`] waits for the group to let go of its partitions.
const RELEASE_PATIENCE: Duration = Duration::from_secs(10);

/// The durable log of a single machine. Dropping it closes it without waiting for anybody.
pub struct EmbeddedLog {
    pub(super) shared: Arc<Shared>,
    descriptor: Descriptor,
    created: bool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What an embedded log looks like at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddedStatus {
    /// Bytes on the disk, as last looked at (a fraction of a second ago).
    pub disk_bytes: u64,
    /// The configured quota.
    pub quota: u64,
    /// Bytes accepted and not yet durable.
    pub waiting_bytes: u64,
    /// Why spans are refused: `quota`, `disk_low`, `disk_full` or `failed`; `None` when they are
    /// taken.
    pub refusing: Option<&'static str>,
}

impl EmbeddedLog {
    /// Opens the log in the folder that `config` names, or creates it. Blocks while the store is
    /// read: up to seconds after a crash.
    ///
    /// # Errors
    /// [`OpenError`], which names the folder or file and says what to do.
    pub fn open(config: &EmbeddedConfig) -> Result<Self, OpenError> {
        Self::open_with(config.settings()?)
    }

    pub(super) fn open_with(settings: Settings) -> Result<Self, OpenError> {
        let folder = Folder::open(&settings.directory, settings.partitions)?;
        let path = folder.store();
        let store = Store::open(&path, settings.sync)?;
        let mut found = recovery::recover(&store, &path, &settings)?;
        check_marks(&folder, &mut found, &settings)?;
        let Recovered { mut slices, next, checkpoints, newest } = found;
        let shared = Arc::new(Shared::new(settings, Checkpoints::new(checkpoints)));
        for slice in slices.all_mut() {
            slice.unflushed_since = Some(0);
        }
        shared.publish_extents(&slices, &next);
        *shared.slices_mut() = slices;
        let (descriptor, created) = (folder.descriptor, folder.created);
        let clock = LogClock::start(&shared.hooks.clock, newest);
        let mut appender = Appender {
            shared: Arc::clone(&shared),
            folder,
            store: Some(store),
            next,
            clock,
            appended: 0,
            upkeep: Upkeep::new(),
        };
        // Known before the first append: whether there is room at all.
        appender.watch_disk();
        let thread = std::thread::Builder::new()
            .name("wholetrace-log".to_owned())
            .spawn(move || appender.run())
            .map_err(|source| OpenError::Io { path, action: "written by a thread", source })?;
        Ok(Self { shared, descriptor, created, thread: Mutex::new(Some(thread)) })
    }

    /// Both sides of all topics.
    #[must_use]
    pub fn log(&self) -> Log {
        Log {
            spans: self.topic(TopicName::Spans),
            decisions: self.topic(TopicName::Decisions),
            dead_letters: self.topic(TopicName::DeadLetters),
        }
    }

    fn topic(&self, name: TopicName) -> Topic {
        let topic = Arc::new(EmbeddedTopic { shared: Arc::clone(&self.shared), name });
        Topic { writer: Arc::clone(&topic) as _, reader: topic }
    }

    /// A member that owns all partitions, from the stored checkpoints on, until the log closes.
    /// Meant to be one at a time.
    #[must_use]
    pub fn group(&self) -> Box<dyn Group> {
        Box::new(EmbeddedGroup::new(&self.shared))
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

    /// Resolves when the log has ended: after [`close`](Self::close), or because its writer thread
    /// died, which a process must not outlive.
    pub async fn ended(&self) {
        let mut ended = self.shared.ended.subscribe();
        // The sender lives as long as `self`.
        let _closed = ended.wait_for(|ended| *ended).await;
    }

    /// Ends the log in order: the group's partitions are revoked and, for at most 10 seconds, let
    /// go; what was accepted becomes durable and is answered; checkpoints are stored; the folder
    /// is unlocked.
    pub async fn close(&self) {
        self.shared.leave();
        let mut members = self.shared.members.subscribe();
        let left = tokio::time::timeout(RELEASE_PATIENCE, members.wait_for(|count| *count == 0));
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

    /// Switches for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn hooks(&self) -> &Hooks {
        &self.shared.hooks
    }

    /// Has the writer thread look at its disk and its retention now.
    #[doc(hidden)]
    pub fn wake(&self) {
        self.shared.queue.wake();
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Holds what was found against what was acknowledged before.
fn check_marks(
    folder: &Folder,
    found: &mut Recovered,
    settings: &Settings,
) -> Result<(), OpenError> {
    let marks = folder.marks().unwrap_or_default();
    let count = usize::try_from(settings.partitions).unwrap_or(1);
    for (at, mark) in marks.into_iter().enumerate() {
        let (Some(topic), partition) = (TopicName::ALL.get(at / count), at % count) else {
            continue;
        };
        let Some(next) = found.next[topic.index()].get_mut(partition) else { continue };
        if *next >= mark {
            continue;
        }
        if !settings.accept_loss {
            let detail = format!(
                "records {next} to {} of partition {partition} of {topic} were acknowledged and \
                 are missing",
                mark - 1
            );
            return Err(OpenError::Damaged { path: folder.store(), detail });
        }
        *next = mark;
    }
    Ok(())
}
