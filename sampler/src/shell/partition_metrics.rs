//! What is told of each partition that this process owns.

use std::time::Duration;

use metrics::{Gauge, Histogram, gauge, histogram};
use tokio::time::Instant;
use wholetrace_runtime::{
    clock::unix_millis,
    metrics::{Label, Metric, Unit},
};
use wholetrace_spanlog::{Extent, LogTime, Partition};

use crate::core::partition::{Levels, Stats};

/// Partitions with a label of their own; those of higher numbers are added up under `other`.
const LABELLED: u32 = 256;
/// The label of all others.
const OTHER: &str = "other";

/// How far the log's clock may be from this machine's before that is told, in seconds.
const SKEWED: f64 = 30.0;
/// How often odd append times are told of at most.
const TELL_ODD_EVERY: Duration = Duration::from_secs(30);

/// The share of its retention that a partition may be behind before it counts as at risk.
const AT_RISK: f64 = 0.5;

/// What a partition tells of itself at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Told {
    /// Those that have a sum over partitions: see [`SUMS`].
    sums: [f64; SUMS.len()],
    /// Those that have none: see [`OWN`].
    own: [f64; OWN.len()],
    at_risk: bool,
}

/// The gauges of one partition. Dropped with the ownership, all fall to 0.
#[derive(Debug)]
pub(crate) struct PartitionGauges {
    partition: Partition,
    sums: [Gauge; SUMS.len()],
    /// Only for partitions with a label of their own.
    own: Option<[Gauge; OWN.len()]>,
    at_risk: Gauge,
    /// How long the log keeps records whether they are released or not, in milliseconds.
    retention: Option<u64>,
    held: Option<Held>,
    told: Told,
    odd: OddTimes,
}

/// What the log held.
#[derive(Clone, Copy, Debug)]
struct Held {
    extent: Extent,
    /// When it was asked for, by this machine's clock, in milliseconds: records at or behind its
    /// end were appended later.
    asked: u64,
}

/// Append times that cannot be right, since they were last told of.
#[derive(Debug, Default)]
struct OddTimes {
    unconfirmed: u64,
    set_back: u64,
    told: Option<Instant>,
}

impl PartitionGauges {
    /// Those of `partition`, whose log deletes records after `retention` milliseconds even if
    /// they are not released, or never.
    pub(crate) fn new(partition: Partition, retention: Option<u64>) -> Self {
        let labelled = partition.0 < LABELLED;
        let label = || if labelled { partition.0.to_string() } else { OTHER.to_owned() };
        let handle = |name: &'static str| gauge!(name, "partition" => label());
        Self {
            partition,
            odd: OddTimes::default(),
            sums: SUMS.map(handle),
            own: labelled.then(|| OWN.map(handle)),
            at_risk: gauge!(AT_RISK_PARTITIONS),
            retention,
            held: None,
            told: Told::default(),
        }
    }

    /// Takes in what the log held when it was asked, at `asked` by this machine's clock, in
    /// milliseconds since 1970.
    pub(crate) const fn extent(&mut self, extent: Extent, asked: u64) {
        self.held = Some(Held { extent, asked });
    }

    /// Takes in what is to be told in words.
    pub(crate) fn count(&mut self, stats: &Stats) {
        if stats.policies_delayed > 0 {
            tracing::warn!(
                partition = %self.partition,
                "new policies wait: open traces use all sets of policies that there can be; lower \
                 `decision_wait` or reload less often"
            );
        }
        self.odd.unconfirmed += stats.times_unconfirmed;
        self.odd.set_back += stats.clock_set_back;
    }

    /// Tells how it stands.
    pub(crate) fn tell(&mut self, levels: &Levels) {
        let wall = unix_millis();
        let mut now = told(levels, self.held.map(|held| held.extent), self.retention, wall);
        let before = self.told.own[SKEW];
        // Without a new record nothing is new.
        let skew =
            if self.told.own[0] == now.own[0] { None } else { skew(levels, self.held, wall) };
        now.own[SKEW] = skew.unwrap_or(before);
        if now.own[SKEW].abs() > SKEWED && before.abs() <= SKEWED {
            tracing::warn!(
                partition = %self.partition,
                "the log's clock is {} s ahead of this machine's (behind it, if below 0): decisions \
                 keep to the log's, but check both",
                now.own[SKEW]
            );
        }
        self.replace(now);
        self.tell_odd_times();
    }

