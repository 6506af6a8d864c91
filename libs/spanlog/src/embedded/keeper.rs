//! A thread for what the writer thread must not wait for: giving slots back, writing marks.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{
    disk::Disk,
    store::{GivenBack, Marks, write_marks},
};

/// Pause after each step of giving a slot back: the disk has other work.
const PAUSE: Duration = Duration::from_millis(5);

/// Jobs that may wait.
const JOBS: usize = 2;

enum Job<D: Disk> {
    GiveBack(GivenBack<D>),
    Note(Marks),
}

/// The handle of the thread.
pub(super) struct Keeper<D: Disk> {
    jobs: Option<SyncSender<Job<D>>>,
    /// What has become of the slots: their numbers, once they are gone.
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    /// Slots on their way.
    busy: usize,
    gone: Vec<u32>,
}

impl<D: Disk> Keeper<D> {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn start(disk: Arc<D>) -> std::io::Result<Self> {
        let (jobs, receiver) = sync_channel(JOBS);
        let state = Arc::new(Mutex::new(State::default()));
        let theirs = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("wholetrace-slots".to_owned())
            .spawn(move || work(&*disk, &receiver, &theirs))?;
        Ok(Self { jobs: Some(jobs), state, thread: Some(thread) })
    }

    /// The numbers of slots that are gone since the last call.
    pub(super) fn gone(&self) -> Vec<u32> {
        std::mem::take(&mut lock(&self.state).gone)
    }

    /// Whether no slot is on its way.
    pub(super) fn is_idle(&self) -> bool {
        lock(&self.state).busy == 0
    }

    /// Has a slot given back. While others are on their way it stays where it is, to be found
    /// when the log is opened again.
    pub(super) fn give_back(&self, slot: GivenBack<D>) {
        lock(&self.state).busy += 1;
        if !self.send(Job::GiveBack(slot), false) {
            lock(&self.state).busy -= 1;
        }
    }

    /// Has `marks` written, now or, as the `last` job, once there is time. Says whether they will
    /// be.
    pub(super) fn note(&self, marks: Marks, last: bool) -> bool {
        self.send(Job::Note(marks), last)
    }

    fn send(&self, job: Job<D>, patient: bool) -> bool {
        let Some(jobs) = &self.jobs else { return false };
        if patient { jobs.send(job).is_ok() } else { jobs.try_send(job).is_ok() }
    }

    /// Waits until what was asked for is done, and ends the thread.
    pub(super) fn stop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported as it happened.
            let _panicked = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work<D: Disk>(disk: &D, jobs: &Receiver<Job<D>>, state: &Mutex<State>) {
    for job in jobs {
        match job {
            Job::GiveBack(slot) => {
                let given = slot.give_back(|| std::thread::sleep(PAUSE));
                let mut state = lock(state);
                state.busy -= 1;
                match given {
                    Ok(number) => state.gone.push(number),
                    Err(error) => tracing::warn!(%error, "a slot of the log cannot be removed"),
                }
            }
            Job::Note(marks) => {
                // They are a second proof only.
                if let Err(error) = write_marks(disk, &marks) {
                    tracing::debug!(%error, "writing the marks failed");
                }
            }
        }
    }
}
