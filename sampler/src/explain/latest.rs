//! The latest decisions of all partitions.

use std::collections::{HashSet, VecDeque};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::Instant;
use wholetrace_proto::record::Decision;
use wholetrace_spanlog::{Log, LogTime, Partition, ReadError, Start};

use crate::explain::{
    decisions::{Effect, Names, RecordedDecision, Records},
    scan::{Bounds, Scan},
    spans,
};

/// Partitions that are read at a time.
const AT_A_TIME: usize = 4;

/// The first part of the time that is read, in milliseconds. Each further one goes so many times as far
/// back: the newest decisions are found soon, however many there are.
const NEWEST: u64 = 10_000;
const FURTHER: u64 = 6;

/// Bytes that are read of one partition of a log for a part of the time.
const MAX_BYTES: u64 = 64 << 20;

/// Decisions of one partition and part of the time that are looked at where they are chosen by what
/// the span log says: some MiB in all partitions that are read at a time.
const CANDIDATES: usize = 4_000;

/// Which decisions are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Those about traces with a span of this service, which the span log must still have.
    pub service: Option<String>,
    /// Those that keep the trace, or those that do not.
    pub kept: Option<bool>,
    /// Those that this policy has decided, or this policy within a composite one.
    pub policy: Option<String>,
    /// Those that came into the decision log since then.
    pub since: LogTime,
    /// At most so many: the latest.
    pub most: usize,
}

/// The latest decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latest {
    /// The decisions, the latest first, each with its partition.
    pub decisions: Vec<(Partition, RecordedDecision)>,
    /// Whether time or bytes ended before everything was read that was asked for.
    pub cut: bool,
}

impl Selection {
    fn wants(&self, decision: &Decision, names: &Names<'_>) -> bool {
        self.kept.is_none_or(|kept| kept == decision.kept)
            && self.policy.as_ref().is_none_or(|policy| names.decided(decision, policy))
    }
}

/// The latest decisions that `selection` is about. Partitions are read one part of the time after the
/// other, the newest first, until there are enough.
pub(super) async fn find(
    log: &Log,
    selection: &Selection,
    now: LogTime,
    until: Instant,
) -> Result<Latest, ReadError> {
    let mut latest = Latest::default();
    let (mut end, mut width) = (None, NEWEST);
    loop {
        let begin = now.minus(width).max(selection.since);
        let bounds = Bounds { until, max_bytes: MAX_BYTES };
        let partitions = (0..log.decisions.reader.partitions()).map(Partition);
        let part = move |partition| part(log, selection, partition, (begin, end), bounds);
        let mut parts = stream::iter(partitions).map(part).buffer_unordered(AT_A_TIME);
        while let Some((decisions, cut)) = parts.try_next().await? {
            latest.decisions.extend(decisions);
            latest.cut |= cut;
            keep_latest(&mut latest.decisions, selection.most);
        }
        if begin <= selection.since || latest.decisions.len() >= selection.most {
            return Ok(latest);
        }
        if latest.cut || Instant::now() >= until {
            latest.cut = true;
            return Ok(latest);
        }
        (end, width) = (Some(begin), width.saturating_mul(FURTHER));
    }
}

fn keep_latest(decisions: &mut Vec<(Partition, RecordedDecision)>, most: usize) {
    decisions.sort_by_key(|(partition, one)| {
        std::cmp::Reverse((one.recorded, one.decision.decided_at_ms, *partition, one.position))
    });
    decisions.truncate(most);
}

/// The decisions of a partition that came into the log at `begin` or later and before `end`.
async fn part(
    log: &Log,
    selection: &Selection,
    partition: Partition,
    (begin, end): (LogTime, Option<LogTime>),
    bounds: Bounds,
) -> Result<(Vec<(Partition, RecordedDecision)>, bool), ReadError> {
    let reader = &*log.decisions.reader;
    let mut scan = Scan::begin(reader, partition, Start::Time(begin), None, bounds).await?;
    let mut found = VecDeque::new();
    let mut records = Records::new(&[]);
    let most = if selection.service.is_some() { CANDIDATES } else { selection.most };
    let (mut ended, mut too_many) = (false, false);
    while !ended && let Some(frames) = scan.next().await? {
        for frame in &frames {
            if end.is_some_and(|end| frame.time >= end) {
                ended = true;
                break;
            }
            if frame.time < begin {
                continue;
            }
            let wants = |decision: &Decision, names: &Names<'_>| selection.wants(decision, names);
            records.read(frame, wants, |decision| {
                if decision.effect == Effect::Holds {
                    found.push_back(decision);
                }
                if found.len() > most {
                    found.pop_front();
                    too_many = true;
                }
            });
        }
    }
    let mut cut = !ended && scan.is_cut();
    if let Some(service) = &selection.service {
        cut |= too_many;
        cut |= retain_of_service(log, partition, service, &mut found, bounds).await?;
    }
    Ok((found.into_iter().map(|one| (partition, one)).collect(), cut))
}

/// Leaves the decisions about traces of which a span of `service` is found. Tells whether there is
/// more of the span log that was not read.
async fn retain_of_service(
    log: &Log,
    partition: Partition,
    service: &str,
    found: &mut VecDeque<RecordedDecision>,
    bounds: Bounds,
) -> Result<bool, ReadError> {
    let begin = found.iter().map(|one| one.decision.first_seen_ms).min();
    let end = found.iter().map(|one| one.decision.decided_at_ms).max();
    let (Some(begin), Some(end)) = (begin, end) else { return Ok(false) };
    let traces: HashSet<_> = found.iter().map(|one| one.decision.key).collect();
    let start = Start::Time(LogTime(begin));
    let mut scan = Scan::begin(&*log.spans.reader, partition, start, None, bounds).await?;
    let (of_it, cut) = spans::of_service(&mut scan, &traces, service, LogTime(end)).await?;
    found.retain(|one| of_it.contains(&one.decision.key));
    Ok(cut)
}