    fn tell_odd_times(&mut self) {
        let OddTimes { unconfirmed, set_back, told } = self.odd;
        let due = told.is_none_or(|told| told.elapsed() >= TELL_ODD_EVERY);
        if due && unconfirmed + set_back > 0 {
            tracing::warn!(
                partition = %self.partition,
                unconfirmed,
                set_back,
                "append times of the log step back or far ahead: `unconfirmed` ones do not count, \
                 and where the clock was `set_back` the time goes on from what it had reached; \
                 check the clocks of whoever writes them"
            );
            self.odd = OddTimes { told: Some(Instant::now()), ..OddTimes::default() };
        }
    }

    fn replace(&mut self, now: Told) {
        for (gauge, (before, now)) in self.sums.iter().zip(self.told.sums.iter().zip(now.sums)) {
            if *before < now {
                gauge.increment(now - before);
            } else if *before > now {
                gauge.decrement(before - now);
            }
        }
        for (gauge, value) in self.own.iter().flatten().zip(now.own) {
            gauge.set(value);
        }
        match (self.told.at_risk, now.at_risk) {
            (false, true) => self.at_risk.increment(1.0),
            (true, false) => self.at_risk.decrement(1.0),
            _ => {}
        }
        self.told = now;
    }
}

impl Drop for PartitionGauges {
    fn drop(&mut self) {
        self.replace(Told::default());
    }
}

fn told(levels: &Levels, extent: Option<Extent>, retention: Option<u64>, wall: u64) -> Told {
    let seconds = |millis: u64| millis as f64 / 1000.0;
    let age = |time: Option<LogTime>| seconds(time.map_or(0, |time| wall.saturating_sub(time.0)));
    let (read, release) = (levels.read_position.0, levels.release_position.0);
    // Before the log was asked nothing is known of what is not read.
    let (start, end) = extent.map_or((release, read), |extent| (extent.start.0, extent.end.0));
    let unread = end.saturating_sub(read);
    let behind = levels.newest.filter(|_| unread > 0);
    let unreleased = age(levels.unfinished_since.or(behind));
    let left = retention.map(|retention| seconds(retention) - unreleased);
    Told {
        sums: [unread as f64, end.saturating_sub(release) as f64, levels.open_traces as f64],
        own: [
            read as f64,
            release as f64,
            age(behind),
            unreleased,
            age(levels.undecided_since),
            release.saturating_sub(start) as f64,
            left.unwrap_or_default(),
            0.0,
        ],
        at_risk: retention.is_some_and(|retention| unreleased > seconds(retention) * AT_RISK),
    }
}

/// How far the log's clock is ahead of this machine's, in seconds, or behind it, below 0, as far as
/// the newest record that was read proves it; `None` if it proves nothing. It was appended by now; a
/// reader may be late, so its age proves nothing else, unless it was not there yet when the log was
/// asked what it held.
fn skew(levels: &Levels, held: Option<Held>, wall: u64) -> Option<f64> {
    let newest = levels.newest?.0 as f64;
    let ahead = (newest - wall as f64) / 1000.0;
    let appended_later = held.filter(|held| levels.read_position > held.extent.end);
    let behind = appended_later.map(|held| (newest - held.asked as f64) / 1000.0);
    if ahead > 0.0 { Some(ahead) } else { behind.map(|behind| behind.min(0.0)) }
}

/// How far a new owner has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has read the recorded decisions, its claim is in the decision log, and it begins to read.
    Reading,
    /// It has read all that was in the span log when it began.
    CaughtUp,
}

/// How long it takes to take a partition over.
#[derive(Clone)]
pub(crate) struct Takeovers([Histogram; 2]);

impl Takeovers {
    pub(crate) fn new() -> Self {
        Self(STAGES.map(|stage| histogram!(TAKEOVER, "stage" => stage)))
    }

