//! The suite over the embedded log.

use std::{fs, os::unix::fs::FileExt, path::Path, sync::Arc};

use futures_util::future::BoxFuture;
use tempfile::TempDir;

use super::{
    EmbeddedLog,
    testing::{Switches, open, small},
};
use crate::{
    clock::Clock,
    conformance::Subject,
    conformance_tests,
    contract::Log,
    position::{LogTime, Partition, Position},
    reader::Group,
};

struct Embedded {
    log: Arc<EmbeddedLog>,
    switches: Arc<Switches>,
    folder: TempDir,
    /// What the clock was set to, for when the log is opened again.
    time: std::sync::Mutex<Option<LogTime>>,
}

impl Embedded {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (log, switches) = open_at(folder.path(), None);
        Self { log, switches, folder, time: std::sync::Mutex::default() }
    }

    fn open_again(&mut self) {
        let time = *self.time.lock().unwrap();
        (self.log, self.switches) = open_at(self.folder.path(), time);
    }
}

fn open_at(directory: &Path, time: Option<LogTime>) -> (Arc<EmbeddedLog>, Arc<Switches>) {
    let clock = Clock::wall();
    clock.set(time);
    let (log, switches) = open(&small(directory, 4 << 20, 64), clock).unwrap();
    (Arc::new(log), switches)
}

/// Copies a folder as a crash would leave it: what the system has, without what is buffered.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Changes a bit of the payload of the record at `position`, wherever it stands.
fn spoil(slots: &Path, partition: Partition, position: Position) -> bool {
    let name = [&partition.0.to_le_bytes()[..], &position.0.to_le_bytes()].concat();
    for entry in fs::read_dir(slots).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        for (number, head) in bytes.chunks_exact(64).enumerate() {
            if &head[8..11] == b"rc\0" && head[12..24] == name {
                let payload = (number as u64 + 1) * 64;
                let file = fs::OpenOptions::new().write(true).open(path).unwrap();
                let byte = bytes[usize::try_from(payload).unwrap()];
                file.write_all_at(&[byte ^ 1], payload).unwrap();
                return true;
            }
        }
    }
    false
}

impl Subject for Embedded {
    fn log(&self) -> Log {
        self.log.log()
    }

    fn group(&self) -> Box<dyn Group> {
        self.log.group()
    }

    fn crash(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let copied = tempfile::tempdir().unwrap();
            copy(self.folder.path(), copied.path());
            self.log.close().await;
            self.folder = copied;
            self.open_again();
        })
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let log = Arc::clone(&self.log);
        Box::pin(async move { log.close().await })
    }

    fn restart(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.log.close().await;
            self.open_again();
        })
    }

    fn stall(&self, stalled: bool) -> bool {
        self.switches.stall(stalled);
        true
    }

    fn set_time(&self, time: LogTime) -> bool {
        *self.time.lock().unwrap() = Some(time);
        self.log.shared.clock.set(Some(time));
        true
    }

    fn damage(&self, partition: Partition, position: Position) -> bool {
        spoil(&self.folder.path().join("data/slots"), partition, position)
    }
}

conformance_tests!(Embedded::start());
