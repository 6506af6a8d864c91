//! Which calls fail, and when the machine stops.

use std::{collections::BTreeMap, io};

use rustix::io::Errno;

/// The calls of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    List,
    Open,
    Create,
    Read,
    Write,
    Sync,
    SyncFolder,
    SetLen,
    Unlink,
    DropCache,
    Free,
    ReadFile,
    Replace,
}

impl Call {
    /// Whether the disk or its cache is another one afterwards.
    pub(super) const fn changes(self) -> bool {
        !matches!(self, Self::List | Self::Open | Self::Read | Self::Free | Self::ReadFile)
    }
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// With this error, and nothing done; a sync that fails with EIO loses what it likes.
    Error(Errno),
    /// A write is done in part, and says so.
    Short,
    /// A write is done in part when the machine stops.
    Within,
}

impl How {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Error(errno) => errno.into(),
            Self::Short | Self::Within => Errno::INTR.into(),
        }
    }
}

/// Makes calls of one kind fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) call: Call,
    /// How many calls of the kind go well before.
    pub(crate) skip: u64,
    /// How many calls fail.
    pub(crate) times: u64,
    pub(crate) how: How,
}

/// When the machine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Before the call with this number, the first being 0.
    Before(u64),
    /// In the middle of it, when it is a write; else before it.
    Within(u64),
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) faults: Vec<Fault>,
    pub(super) stop: Option<Stop>,
    /// How many faults have struck that a log may fail of.
    pub(super) struck: u64,
    made: BTreeMap<Call, u64>,
    calls: u64,
}

impl Plan {
    pub(super) const fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) fn calls_of(&self, call: Call) -> u64 {
        self.made.get(&call).copied().unwrap_or_default()
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| match stop {
            Stop::Before(at) => self.calls >= at,
            Stop::Within(at) => self.calls > at,
        })
    }

    /// Counts a call; tells how it fails, and an error when the machine has stopped.
    pub(super) fn begin(&mut self, call: Call) -> io::Result<Option<How>> {
        if self.has_stopped() {
            return Err(io::Error::other("the machine has stopped"));
        }
        let number = self.calls;
        self.calls += 1;
        *self.made.entry(call).or_default() += 1;
        if self.stop == Some(Stop::Within(number)) {
            return match call {
                Call::Write => Ok(Some(How::Within)),
                _ => Err(io::Error::other("the machine has stopped")),
            };
        }
        let mut found = None;
        for fault in self.faults.iter_mut().filter(|fault| fault.call == call) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                let harmless = [Errno::INTR, Errno::NOSPC].map(How::Error).contains(&fault.how);
                self.struck += u64::from(!harmless && fault.how != How::Short);
                found = Some(fault.how);
            }
        }
        Ok(found)
    }
}