    pub(crate) fn reached(&self, stage: Stage, after: std::time::Duration) {
        let [reading, caught_up] = &self.0;
        match stage {
            Stage::Reading => reading.record(after),
            Stage::CaughtUp => caught_up.record(after),
        }
    }
}

const STAGES: [&str; 2] = ["reading", "caught_up"];

const UNREAD: &str = "wholetrace_partition_unread_records";
const UNRELEASED: &str = "wholetrace_partition_unreleased_records";
const OPEN: &str = "wholetrace_partition_open_traces";
const READ_POSITION: &str = "wholetrace_partition_read_position";
const RELEASE_POSITION: &str = "wholetrace_partition_release_position";
const UNREAD_SECONDS: &str = "wholetrace_partition_unread_seconds";
const UNRELEASED_SECONDS: &str = "wholetrace_partition_unreleased_seconds";
const UNDECIDED_SECONDS: &str = "wholetrace_partition_undecided_seconds";
const RETAINED: &str = "wholetrace_partition_released_records";
const LEFT_SECONDS: &str = "wholetrace_partition_retention_left_seconds";
const SKEW_SECONDS: &str = "wholetrace_partition_log_clock_skew_seconds";
const AT_RISK_PARTITIONS: &str = "wholetrace_partitions_at_risk";
const TAKEOVER: &str = "wholetrace_partition_takeover_seconds";

/// Gauges that can be added up over partitions, in the order of [`Told::sums`].
const SUMS: [&str; 3] = [UNREAD, UNRELEASED, OPEN];
/// The others, in the order of [`Told::own`].
const OWN: [&str; 8] = [
    READ_POSITION,
    RELEASE_POSITION,
    UNREAD_SECONDS,
    UNRELEASED_SECONDS,
    UNDECIDED_SECONDS,
    RETAINED,
    LEFT_SECONDS,
    SKEW_SECONDS,
];
/// Where the skew stands in it.
const SKEW: usize = 7;

const PARTITION: Label =
    Label::capped("partition", "0 to 255, and `other` for the sum of the rest");
const OWN_PARTITION: Label = Label::capped("partition", "0 to 255");

/// Buckets for taking over: a second is good, minutes are a long replay.
const TAKEOVER_SECONDS: &[f64] =
    &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];

/// The metrics of partitions. Each owner tells of its own; a partition that is not owned tells 0.
pub const TABLE: &[Metric] = &[
    Metric::gauge(
        UNREAD,
        Unit::None,
        "Records in the span log that the read-ahead has not come to, as of some seconds ago. It \
         stands on purpose while the exporters take nothing more.",
    )
    .labels(&[PARTITION]),
    Metric::gauge(
        UNRELEASED,
        Unit::None,
        "Records in the span log that are not finished: the lag of the commit.",
    )
    .labels(&[PARTITION]),
    Metric::gauge(OPEN, Unit::None, "Traces that are not decided.").labels(&[PARTITION]),
    Metric::gauge(READ_POSITION, Unit::None, "The position that is read next for the first time.")
        .labels(&[OWN_PARTITION]),
    Metric::gauge(
        RELEASE_POSITION,
        Unit::None,
        "The position below which all is finished: what is committed, or is about to be.",
    )
    .labels(&[OWN_PARTITION]),
    Metric::gauge(
        UNREAD_SECONDS,
        Unit::Seconds,
        "Age of the last record that was read ahead; 0 when all are read.",
    )
    .labels(&[OWN_PARTITION]),
    Metric::gauge(
        UNRELEASED_SECONDS,
        Unit::Seconds,
        "Age of the oldest record that is not finished. About `decision_wait` is normal.",
    )
    .labels(&[OWN_PARTITION]),
    Metric::gauge(
        UNDECIDED_SECONDS,
        Unit::Seconds,
        "Age of the oldest trace that is not decided. Up to `decision_wait` is normal.",
    )
    .labels(&[OWN_PARTITION]),
    Metric::gauge(
        RETAINED,
        Unit::None,
        "Records that are finished and still in the log: as many can be deleted before spans are \
         lost.",
    )
    .labels(&[OWN_PARTITION]),
    Metric::gauge(
        LEFT_SECONDS,
        Unit::Seconds,
        "Time until the log's retention reaches the oldest record that is not finished, if nothing \
         is finished until then; 0 for a log that deletes nothing unfinished. Below 0 spans may be \
         lost.",
    )
    .labels(&[OWN_PARTITION]),
    Metric::gauge(
        SKEW_SECONDS,
        Unit::Seconds,
        "How far the log's clock is ahead of this machine's, or behind it, below 0, as far as its \
         records prove it: one that was appended later than it was read, or earlier than the log \
         was asked without it being there. A second or two is normal. Alarm beyond 30: a broker, or \
         this machine, has a wrong clock.",
    )
    .labels(&[OWN_PARTITION]),
    Metric::gauge(
        AT_RISK_PARTITIONS,
        Unit::None,
        "Partitions of this process whose oldest unfinished record has been in the log for more \
         than half of its retention. Alarm above 0: mend the backends or raise the retention, or \
         acknowledged spans will be lost.",
    ),
    Metric::histogram(
        TAKEOVER,
        Unit::Seconds,
        "Time since a partition was given to this process (or started again) until it is \
         `reading`, with all recorded decisions known, and until it has `caught_up` with what was \
         in the log by then.",
        TAKEOVER_SECONDS,
    )
    .labels(&[Label::closed("stage", &STAGES)]),
];

