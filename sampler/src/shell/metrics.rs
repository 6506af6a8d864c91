//! What the sampler counts, beside its exporters.

use metrics::{Counter, Gauge, counter, gauge};
use wholetrace_runtime::metrics::{Label, Metric, Unit};
use wholetrace_spanlog::{Partition, Position, Replacement, TopicName};

use crate::{
    core::partition::{Levels, Stats},
    shell::{
        budget_metrics::BudgetMetrics, measured_metrics::MeasuredMetrics,
        partition_metrics::Takeovers, policy_metrics::PolicyMetrics,
    },
};

/// Handles made once; all partitions share them.
#[derive(Clone)]
pub(crate) struct SamplerMetrics {
    counters: Vec<Counter>,
    levels: [Gauge; 7],
    pub(crate) policies: PolicyMetrics,
    pub(crate) measured: MeasuredMetrics,
    pub(crate) budgets: BudgetMetrics,
    pub(crate) partitions: Gauge,
    pub(crate) commits: Counter,
    append_retries: [Counter; 3],
    pub(crate) read_retries: Counter,
    pub(crate) cut_dead_letters: Counter,
    pub(crate) superseded: Counter,
    gaps: [[Counter; 2]; 2],
    lost_positions: Counter,
    replaced: [[Counter; 2]; 2],
    pub(crate) takeovers: Takeovers,
}

/// A topic that appends are tried again for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Appending {
    Ticks,
    Decisions,
    DeadLetters,
}

impl SamplerMetrics {
    pub(crate) fn new() -> Self {
        let handle =
            |(name, label): &(&'static str, Option<(&'static str, &'static str)>)| match *label {
                Some((label, value)) => counter!(*name, label => value),
                None => counter!(*name),
            };
        let levels = [OPEN, REMEMBERED, WINDOW_FRAMES, WINDOW, UNFINISHED, TABLES, BEHIND];
        Self {
            counters: COUNTED.iter().map(|(counted, _)| handle(counted)).collect(),
            levels: levels.map(|name| gauge!(name)),
            policies: PolicyMetrics::default(),
            measured: MeasuredMetrics::new(),
            budgets: BudgetMetrics::default(),
            partitions: gauge!(PARTITIONS),
            commits: counter!(COMMITS),
            append_retries: TOPICS.map(|topic| counter!(APPEND_RETRIES, "topic" => topic)),
            read_retries: counter!(READ_RETRIES),
            cut_dead_letters: counter!(CUT_DEAD_LETTERS),
            superseded: counter!(SUPERSEDED),
            gaps: GAP_TOPICS.map(|topic| {
                GAP_REASONS.map(|reason| counter!(GAPS, "topic" => topic, "reason" => reason))
            }),
            lost_positions: counter!(LOST_POSITIONS),
            replaced: GAP_TOPICS.map(|topic| {
                REPLACEMENTS
                    .map(|why| counter!(REPLACED, "topic" => topic, "reason" => why.as_str()))
            }),
            takeovers: Takeovers::new(),
        }
    }

    /// Adds what a partition has counted.
    pub(crate) fn count(&self, stats: &Stats) {
        for (counter, (_, of)) in self.counters.iter().zip(COUNTED) {
            let count = of(stats);
            if count > 0 {
                counter.increment(count);
            }
        }
        let [[_, damaged], _] = &self.gaps;
        damaged.increment(stats.frames_unreadable);
    }

    /// Replaces the part of a partition in the levels.
    pub(crate) fn level(&self, before: &Levels, now: &Levels) {
        for (gauge, (before, now)) in self.levels.iter().zip(parts(before).iter().zip(parts(now))) {
            if *before < now {
                gauge.increment((now - before) as f64);
            } else if *before > now {
                gauge.decrement((before - now) as f64);
            }
        }
    }

    /// Counts and tells that what stood from `from` to `to` was deleted before it was read.
    pub(crate) fn lost(
        &self,
        topic: TopicName,
        partition: Partition,
        from: Position,
        to: Position,
    ) {
        let [[spans, _], [decisions, _]] = &self.gaps;
        if topic == TopicName::Spans {
            spans.increment(1);
            self.lost_positions.increment(to.0.saturating_sub(from.0));
        } else {
            decisions.increment(1);
        }
        tracing::error!(%topic, %partition, %from, %to, "lose records that the log has deleted before they were read: raise its retention");
    }

