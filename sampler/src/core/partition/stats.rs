//! What a partition counts.

use std::sync::Arc;

use wholetrace_spanlog::{LogTime, Position};

/// Counts since they were last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records read ahead, ticks included.
    pub records: u64,
    /// Bytes of payload read ahead.
    pub bytes: u64,
    /// Frames that were routed by another mapping than the fleet's, or by nobody's: what is in them
    /// may be parts of traces whose rest is in other partitions.
    pub frames_foreign: u64,
    /// Ticks read.
    pub ticks: u64,
    /// Spans read ahead.
    pub spans: u64,
    /// Traces seen for the first time.
    pub traces: u64,
    /// Spans that came after the decision of their trace.
    pub late_spans: u64,
    /// Spans without a valid trace id: they are left out.
    pub invalid_trace_ids: u64,
    /// Spans whose bytes are malformed beyond their trace id.
    pub malformed_spans: u64,
    /// Spans of undecided traces with times that do not count, or that end before they start.
    pub odd_times: u64,
    /// Times that a condition had no answer.
    pub condition_errors: u64,
    /// Decisions made here to keep.
    pub traces_kept: u64,
    /// Decisions made here not to keep.
    pub traces_not_sampled: u64,
    /// Of those, decisions about what may be the rest of a trace whose decision was forgotten.
    pub late_fragments_kept: u64,
    /// The same, not kept.
    pub late_fragments_not_sampled: u64,
    /// Decisions read back that do not count: the trace had one already, or they come from an owner
    /// that was replaced before (I3).
    pub decisions_ignored: u64,
    /// Decisions that were forgotten before their time, for want of room.
    pub decisions_forgotten: u64,
    /// Records of the decision log that could not be read.
    pub decision_records_bad: u64,
    /// Spans released to the exporters.
    pub spans_kept: u64,
    /// Spans released that the policies do not want.
    pub spans_not_sampled: u64,
    /// Spans of kept traces that stand earlier in the log as well, and are not released again.
    pub spans_repeated: u64,
    /// Spans released without a decision, which must not happen (I3).
    pub spans_undecided: u64,
    /// Spans that an exporter which is behind got without a decision: it was forgotten.
    pub spans_unknown: u64,
    /// Records that were read too early, because too many traces were open.
    pub records_scanned: u64,
    /// Frames released out of the window cache, with kept spans or without.
    pub frames_from_cache: u64,
    /// The same, read again from the log.
    pub frames_from_log: u64,
    /// Bytes that were read again because the window cache had no room for them.
    pub refetched_bytes: u64,
    /// Frames gone from the log before they were released.
    pub frames_lost: u64,
    /// Frames that could not be decoded.
    pub frames_undecodable: u64,
    /// Records of the span log that could not be read.
    pub frames_unreadable: u64,
    /// Policy sets that had to wait until one of the sets before them is not in use any more.
    pub policies_delayed: u64,
    /// Root spans that came after the decision not to keep their trace.
    pub late_roots: u64,
    /// Records whose append time is far ahead of both their neighbours: it does not count.
    pub times_unconfirmed: u64,
    /// Records whose append time is below an earlier one's.
    pub times_below: u64,
    /// Times that the clock of the log turned out to be set back.
    pub clock_set_back: u64,
    /// Exporters that fell so far behind the others that each is fed by itself.
    pub fell_behind: u64,
    /// Those that have caught up.
    pub caught_up: u64,
    /// Pieces of kept spans that a backend refused for good.
    pub pieces_refused: u64,
}

/// Spans that were released, whose traces one policy has kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The name of the policy; `None` where it is not known.
    pub policy: Option<Arc<str>>,
    /// How many.
    pub spans: u64,
    /// Their bytes, as they came.
    pub bytes: u64,
}

/// How full a partition is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Traces that are not decided, or whose decision has not come back.
    pub open_traces: usize,
    /// Decisions held.
    pub decisions: usize,
    /// Frames between the slowest release and the read-ahead.
    pub window_frames: usize,
    /// Bytes of their payloads that are kept in memory.
    pub window_bytes: usize,
    /// Exporters that are behind the others, and fed by themselves.
    pub behind: usize,
    /// Decisions held for those, added up.
    pub behind_decisions: usize,
    /// Bytes of kept spans that are with the exporters, added up.
    pub unfinished_bytes: usize,
    /// Bytes that the tables take, by the capacities of what is allocated.
    pub table_bytes: usize,
    /// Milliseconds of the log's time between the oldest unfinished frame and the read-ahead.
    pub span_millis: u64,
    /// The lowest position that was not read ahead.
    pub read_position: Position,
    /// The position below which all is finished.
    pub release_position: Position,
    /// When the newest record that was read was appended; `None` before the first record.
    pub newest: Option<LogTime>,
    /// When the oldest record was appended that is not finished.
    pub unfinished_since: Option<LogTime>,
    /// When about the oldest trace was first seen that is not decided.
    pub undecided_since: Option<LogTime>,
}
