//! What a configuration may take of the memory: the sum of its bounds.

use wholetrace_runtime::{problems::Problems, units::ByteSize};

use super::sections::Config;

/// The program itself: code, threads, the allocator's slack, buffers of some hundred connections.
const PROGRAM: u64 = 96 << 20;

/// A remembered decision.
const DECISION: u64 = 48;

/// An undecided trace: its summary, its place in the table and in the order of deadlines.
pub(crate) const OPEN_TRACE: u64 = 112;

/// What each part may take.
#[derive(Debug)]
pub(crate) struct Cost {
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
    /// The bounds of `config`.
    pub(crate) fn of(config: &Config) -> Self {
        let part = |what, setting, bytes| Part { what, setting, bytes };
        let decisions = config.tail_sampling.decision_cache.entries().saturating_mul(DECISION);
        let parts = vec![
            part("the program", "", PROGRAM),
            part("requests in flight", "limits.in_flight", config.limits.in_flight.get()),
            part("the log", "log.embedded", config.log.embedded.memory_bytes()),
            part("frames until release", "memory.window_cache", config.memory.window_cache.get()),
            part(
                "undecided traces",
                "memory.open_traces",
                config.memory.open_traces.saturating_mul(OPEN_TRACE),
            ),
            part("decisions", "tail_sampling.decision_cache", decisions),
            part("exporters", "exporters.*.sending_queue", config.exporters.queue_bytes()),
        ];
        Self { parts }
    }

    /// The sum of all bounds, in bytes.
    pub(crate) fn total(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.bytes))
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
            "the bounds of all parts add up to {}, but the process may take {}",
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

fn mib(bytes: u64) -> String {
    ByteSize::mib(bytes.div_ceil(1 << 20)).to_string().replace("0B", "0MiB")
}