    /// Counts and tells that a record of the decision log cannot be read.
    pub(crate) fn unreadable_decisions(
        &self,
        partition: Partition,
        position: Position,
        detail: &str,
    ) {
        let [_, [_, damaged]] = &self.gaps;
        damaged.increment(1);
        tracing::error!(%partition, %position, "pass a record of the decisions that cannot be read, its traces are decided again: {detail}");
    }

    /// A log turned out to be another one than that of the checkpoint.
    pub(crate) fn replaced(&self, topic: TopicName, why: Replacement) {
        let [spans, decisions] = &self.replaced;
        let reasons = if topic == TopicName::Spans { spans } else { decisions };
        for (reason, counter) in REPLACEMENTS.iter().zip(reasons) {
            if *reason == why {
                counter.increment(1);
            }
        }
    }

    pub(crate) fn append_retried(&self, appending: Appending) {
        let [ticks, decisions, dead_letters] = &self.append_retries;
        match appending {
            Appending::Ticks => ticks.increment(1),
            Appending::Decisions => decisions.increment(1),
            Appending::DeadLetters => dead_letters.increment(1),
        }
    }
}

const fn parts(levels: &Levels) -> [usize; 7] {
    [
        levels.open_traces,
        levels.decisions,
        levels.window_frames,
        levels.window_bytes,
        levels.unfinished_bytes,
        levels.table_bytes,
        levels.behind,
    ]
}

