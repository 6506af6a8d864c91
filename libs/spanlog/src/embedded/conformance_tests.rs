//! The suite over the embedded log.

use std::{fs, path::Path, sync::Arc};

use futures_util::future::BoxFuture;
use tempfile::TempDir;

use super::{EmbeddedConfig, EmbeddedLog};
use crate::{
    conformance::Subject,
    conformance_tests,
    contract::Log,
    position::{LogTime, Partition, Position},
    reader::Group,
};

struct Embedded {
    log: Arc<EmbeddedLog>,
    folder: TempDir,
    /// What the clock was set to, for when the log is opened again.
    time: std::sync::Mutex<Option<LogTime>>,
}

impl Embedded {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { log: open(folder.path()), folder, time: std::sync::Mutex::default() }
    }

    fn open_again(&mut self) {
        self.log = open(self.folder.path());
        self.log.hooks().set_time(*self.time.lock().unwrap());
    }
}

fn open(directory: &Path) -> Arc<EmbeddedLog> {
    let directory = directory.join("data");
    Arc::new(EmbeddedLog::open(&EmbeddedConfig { directory, ..Default::default() }).unwrap())
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
        self.log.hooks().stall(stalled);
        true
    }

    fn set_time(&self, time: LogTime) -> bool {
        *self.time.lock().unwrap() = Some(time);
        self.log.hooks().set_time(Some(time));
        true
    }

    fn damage(&self, _: Partition, _: Position) -> bool {
        false
    }
}

conformance_tests!(Embedded::start());
