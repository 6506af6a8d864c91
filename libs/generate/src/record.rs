//! Notes what was acknowledged, for comparison with what arrives at the other end.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use serde::Serialize;
use tokio::time::Instant;

use super::shape::Trace;

/// A span as it left, for the record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: u64,
}

/// What became of the traces of a run.
#[derive(Default)]
pub(crate) struct Record {
    traces: HashMap<[u8; 16], Entry>,
}

#[derive(Default)]
struct Entry {
    planned: usize,
    acknowledged: Vec<u64>,
    repeated: Vec<u64>,
    /// When the first try to send any of its spans began, and when the last was acknowledged.
    under_way: Option<(Instant, Instant)>,
    error: bool,
    slow: bool,
    late: bool,
}

#[derive(Serialize)]
struct Line {
    trace_id: String,
    /// How many spans the trace has.
    planned: usize,
    /// Ids of the spans that were acknowledged.
    acknowledged: Vec<String>,
    /// Ids of those whose request had to be repeated: they may have been taken more than once.
    repeated: Vec<String>,
    /// Milliseconds from the first try to send any of its spans to the last acknowledgement: further
    /// apart they were not taken.
    took_ms: u128,
    error: bool,
    slow: bool,
    late: bool,
}

impl Record {
    pub(crate) fn plan(&mut self, trace: &Trace) {
        let entry = self.traces.entry(trace.id).or_default();
        entry.planned = trace.spans.len();
        (entry.error, entry.slow, entry.late) = (trace.error, trace.slow, trace.late);
    }

    /// Notes a request with these spans, first sent at `begun` and acknowledged now. `repeated`: it was
    /// sent more than once.
    pub(crate) fn acknowledge(&mut self, spans: &[Sent], begun: Instant, repeated: bool) {
        let now = Instant::now();
        for span in spans {
            let entry = self.traces.entry(span.trace_id).or_default();
            let (first, _) = entry.under_way.unwrap_or((begun, now));
            entry.under_way = Some((first.min(begun), now));
            entry.acknowledged.push(span.span_id);
            if repeated {
                entry.repeated.push(span.span_id);
            }
        }
    }

    /// Writes a JSON line per trace.
    pub(crate) fn write(self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for (id, entry) in self.traces {
            let hex = |id: u64| format!("{id:016x}");
            let line = Line {
                trace_id: format!("{:032x}", u128::from_be_bytes(id)),
                planned: entry.planned,
                acknowledged: entry.acknowledged.into_iter().map(hex).collect(),
                repeated: entry.repeated.into_iter().map(hex).collect(),
                took_ms: entry
                    .under_way
                    .map_or(0, |(first, last)| last.saturating_duration_since(first).as_millis()),
                error: entry.error,
                slow: entry.slow,
                late: entry.late,
            };
            serde_json::to_writer(&mut file, &line)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    }
}