type Counted = ((&'static str, Option<(&'static str, &'static str)>), fn(&Stats) -> u64);

/// Where each count of a partition goes.
const COUNTED: &[Counted] = &[
    ((READ_RECORDS, None), |stats| stats.records),
    ((READ_BYTES, None), |stats| stats.bytes),
    ((READ_SPANS, None), |stats| stats.spans),
    ((FOREIGN_FRAMES, None), |stats| stats.frames_foreign),
    ((TICKS, None), |stats| stats.ticks),
    ((TRACES, None), |stats| stats.traces),
    ((LATE_SPANS, None), |stats| stats.late_spans),
    ((LATE_ROOTS, None), |stats| stats.late_roots),
    ((DELAYED_POLICIES, None), |stats| stats.policies_delayed),
    ((INVALID_SPANS, Some(("reason", "trace_id"))), |stats| stats.invalid_trace_ids),
    ((INVALID_SPANS, Some(("reason", "malformed"))), |stats| stats.malformed_spans),
    ((ODD_SPANS, None), |stats| stats.odd_times),
    ((CONDITION_ERRORS, None), |stats| stats.condition_errors),
    ((DECISIONS, Some(("verdict", "kept"))), |stats| stats.traces_kept),
    ((DECISIONS, Some(("verdict", "not_sampled"))), |stats| stats.traces_not_sampled),
    ((LATE_FRAGMENTS, Some(("verdict", "kept"))), |stats| stats.late_fragments_kept),
    ((LATE_FRAGMENTS, Some(("verdict", "not_sampled"))), |stats| stats.late_fragments_not_sampled),
    ((IGNORED_DECISIONS, None), |stats| stats.decisions_ignored),
    ((FORGOTTEN_DECISIONS, None), |stats| stats.decisions_forgotten),
    ((BAD_DECISION_RECORDS, None), |stats| stats.decision_records_bad),
    ((RELEASED_SPANS, Some(("verdict", "kept"))), |stats| stats.spans_kept),
    ((RELEASED_SPANS, Some(("verdict", "not_sampled"))), |stats| stats.spans_not_sampled),
    ((RELEASED_SPANS, Some(("verdict", "duplicate"))), |stats| stats.spans_repeated),
    ((RELEASED_SPANS, Some(("verdict", "undecided"))), |stats| {
        stats.spans_undecided + stats.spans_unknown
    }),
    ((SCANNED_RECORDS, None), |stats| stats.records_scanned),
    ((RELEASED_FRAMES, Some(("source", "cache"))), |stats| stats.frames_from_cache),
    ((RELEASED_FRAMES, Some(("source", "log"))), |stats| stats.frames_from_log),
    ((REFETCHED_BYTES, None), |stats| stats.refetched_bytes),
    ((DROPPED_FRAMES, None), |stats| stats.frames_lost),
    ((ODD_TIMES, Some(("reason", "below"))), |stats| stats.times_below),
    ((ODD_TIMES, Some(("reason", "unconfirmed"))), |stats| stats.times_unconfirmed),
    ((SET_BACK, None), |stats| stats.clock_set_back),
    ((STANDINGS, Some(("change", "fell_behind"))), |stats| stats.fell_behind),
    ((STANDINGS, Some(("change", "caught_up"))), |stats| stats.caught_up),
    ((DEAD_LETTERS, Some(("reason", "undecodable"))), |stats| stats.frames_undecodable),
    ((DEAD_LETTERS, Some(("reason", "unreadable"))), |stats| stats.frames_unreadable),
    ((DEAD_LETTERS, Some(("reason", "refused"))), |stats| stats.pieces_refused),
];

const TOPICS: [&str; 3] = ["spans", "decisions", "dead_letters"];

const READ_RECORDS: &str = "wholetrace_sampler_read_records_total";
const READ_BYTES: &str = "wholetrace_sampler_read_bytes_total";
const READ_SPANS: &str = "wholetrace_sampler_read_spans_total";
const FOREIGN_FRAMES: &str = "wholetrace_sampler_foreign_frames_total";
const TICKS: &str = "wholetrace_sampler_ticks_total";
const TRACES: &str = "wholetrace_sampler_traces_total";
const LATE_SPANS: &str = "wholetrace_sampler_late_spans_total";
const LATE_ROOTS: &str = "wholetrace_sampler_late_roots_total";
const DELAYED_POLICIES: &str = "wholetrace_sampler_delayed_policies_total";
const INVALID_SPANS: &str = "wholetrace_sampler_invalid_spans_total";
const ODD_SPANS: &str = "wholetrace_sampler_odd_span_times_total";
const CONDITION_ERRORS: &str = "wholetrace_sampler_condition_errors_total";
const DECISIONS: &str = "wholetrace_sampler_decisions_total";
const LATE_FRAGMENTS: &str = "wholetrace_sampler_late_fragments_total";
const IGNORED_DECISIONS: &str = "wholetrace_sampler_ignored_decisions_total";
const FORGOTTEN_DECISIONS: &str = "wholetrace_sampler_forgotten_decisions_total";
const BAD_DECISION_RECORDS: &str = "wholetrace_sampler_bad_decision_records_total";
const RELEASED_SPANS: &str = "wholetrace_sampler_released_spans_total";
const SCANNED_RECORDS: &str = "wholetrace_sampler_scanned_records_total";
const RELEASED_FRAMES: &str = "wholetrace_sampler_released_frames_total";
const REFETCHED_BYTES: &str = "wholetrace_sampler_refetched_bytes_total";
const DROPPED_FRAMES: &str = "wholetrace_sampler_dropped_frames_total";
const ODD_TIMES: &str = "wholetrace_sampler_odd_append_times_total";
const SET_BACK: &str = "wholetrace_sampler_log_clock_set_back_total";
const DEAD_LETTERS: &str = "wholetrace_sampler_dead_letters_total";
/// Topics that are read.
const REPLACEMENTS: [Replacement; 2] = [Replacement::Shorter, Replacement::Younger];
const REASONS: [&str; 2] = [Replacement::Shorter.as_str(), Replacement::Younger.as_str()];
const GAP_TOPICS: [&str; 2] = ["spans", "decisions"];
const GAP_REASONS: [&str; 2] = ["deleted", "damaged"];

const GAPS: &str = "wholetrace_sampler_gaps_total";
const LOST_POSITIONS: &str = "wholetrace_sampler_lost_positions_total";
const REPLACED: &str = "wholetrace_sampler_replaced_logs_total";
const SUPERSEDED: &str = "wholetrace_sampler_superseded_total";
const CUT_DEAD_LETTERS: &str = "wholetrace_sampler_cut_dead_letters_total";
const OPEN: &str = "wholetrace_sampler_open_traces";
const REMEMBERED: &str = "wholetrace_sampler_remembered_decisions";
const WINDOW_FRAMES: &str = "wholetrace_sampler_window_frames";
const WINDOW: &str = "wholetrace_sampler_window_bytes";
const UNFINISHED: &str = "wholetrace_sampler_unfinished_bytes";
const TABLES: &str = "wholetrace_sampler_table_bytes";
const BEHIND: &str = "wholetrace_sampler_exporters_behind";
const STANDINGS: &str = "wholetrace_sampler_exporter_changes_total";
const PARTITIONS: &str = "wholetrace_sampler_partitions";
const COMMITS: &str = "wholetrace_sampler_commits_total";
const APPEND_RETRIES: &str = "wholetrace_sampler_append_retries_total";
const READ_RETRIES: &str = "wholetrace_sampler_read_retries_total";

/// The metrics of the sampler, those of policies, partitions and exporters aside.
pub const TABLE: &[Metric] = &[
    Metric::counter(READ_RECORDS, Unit::None, "Records read ahead from the span log."),
    Metric::counter(READ_BYTES, Unit::Bytes, "Bytes of records read ahead."),
    Metric::counter(READ_SPANS, Unit::None, "Spans read ahead; after a restart, some again."),
    Metric::counter(
        FOREIGN_FRAMES,
        Unit::None,
        "Frames that were not routed by the mapping of the fleet: somebody else writes to the topic, \
         or a gateway of another fleet. Their traces may be split.",
    ),
    Metric::counter(TICKS, Unit::None, "Ticks read: records that say nothing but the time."),
    Metric::counter(TRACES, Unit::None, "Traces seen for the first time."),
    Metric::counter(
        LATE_SPANS,
        Unit::None,
        "Spans that came after the decision about their trace, and follow it.",
    ),
    Metric::counter(
        LATE_ROOTS,
        Unit::None,
        "Root spans that came after their trace was turned down: it was decided without them. Some \
         are normal while senders try again what a broker or a gateway could not take; many of \
         them: `decision_wait` is shorter than traces are late.",
    ),
    Metric::counter(
        DELAYED_POLICIES,
        Unit::None,
        "Reloads that a partition could not take over at once, because open traces still use 256 \
         sets of policies: the newest of them follows when one of those is done.",
    ),
    Metric::counter(
        INVALID_SPANS,
        Unit::None,
        "Spans in the log that are no valid spans, which no gateway lets in: without a `trace_id` \
         they are left out, `malformed` ones are judged by what can be read of them.",
    )
    .labels(&[Label::closed("reason", &["trace_id", "malformed"])]),
    Metric::counter(
        ODD_SPANS,
        Unit::None,
        "Spans that end before they start, or with a time more than seven days before or an hour \
         after the one at which the log got them. How long their trace lasted is told by the \
         others: a clock or a unit is wrong.",
    ),
    Metric::counter(
        CONDITION_ERRORS,
        Unit::None,
        "Times that a condition in OTTL had no answer on a span, an event, a resource or a scope, \
         because of a value that a converter or an operator cannot take.",
    ),
    Metric::counter(DECISIONS, Unit::None, "Traces decided; after a restart, some again.")
        .labels(&[Label::closed("verdict", &["kept", "not_sampled"])]),
    Metric::counter(
        LATE_FRAGMENTS,
        Unit::None,
        "Of the traces decided, those of which all that came had ended more than \
         `decision_cache.max_age` before: a decision about the rest may have been forgotten. \
         Kept ones are marked with the attribute `wholetrace.late_fragment`. Many of them: spans \
         come very late, or the clocks of senders are behind.",
    )
    .labels(&[Label::closed("verdict", &["kept", "not_sampled"])]),
    Metric::counter(
        IGNORED_DECISIONS,
        Unit::None,
        "Decisions read that do not count: their trace had one, or they come from an owner that \
         was replaced before. Some are normal when a partition changes hands.",
    ),
    Metric::counter(
        FORGOTTEN_DECISIONS,
        Unit::None,
        "Decisions forgotten before `decision_cache.max_age` because `max_entries` was reached: \
         spans that come for them start new traces.",
    ),
    Metric::counter(
        BAD_DECISION_RECORDS,
        Unit::None,
        "Records of the decision log that could not be read.",
    ),
    Metric::counter(
        RELEASED_SPANS,
        Unit::None,
        "Spans released by verdict: `kept` ones go to the exporters. `duplicate` ones do not: they \
         stand in the log a second time, byte by byte under the same resource and scope, as after \
         an answer that was lost. `undecided` ones are kept too, and should never be.",
    )
    .labels(&[Label::closed("verdict", &["kept", "not_sampled", "duplicate", "undecided"])]),
    Metric::counter(
        SCANNED_RECORDS,
        Unit::None,
        "Records read without opening traces, because too many were open: they are read again.",
    ),
    Metric::counter(
        RELEASED_FRAMES,
        Unit::None,
        "Frames released: out of the window `cache`, or read again from the `log`. If many are \
         read again, raise `memory.window_cache`.",
    )
    .labels(&[Label::closed("source", &["cache", "log"])]),
    Metric::counter(
        REFETCHED_BYTES,
        Unit::Bytes,
        "Bytes read again from the log because the window cache had no room for them.",
    ),
    Metric::counter(
        DROPPED_FRAMES,
        Unit::None,
        "Frames that were deleted from the log before they were released: their spans are lost.",
    ),
    Metric::counter(
        ODD_TIMES,
        Unit::None,
        "Records whose append time is `below` an earlier record's: the time stands still for them. \
         Some are normal where a partition's leader changes. Or far ahead of the records around \
         them, and so `unconfirmed`: it does not count.",
    )
    .labels(&[Label::closed("reason", &["below", "unconfirmed"])]),
    Metric::counter(
        SET_BACK,
        Unit::None,
        "Times that append times stayed below what had been reached for ten seconds: the log's clock \
         was ahead, and is set back. Until then nothing is decided; then decisions go on by what \
         passes on the clock.",
    ),
    Metric::counter(
        DEAD_LETTERS,
        Unit::None,
        "Records written to the dead letters, those of unreadable decisions aside.",
    )
    .labels(&[Label::closed("reason", &["undecodable", "unreadable", "refused"])]),
    Metric::counter(
        GAPS,
        Unit::None,
        "Gaps in what is read: the log had `deleted` records before the sampler came to them, or a \
         record is `damaged` and cannot be read. Of `spans`: acknowledged spans are lost. Of \
         `decisions`: the partition started again.",
    )
    .labels(&[Label::closed("topic", &GAP_TOPICS), Label::closed("reason", &GAP_REASONS)]),
    Metric::counter(
        LOST_POSITIONS,
        Unit::None,
        "Positions in the gaps of the span log: at most as many frames are lost.",
    ),
    Metric::counter(
        REPLACED,
        Unit::None,
        "Partitions of a log that turned out to be another one than what was read before, and are \
         read from their oldest record on. `shorter`: it ends before what was read; `younger`: its \
         topic was made anew. Each: see the log.",
    )
    .labels(&[Label::closed("topic", &GAP_TOPICS), Label::closed("reason", &REASONS)]),
    Metric::counter(
        SUPERSEDED,
        Unit::None,
        "Times that another process claimed a partition which this one took for its own. Some are \
         normal when processes are paused or cut off from the log.",
    ),
    Metric::counter(
        CUT_DEAD_LETTERS,
        Unit::None,
        "Dead letters of which only the beginning was written, because their topic takes no record \
         of their size.",
    ),
    Metric::gauge(OPEN, Unit::None, "Traces that are not decided."),
    Metric::gauge(REMEMBERED, Unit::None, "Decisions held for late spans."),
    Metric::gauge(WINDOW_FRAMES, Unit::None, "Frames between the read-ahead and the release."),
    Metric::gauge(WINDOW, Unit::Bytes, "Bytes of those frames that are held in memory."),
    Metric::gauge(UNFINISHED, Unit::Bytes, "Bytes of kept spans that are not delivered."),
    Metric::gauge(TABLES, Unit::Bytes, "Bytes taken by open traces, decisions and windows."),
    Metric::gauge(
        BEHIND,
        Unit::None,
        "Exporters that are so far behind the others that each reads the log by itself, added up \
         over partitions. The others go on meanwhile.",
    ),
    Metric::counter(
        STANDINGS,
        Unit::None,
        "Times that an exporter fell behind the others in a partition, and that it had caught up.",
    )
    .labels(&[Label::closed("change", &["fell_behind", "caught_up"])]),
    Metric::gauge(PARTITIONS, Unit::None, "Partitions that this process owns."),
    Metric::counter(COMMITS, Unit::None, "Commits made."),
    Metric::counter(
        APPEND_RETRIES,
        Unit::None,
        "Appends of the sampler that failed and were tried again.",
    )
    .labels(&[Label::closed("topic", &TOPICS)]),
    Metric::counter(READ_RETRIES, Unit::None, "Reads that failed and were tried again."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_declared() {
        for ((name, label), _) in COUNTED {
            let declared = TABLE.iter().find(|metric| metric.name == *name);
            let labels = declared.unwrap_or_else(|| panic!("{name} is not in the table")).labels;
            assert_eq!(label.is_some(), !labels.is_empty(), "{name}");
        }
    }
}
