//! Recording: what a real Collector makes of the cases.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use serde_json::json;
use wholetrace_proto::otlp::ExportTraceServiceRequest;

use super::{cases::Cases, format::Format, lines::lines, send::Ports, valid::decode};
use crate::{
    collector::Running,
    parts::{free_port, stands},
};

/// How long a Collector may take for some requests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A trace that tells that all before it was written.
const LAST: &str = "1a57";

/// So many cases are sent before it is waited for what becomes of them: so many datagrams have room
/// in the kernel.
const AT_ONCE: usize = 20;

/// A Collector with all receivers, which writes what it receives to a file.
pub(super) struct Recorder {
    running: Running,
    ports: Ports,
    path: PathBuf,
    /// How many bytes of the file were read.
    read: usize,
    /// How many cases were sent.
    sent: u64,
}

impl Recorder {
    pub(super) fn start() -> Self {
        let [zipkin, grpc, thrift_http, compact, binary] = [(); 5].map(|()| free_port());
        let at = |port: u16| format!("127.0.0.1:{port}");
        // With one worker, datagrams are taken in their order.
        let datagrams = |port| json!({ "endpoint": at(port), "workers": 1 });
        let configuration = json!({
            "receivers": {
                "zipkin": { "endpoint": at(zipkin) },
                "jaeger": { "protocols": {
                    "grpc": { "endpoint": at(grpc) },
                    "thrift_http": { "endpoint": at(thrift_http) },
                    "thrift_compact": datagrams(compact),
                    "thrift_binary": datagrams(binary),
                } },
            },
            "exporters": {
                "file": { "path": "FOLDER/out", "format": "proto", "flush_interval": "10ms" },
            },
            "service": {
                "pipelines": {
                    "traces": { "receivers": ["zipkin", "jaeger"], "exporters": ["file"] },
                },
                "telemetry": { "metrics": { "level": "none" } },
            },
        });
        let running = Running::start(&configuration);
        assert!(running.is_ready, "{}", running.said());
        let path = running.folder.path().join("out");
        let ports = Ports { zipkin, grpc, thrift_http, compact, binary };
        Self { running, ports, path, read: 0, sent: 0 }
    }

    /// What the Collector makes of each of these requests, of one format.
    pub(super) fn record(&mut self, format: Format, all: &[&[u8]]) -> Vec<Vec<String>> {
        all.chunks(AT_ONCE).flat_map(|some| self.record_some(format, some)).collect()
    }

    fn record_some(&mut self, format: Format, some: &[&[u8]]) -> Vec<Vec<String>> {
        let mut numbered = Vec::new();
        for bytes in some {
            self.sent += 1;
            let taken = self.ports.send(format, bytes);
            // What is sent to other receivers may overtake a datagram.
            let (by, last) = match format {
                Format::JaegerCompact | Format::JaegerBinary => {
                    let id = format!("{:016x}", self.sent);
                    let last = json!([{ "trace_id_low": LAST, "span_id": id }]);
                    (format, format.bytes("the last", &last))
                }
                _ => {
                    let last = format!(r#"[{{"traceId":"{LAST}","id":"{:x}"}}]"#, self.sent);
                    (Format::ZipkinJson, last.into_bytes())
                }
            };
            assert!(self.ports.send(by, &last), "the last of request {}", self.sent);
            numbered.push((self.sent, taken));
        }
        let refused = || vec!["refused".to_owned()];
        let mut made = |(number, taken)| {
            let requests = self.wait_for(number);
            if taken { lines(&requests, is_now) } else { refused() }
        };
        numbered.into_iter().map(&mut made).collect()
    }

    /// The requests up to the one that tells the last, which has this number.
    fn wait_for(&mut self, number: u64) -> Vec<ExportTraceServiceRequest> {
        let begun = Instant::now();
        let mut requests = Vec::new();
        loop {
            let file = fs::read(&self.path).unwrap_or_default();
            while let Some(request) = self.next(&file) {
                let spans = request.resource_spans.iter().flat_map(|one| &one.scope_spans);
                let mut spans = spans.flat_map(|one| &one.spans);
                let is_last = spans.any(|span| {
                    span.trace_id.ends_with(&[0, 0x1a, 0x57])
                        && span.span_id == number.to_be_bytes()
                });
                if is_last {
                    return requests;
                }
                requests.push(request);
            }
            assert!(begun.elapsed() < PATIENCE, "the Collector writes nothing");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The next request, if all of it is there: its length in four bytes stands before it.
    fn next(&mut self, file: &[u8]) -> Option<ExportTraceServiceRequest> {
        let rest = file.get(self.read..)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        let request = rest.get(..length)?;
        self.read += 4 + length;
        Some(decode(request))
    }

    pub(super) fn end(self) {
        self.running.end();
    }
}

/// Whether a time is that of the recording; those that are sent are long past, or to come.
fn is_now(time: u64) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let ago = now.as_nanos().abs_diff(u128::from(time));
    ago < Duration::from_secs(3600).as_nanos()
}

#[test]
#[ignore = "writes the recordings anew: tests/conformance/record"]
fn record_mappings() {
    assert!(stands("collector"), "no Collector, nothing to record");
    let mut recorder = Recorder::start();
    for format in Format::ALL.into_iter().filter(|format| !format.is_datagram()) {
        let cases = Cases::read(format);
        let all: Vec<&[u8]> = cases.all.iter().map(|case| &*case.bytes).collect();
        cases.write(&recorder.record(format, &all));
        println!("{}: {} cases", format.name(), cases.all.len());
    }
    recorder.end();
}

#[test]
fn a_collector_still_makes_of_spans_what_was_recorded() {
    if !stands("collector") {
        return;
    }
    let mut recorder = Recorder::start();
    let mut wrong = Vec::new();
    for format in Format::ALL {
        let cases = Cases::read(format);
        let all: Vec<&[u8]> = cases.all.iter().map(|case| &*case.bytes).collect();
        let recorded = cases.recorded();
        for (case, made) in cases.all.iter().zip(recorder.record(format, &all)) {
            let stands = recorded.get(&case.name).cloned().unwrap_or_default();
            let [made, stands] = [made, stands].map(|lines| format.shown(lines));
            if made != stands {
                wrong.push(format!("{format:?} {}: {made:#?} and not {stands:#?}", case.name));
            }
        }
    }
    recorder.end();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
