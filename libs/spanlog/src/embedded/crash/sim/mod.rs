//! A disk in memory, as bad as a real one may be.
//!
//! It knows what is durable and what is not, for each sector, length, folder entry and small file;
//! it has a page cache that may be dropped and written back at any time; calls can be made to
//! fail, and the machine to stop before any of them. What is left after a kill or a power cut is a
//! new [`State`].

mod crash;
mod faults;
mod file;
mod page;
mod state;
#[cfg(test)]
mod tests;
mod versions;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

pub(crate) use crash::{Cut, Damage};
use faults::Plan;
pub(crate) use faults::{Call, Fault, How, Stop};
pub(crate) use page::{CacheAfter, PAGE, SECTOR};
use rustix::io::Errno;
pub(crate) use state::{Sabotage, State};

use super::super::disk::{Disk, Listed};

/// A handle of the disk of one life of a process. Its copies are the same disk.
#[derive(Clone, Debug)]
pub(crate) struct SimDisk(Arc<Mutex<Machine>>);

#[derive(Debug)]
struct Machine {
    state: State,
    plan: Plan,
    /// Moments before each call that changes something; `None` when they are not asked for.
    moments: Option<Vec<Moment>>,
    /// What the harness says of this time.
    mark: usize,
}

/// The disk just before a call.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) state: State,
    /// The number of the call.
    pub(crate) call: u64,
    /// The harness's mark at that time.
    pub(crate) mark: usize,
}

impl SimDisk {
    /// A process starts on this disk.
    pub(crate) fn start(state: State) -> Self {
        let plan = Plan::default();
        Self(Arc::new(Mutex::new(Machine { state, plan, moments: None, mark: 0 })))
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().expect("no test panics while it holds the lock")
    }

    /// From now on, keeps the moment before each call that changes something.
    pub(crate) fn record(&self) {
        self.machine().moments = Some(Vec::new());
    }

    /// The moments kept, and the one now.
    pub(crate) fn moments(&self) -> Vec<Moment> {
        let mut machine = self.machine();
        let mut moments = machine.moments.take().unwrap_or_default();
        let (state, call) = (machine.state.clone(), machine.plan.calls());
        moments.push(Moment { state, call, mark: machine.mark });
        moments
    }

    /// Moments from now on carry this mark.
    pub(crate) fn mark(&self, mark: usize) {
        self.machine().mark = mark;
    }

    /// Makes calls fail.
    pub(crate) fn fail(&self, fault: Fault) {
        self.machine().plan.faults.push(fault);
    }

    /// No call fails any more.
    pub(crate) fn heal(&self) {
        self.machine().plan.faults.clear();
    }

    /// Stops the machine at a call.
    pub(crate) fn stop(&self, stop: Stop) {
        self.machine().plan.stop = Some(stop);
    }

    /// Calls made.
    pub(crate) fn calls(&self) -> u64 {
        self.machine().plan.calls()
    }

    /// How many calls of this kind were made.
    pub(crate) fn calls_of(&self, call: Call) -> u64 {
        self.machine().plan.calls_of(call)
    }

    /// Whether the machine has stopped.
    pub(crate) fn has_stopped(&self) -> bool {
        self.machine().plan.has_stopped()
    }

    /// How many faults have struck that a log may fail of.
    pub(crate) fn struck(&self) -> u64 {
        self.machine().plan.struck
    }

    /// The disk as it is now.
    pub(crate) fn state(&self) -> State {
        self.machine().state.clone()
    }

    /// Changes the disk under the running process.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.machine().state)
    }
}

impl Machine {
    /// A call begins: tells how it is to fail.
    fn begin(&mut self, call: Call) -> io::Result<Option<How>> {
        if call.changes()
            && let Some(moments) = &mut self.moments
        {
            let (state, call, mark) = (self.state.clone(), self.plan.calls(), self.mark);
            moments.push(Moment { state, call, mark });
        }
        let how = self.plan.begin(call)?;
        self.state.stir();
        Ok(how)
    }

    /// A call begins that fails or not, with nothing in between.
    fn plain(&mut self, call: Call) -> io::Result<&mut State> {
        match self.begin(call)? {
            None => Ok(&mut self.state),
            Some(how) => Err(how.error()),
        }
    }
}

impl Disk for SimDisk {
    type Slot = u64;

    fn list(&self) -> io::Result<Vec<Listed>> {
        Ok(self.machine().plain(Call::List)?.list())
    }

    fn open_slot(&self, number: u32) -> io::Result<u64> {
        self.machine().plain(Call::Open)?.open(number)
    }

    fn create_slot(&self, number: u32, size: u64) -> io::Result<u64> {
        self.machine().plain(Call::Create)?.create(number, size)
    }

    fn read_at(&self, &slot: &u64, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.machine().plain(Call::Read)?.file(slot)?.read(buffer, offset)
    }

    fn write_at(&self, &slot: &u64, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut machine = self.machine();
        let how = machine.begin(Call::Write)?;
        let part = match how {
            Some(How::Short | How::Within) => machine.state.random.usize(0..bytes.len().max(1)),
            Some(how) => return Err(how.error()),
            None => bytes.len(),
        };
        if machine.state.sabotage == Some(Sabotage::KeepTorn) && bytes.iter().all(|&byte| byte == 0)
        {
            return Ok(bytes.len());
        }
        let written =
            machine.state.file(slot)?.write(&bytes[..part.max(1).min(bytes.len())], offset)?;
        if how == Some(How::Within) { Err(Errno::IO.into()) } else { Ok(written) }
    }

    fn sync_data(&self, &slot: &u64) -> io::Result<()> {
        let mut machine = self.machine();
        match machine.begin(Call::Sync)? {
            Some(How::Error(Errno::IO)) => machine.state.sync(slot, true),
            Some(how) => Err(how.error()),
            None => machine.state.sync(slot, false),
        }
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.machine().plain(Call::SyncFolder)?.sync_folder();
        Ok(())
    }

    fn set_len(&self, &slot: &u64, len: u64) -> io::Result<()> {
        self.machine().plain(Call::SetLen)?.file(slot)?.set_len(len)
    }

    fn unlink(&self, number: u32) -> io::Result<()> {
        self.machine().plain(Call::Unlink)?.unlink(number)
    }

    fn drop_cache(&self, &slot: &u64) -> io::Result<()> {
        self.machine().plain(Call::DropCache)?.drop_cache(slot)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let mut machine = self.machine();
        let state = machine.plain(Call::Free)?;
        Ok(state.capacity.saturating_sub(state.used()))
    }

    fn read_file(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.machine().plain(Call::ReadFile)?.small_file(name))
    }

    fn replace_file(&self, name: &str, bytes: &[u8], durable: bool) -> io::Result<()> {
        self.machine().plain(Call::Replace)?.replace(name, bytes, durable);
        Ok(())
    }
}
