//! A real OpenTelemetry Collector of a test's own.

use std::{
    fmt::Write as _,
    fs::{self, File},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{
    parts::{built, free_port},
    process::wait_until,
};

/// A running Collector. Killed when dropped.
pub(crate) struct Collector {
    child: Child,
    output: PathBuf,
}

impl Collector {
    /// Starts it with this configuration. That and what it prints are kept in `place`.
    pub(crate) fn start(place: &Path, config: &str) -> Self {
        let (path, output) = (place.join("collector.yaml"), place.join("collector.output"));
        fs::write(&path, config).expect("the configuration");
        let log = File::create(&output).expect("the log file");
        let child = Command::new(built("collector/collector"))
            .arg("--config")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn();
        Self { child: child.expect("the Collector starts"), output }
    }

    /// Starts it to pass on what comes by OTLP over HTTP, to each of these exporters (its name and
    /// its settings) what comes to a port of its own. Gives these ports when it listens to them.
    pub(crate) fn relay(place: &Path, exporters: &[(String, String)]) -> (Self, Vec<u16>) {
        let ports: Vec<u16> = exporters.iter().map(|_| free_port()).collect();
        let [mut receivers, mut sections, mut pipelines] = [const { String::new() }; 3];
        for (number, ((name, settings), port)) in exporters.iter().zip(&ports).enumerate() {
            let endpoint =
                format!("{{ protocols: {{ http: {{ endpoint: \"127.0.0.1:{port}\" }} }} }}");
            let pipeline = format!("{{ receivers: [otlp/{number}], exporters: [{name}] }}");
            // Of what is one trace, nothing overtakes the rest.
            let queue = "sending_queue: { num_consumers: 1 }";
            let written = writeln!(receivers, "  otlp/{number}: {endpoint}")
                .and_then(|()| writeln!(sections, "  {name}: {{ {queue}, {settings} }}"))
                .and_then(|()| writeln!(pipelines, "    traces/{number}: {pipeline}"));
            written.expect("text is written");
        }
        let config = format!(
            "receivers:\n{receivers}exporters:\n{sections}service:\n  pipelines:\n{pipelines}  \
             telemetry: {{ metrics: {{ level: none }} }}\n"
        );
        let mut collector = Self::start(place, &config);
        wait_until("the Collector listens", || {
            let ended = collector.child.try_wait().ok().flatten();
            assert!(ended.is_none(), "it ended with {ended:?}: {}", collector.output());
            ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
        });
        (collector, ports)
    }

    /// What it printed.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
