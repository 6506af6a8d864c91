//! What the same policies take in a Collector, whose processor the program in `benches/collector`
//! drives.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use wholetrace_proto::{
    otlp::numbers::{resource_spans, scope_spans, traces_data},
    wire::put_bytes,
};

use super::{
    sets::Set,
    spans::{SPANS_PER_TRACE, span},
    table::Collectors,
};

/// Half a thousand spans a request, as exporters send them by default.
const TRACES_PER_REQUEST: u64 = 64;

/// The program, and the requests that it is given: of each four bytes that say how long it is, the
/// lowest first, and an `ExportTraceServiceRequest`.
pub(crate) struct Collector {
    program: PathBuf,
    requests: Vec<u8>,
}

impl Collector {
    pub(crate) fn new(program: PathBuf, traces: u64) -> Self {
        let mut requests = Vec::new();
        for first in (0..traces).step_by(TRACES_PER_REQUEST as usize) {
            let behind = traces.min(first + TRACES_PER_REQUEST);
            let request = request(first * SPANS_PER_TRACE..behind * SPANS_PER_TRACE);
            let length = u32::try_from(request.len()).expect("some 100 KiB");
            requests.extend_from_slice(&length.to_le_bytes());
            requests.extend_from_slice(&request);
        }
        Self { program, requests }
    }

    /// Gives the figures, and how many traces were kept.
    pub(crate) fn measure(&self, set: Set) -> (Collectors, usize) {
        let mut child = Command::new(&self.program)
            .arg(set.path())
            .arg(set.policies.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program that `benches/policies` builds");
        // It answers when it has read all.
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(&self.requests).expect("it reads all of them");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "the Collector's program: {}", output.status);
        let line = String::from_utf8(output.stdout).expect("numbers");
        let numbers: Vec<f64> =
            line.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        let [decode, consume, decide, whole, kept] =
            <[f64; 5]>::try_from(numbers).expect("five numbers");
        (Collectors { decode, consume, decide, whole }, kept as usize)
    }
}

/// A request with these spans.
fn request(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let (mut scope, mut resource, mut request) = (Vec::new(), Vec::new(), Vec::new());
    for number in numbers {
        put_bytes(&mut scope, scope_spans::SPANS, &span(number));
    }
    put_bytes(&mut resource, resource_spans::SCOPE_SPANS, &scope);
    put_bytes(&mut request, traces_data::RESOURCE_SPANS, &resource);
    request
}
