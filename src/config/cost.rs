//! What a configuration may take of the memory: the sum of its bounds.

#[cfg(feature = "kafka")]
use wholetrace_gateway::ReceiverConfig;
use wholetrace_runtime::{problems::Problems, units::ByteSize};
use wholetrace_sampler::config::{recent_memory, refetch_memory, window_memory};

use super::sections::{Config, LogChoice};
use crate::role::Role;

/// The program itself: code, threads, the allocator's slack, buffers of some hundred connections.
const PROGRAM: u64 = 96 << 20;

/// A decision in the table, with the longest id of a kept trace.
const DECISION: u64 = 56;

/// An undecided trace: its summary, its place in the table and in the order of deadlines.
const OPEN_TRACE: u64 = 112;

/// The same with the decisions that are held for it by default: one in flight, one remembered.
pub(crate) const OPEN_TRACE_IN_ALL: u64 = OPEN_TRACE + DECISION * 2;

/// What each part may take.
#[derive(Debug)]
pub(crate) struct Cost {
    role: Role,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    what: &'static str,
    /// The settings that bound it.
    setting: &'static str,
    bytes: u64,
}

impl Cost {
    /// The bounds of `config` in a process of this role.
    pub(crate) fn of(config: &Config, role: Role) -> Self {
        let part = |what, setting, bytes| Part { what, setting, bytes };
        let mut parts = vec![part("the program", "", PROGRAM)];
        if role.takes_spans() {
            let in_flight = config.limits.in_flight.get();
            parts.push(part("requests in flight", "limits.in_flight", in_flight));
            #[cfg(feature = "kafka")]
            if let Some(bytes) = reading_memory(config) {
                parts.push(part("messages in flight", "receivers.kafka.in_flight", bytes));
            }
        }
        let (log, divided, partitions, bytes) = match config.log.choice() {
            LogChoice::Embedded(embedded) => {
                let divided = "log.embedded.partitions";
                ("log.embedded", divided, embedded.partitions, embedded.memory_bytes())
            }
            #[cfg(feature = "kafka")]
            LogChoice::Kafka(kafka) => {
                let reading = kafka.reading_memory_bytes(kafka.spans.partitions);
                let reading = if role.samples() { reading } else { 0 };
                let bytes = reading.saturating_add(kafka.writing_memory_bytes());
                ("log.kafka", "log.kafka.spans.partitions", kafka.spans.partitions, bytes)
            }
        };
        parts.push(part("the log", log, bytes));
        if role.samples() {
            let open_traces = config.memory.open_traces;
            let remembered = config.tail_sampling.decision_cache.entries(open_traces);
            // Those beside them that the frames of one decision wait still ask for.
            let decisions = remembered.saturating_add(open_traces).saturating_mul(DECISION);
            let open = open_traces.saturating_mul(OPEN_TRACE);
            let exporters = config.exporters.0.len();
            let window_cache = config.memory.window_cache;
            let least = refetch_memory(partitions, exporters);
            let queues = config.exporters.queue_bytes();
            // All exporters but one may be behind, each with a table of its own, in which it looks for
            // the decisions of two decision waits.
            let behind = (exporters as u64).saturating_sub(1);
            if behind > 0 {
                let setting = "tail_sampling.decision_cache, memory.open_traces";
                let searched = open_traces.saturating_mul(DECISION);
                let bytes = decisions.saturating_add(searched).saturating_mul(behind);
                parts.push(part("exporters behind", setting, bytes));
            }
            parts.extend([
                part("log bytes held", "memory.window_cache", window_cache.get()),
                part("spans released", "memory.window_cache", recent_memory(window_cache)),
                part("where they stand", divided, window_memory(partitions)),
                part("frames read again", divided, least),
                part("undecided traces", "memory.open_traces", open),
                part("decisions", "tail_sampling.decision_cache, memory.open_traces", decisions),
                part("exporters", "exporters.*.sending_queue", queues),
            ]);
        }
        Self { role, parts }
    }

    /// The sum of all bounds, in bytes.
    pub(crate) fn total(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.bytes))
    }

    /// What a process that samples by `config` is good for, in a sentence.
    pub(crate) fn good_for(config: &Config) -> String {
        let (sampling, open_traces) = (&config.tail_sampling, config.memory.open_traces);
        // A trace is open for a moment at least.
        let wait = sampling.decision_wait.get().as_secs_f64().max(0.1);
        let rate = (open_traces as f64 / wait).max(1.0);
        let remembered = sampling.decision_cache.entries(open_traces) as f64 / rate;
        let remembered = remembered.min(sampling.decision_cache.max_age.get().as_secs_f64());
        format!(
            "good for {rate:.0} new traces a second (`memory.open_traces` in a `decision_wait` of \
             {}); at that rate late spans find their decision for {remembered:.0} s \
             (`tail_sampling.decision_cache`)",
            sampling.decision_wait
        )
    }

    /// Adds a problem if the sum is beyond `limit`: an error if `strict`, else a warning.
    pub(super) fn check(&self, limit: Option<u64>, strict: bool, problems: &mut Problems) {
        let Some(limit) = limit.filter(|limit| self.total() > *limit) else { return };
        let mut largest: Vec<&Part> = self.parts.iter().collect();
        largest.sort_by_key(|part| std::cmp::Reverse(part.bytes));
        let largest: Vec<String> = largest
            .iter()
            .filter(|part| !part.setting.is_empty())
            .take(3)
            .map(|part| format!("`{}` ({})", part.setting, mib(part.bytes)))
            .collect();
        let message = format!(
            "the bounds of all parts of a {} add up to {}, but the process may take {}",
            self.role,
            mib(self.total()),
            mib(limit)
        );
        let hint = format!("raise it, or lower {}", largest.join(", "));
        if strict {
            problems.error("memory.limit", message, hint);
        } else {
            problems.warn("memory.limit", message, hint);
        }
    }

    /// A table for people, with the limit below the sum.
    pub(crate) fn table(&self, limit: Option<u64>) -> String {
        let mut table = String::new();
        let mut line = |what: &str, bytes: String, setting: &str| {
            table.push_str(format!("  {what:<22}{bytes:>12}  {setting}").trim_end());
            table.push('\n');
        };
        for part in &self.parts {
            line(part.what, mib(part.bytes), part.setting);
        }
        line("together at most", mib(self.total()), "");
        line("allowed", limit.map_or_else(|| "unknown".to_owned(), mib), "memory.limit");
        table
    }
}

/// Bytes that the receivers which read topics may take beside the requests in flight, if there are any.
#[cfg(feature = "kafka")]
fn reading_memory(config: &Config) -> Option<u64> {
    let kafka = config.receivers.0.values().filter_map(|receiver| match receiver {
        ReceiverConfig::Kafka(kafka) => Some(kafka.memory_bytes()),
        _ => None,
    });
    kafka.reduce(u64::saturating_add)
}

fn mib(bytes: u64) -> String {
    ByteSize::mib(bytes.div_ceil(1 << 20)).to_string().replace("0B", "0MiB")
}
