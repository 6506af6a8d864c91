//! A real Jaeger of a test's own.

use std::{
    collections::HashMap,
    fs::{self, File},
    process::{Child, Command, Stdio},
};

use super::{
    parts::{built, folder, free_port},
    process::{get, wait_until},
};

/// A running Jaeger with an empty store. Killed when dropped.
pub(crate) struct Jaeger {
    folder: tempfile::TempDir,
    pub(crate) otlp_grpc: u16,
    pub(crate) otlp_http: u16,
    pub(crate) zipkin: u16,
    /// Its own gRPC.
    pub(crate) grpc: u16,
    query: u16,
    child: Option<Child>,
}

impl Jaeger {
    /// Picks its ports and writes its configuration.
    pub(crate) fn new() -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let (otlp_grpc, otlp_http, query) = (free_port(), free_port(), free_port());
        let (zipkin, grpc) = (free_port(), free_port());
        let template =
            fs::read_to_string(folder().join("jaeger/config.yaml")).expect("the template");
        let config = template
            .replace("QUERY_GRPC_PORT", &free_port().to_string())
            .replace("QUERY_HTTP_PORT", &query.to_string())
            .replace("HEALTH_PORT", &free_port().to_string())
            .replace("OTLP_GRPC_PORT", &otlp_grpc.to_string())
            .replace("OTLP_HTTP_PORT", &otlp_http.to_string())
            .replace("ZIPKIN_PORT", &zipkin.to_string())
            .replace("JAEGER_GRPC_PORT", &grpc.to_string());
        fs::write(place.path().join("config.yaml"), config).expect("the configuration");
        Self { folder: place, otlp_grpc, otlp_http, zipkin, grpc, query, child: None }
    }

    /// Starts it and waits until it answers queries.
    pub(crate) fn start(&mut self) {
        let log = File::create(self.folder.path().join("output")).expect("the log file");
        let child = Command::new(built("jaeger/jaeger"))
            .arg("--config")
            .arg(self.folder.path().join("config.yaml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("Jaeger starts");
        self.child = Some(child);
        let services = format!("http://127.0.0.1:{}/api/services", self.query);
        wait_until("Jaeger answers", || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(
                ended.is_none(),
                "Jaeger ended with {ended:?}: {}",
                fs::read_to_string(self.folder.path().join("output")).unwrap_or_default()
            );
            get(&services).is_some()
        });
    }

    /// The configuration of an exporter to it, by OTLP over gRPC.
    pub(crate) fn exporter(&self) -> String {
        let endpoint = format!("endpoint: \"127.0.0.1:{}\"", self.otlp_grpc);
        format!("exporters:\n  otlp/jaeger: {{ {endpoint}, tls: {{ insecure: true }} }}\n")
    }

    /// The spans of a trace: how often each span id is there. Empty when it has none.
    pub(crate) fn trace(&self, id: &str) -> HashMap<String, usize> {
        let mut spans = HashMap::new();
        for span in self.spans(id) {
            *spans.entry(span["spanID"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        spans
    }

    /// The spans of a trace as the query API has them, each with its `process`.
    pub(crate) fn spans(&self, id: &str) -> Vec<serde_json::Value> {
        let answer =
            get(&format!("http://127.0.0.1:{}/api/traces/{id}", self.query)).unwrap_or_default();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        let with_process = |trace: &serde_json::Value| {
            let mut spans = trace["spans"].as_array().cloned().unwrap_or_default();
            for span in &mut spans {
                let process = span["processID"].as_str().unwrap_or_default();
                span["process"] = trace["processes"][process].clone();
            }
            spans
        };
        answer["data"].as_array().into_iter().flatten().flat_map(with_process).collect()
    }

    /// How many spans each trace of `service` has.
    pub(crate) fn traces_of(&self, service: &str) -> Vec<usize> {
        let url = format!(
            "http://127.0.0.1:{}/api/traces?service={service}&limit=1000&lookback=1h",
            self.query
        );
        let answer: serde_json::Value =
            serde_json::from_str(&get(&url).unwrap_or_default()).unwrap_or_default();
        let traces = answer["data"].as_array().into_iter().flatten();
        traces.map(|trace| trace["spans"].as_array().map_or(0, Vec::len)).collect()
    }
}

impl Drop for Jaeger {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