#[cfg(test)]
mod tests {
    use wholetrace_spanlog::Position;

    use super::*;

    #[test]
    fn what_is_told_is_declared() {
        for name in SUMS.iter().chain(&OWN) {
            let declared = TABLE.iter().find(|metric| metric.name == *name);
            assert_eq!(declared.map(|metric| metric.labels.len()), Some(1), "{name}");
        }
    }

    #[test]
    fn lag_and_risk_are_told() {
        let levels = Levels {
            open_traces: 7,
            read_position: Position(80),
            release_position: Position(50),
            newest: Some(LogTime(95_000)),
            unfinished_since: Some(LogTime(40_000)),
            undecided_since: Some(LogTime(90_000)),
            ..Levels::default()
        };
        let extent = Some(Extent { start: Position(20), end: Position(100) });
        let lagging = told(&levels, extent, Some(100_000), 100_000);
        assert_eq!(lagging.sums, [20.0, 50.0, 7.0]);
        assert_eq!(lagging.own, [80.0, 50.0, 5.0, 60.0, 10.0, 30.0, 40.0, 0.0]);
        assert!(lagging.at_risk);
        assert!(!told(&levels, extent, Some(200_000), 100_000).at_risk);
        let never = told(&levels, extent, None, 100_000);
        assert!(!never.at_risk && never.own[6] == 0.0);
    }

    #[test]
    fn a_late_reader_does_not_accuse_the_clock() {
        let held = Held { extent: Extent { start: Position(0), end: Position(80) }, asked: 99_000 };
        let skew_of = |read, newest| {
            let (read_position, newest) = (Position(read), Some(LogTime(newest)));
            skew(&Levels { read_position, newest, ..Levels::default() }, Some(held), 100_000)
        };
        // All is read of what was there: it may have waited as long as the backends were away.
        assert_eq!(skew_of(80, 40_000), None);
        assert_eq!(skew_of(79, 40_000), None);
        // It was not there a second ago.
        assert_eq!(skew_of(81, 40_000), Some(-59.0));
        assert_eq!(skew_of(81, 99_500), Some(0.0));
        // Nothing is read before it is appended.
        assert_eq!(skew_of(79, 160_000), Some(60.0));
        assert_eq!(skew(&Levels::default(), Some(held), 100_000), None);
    }

    #[test]
    fn a_partition_without_traffic_is_not_behind() {
        let levels = Levels { newest: Some(LogTime(5)), ..Levels::default() };
        let extent = Some(Extent { start: Position(0), end: Position(0) });
        assert_eq!(
            told(&levels, extent, Some(10), 1_000_000),
            Told { own: [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.01, 0.0], ..Told::default() }
        );
    }
}
