//! A `wholetrace standalone` process of a test's own.

use std::{
    fs,
    ops::{Deref, DerefMut},
    path::PathBuf,
    process::Child,
};

use super::{
    parts::free_port,
    process::{Process, generate},
};

/// A process, its folder and its ports. Killed when dropped.
pub(crate) struct Gateway {
    process: Process,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) grpc: u16,
    pub(crate) http: u16,
    pub(crate) zipkin: u16,
}

impl Gateway {
    /// Writes the configuration: listeners on free ports, the log in the test's folder, and what
    /// `rest` says (`tail_sampling`, `exporters`, `memory`; `FOLDER` stands for the folder).
    pub(crate) fn new(rest: &str) -> Self {
        Self::with_log("quota: 2GiB", rest)
    }

    /// The same, with these settings of the log.
    pub(crate) fn with_log(log: &str, rest: &str) -> Self {
        Self::with("", log, rest)
    }

    /// The same, with these receivers beside those for OTLP and Zipkin.
    pub(crate) fn with_receivers(receivers: &str, rest: &str) -> Self {
        Self::with(receivers, "quota: 2GiB", rest)
    }

    fn with(receivers: &str, log: &str, rest: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (grpc, http, zipkin, admin) = (free_port(), free_port(), free_port(), free_port());
        let place = folder.path().display();
        let config = folder.path().join("wholetrace.yaml");
        let text = format!(
            "receivers:\n  otlp:\n    protocols:\n      grpc: {{ endpoint: \"127.0.0.1:{grpc}\" }}\n      http: {{ endpoint: \"127.0.0.1:{http}\" }}\n  \
             zipkin: {{ endpoint: \"127.0.0.1:{zipkin}\" }}\n{receivers}admin: {{ endpoint: \"127.0.0.1:{admin}\" }}\n\
             log:\n  embedded: {{ directory: \"{place}/log\", {log} }}\n{}",
            rest.replace("FOLDER", &place.to_string())
        );
        fs::write(&config, text).expect("the configuration");
        let process = Process::new("standalone", config, folder.path().join("output"), admin);
        Self { process, folder, grpc, http, zipkin }
    }

    /// `wholetrace generate` against it, with its record.
    pub(crate) fn generate(&self, options: &[&str]) -> (Child, PathBuf) {
        let record = self.folder.path().join("record.jsonl");
        let log = self.folder.path().join("generate.log");
        let child = generate(self.grpc, &record, &log, options);
        (child, record)
    }
}

impl Deref for Gateway {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Gateway {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
