//! Tests of the decision table.

use super::*;

/// Before all that is decided here.
const NOW: LogTime = LogTime(0);

fn table(retention: u64) -> DecisionTable {
    DecisionTable::new(retention, KeyHash::new(3))
}

fn decided(key: u64, first_seen: u64, decided_at: u64, kept: bool) -> TraceDecision {
    TraceDecision {
        key: TraceKey(key),
        first_seen: LogTime(first_seen),
        decided_at: LogTime(decided_at),
        decision: PackedDecision::new(kept, None),
        id_high: 0,
    }
}

fn kept(table: &DecisionTable, key: u64, time: u64) -> Option<bool> {
    table.find(TraceKey(key), LogTime(time)).map(|(decision, _)| decision.kept())
}

#[test]
fn a_ruling_holds_what_it_is_told() {
    for threshold in
        [None, Some(Threshold::ALWAYS), Threshold::new(0xe666 << 40), Some(Threshold::NEVER)]
    {
        for flags in 0..8 {
            let [kept, late, stated] = [1, 2, 4].map(|flag| flags & flag != 0);
            let decision = PackedDecision::new(kept, threshold)
                .by_stated_randomness(stated)
                .of_late_fragment(late);
            let probability = if stated { Kept::AtStated } else { Kept::At };
            let probability = threshold.map_or(Kept::Unknown, probability);
            assert_eq!((decision.kept(), decision.probability()), (kept, probability));
            assert_eq!(decision.is_late_fragment(), late);
        }
    }
}

/// The longest ids of some traces are found among many, as long as their decisions are.
#[test]
fn a_decision_tells_the_longest_id() {
    let mut table = table(100);
    let id_high = |key: u64| if key.is_multiple_of(3) { key << 8 } else { 0 };
    let without = {
        let mut table = self::table(100);
        for key in 0..1000 {
            table.insert(&decided(key, key, key + 5, true), Position(0), NOW);
        }
        table.memory()
    };
    for key in 0..1000 {
        let one = TraceDecision { id_high: id_high(key), ..decided(key, key, key + 5, true) };
        table.insert(&one, Position(0), NOW);
        // The first decision counts.
        let other = TraceDecision { id_high: 7, ..one };
        assert_eq!(table.insert(&other, Position(0), NOW), Inserted::Duplicate);
    }
    // A third have one, and vectors may be twice as large as what is in them.
    let more = table.memory() - without;
    assert!((333 * 9..1000 * 9).contains(&more), "{more}");
    for (oldest, removed) in [(0, false), (600, true)] {
        table.evict(LogTime(oldest));
        for key in 0..1000 {
            let gone = removed && key + 105 < oldest;
            let expected = if gone { 0 } else { id_high(key) };
            assert_eq!(table.id_high(TraceKey(key), LogTime(key)), expected, "{key}");
            assert_eq!(table.id_high(TraceKey(key), LogTime(key + 106)), 0);
        }
    }
}

/// An entry holds the time and the policy in one word.
#[test]
fn a_decision_tells_its_policy() {
    assert_eq!(size_of::<Entry>(), 32);
    let mut table = table(1000);
    for (key, policy) in [(1, u16::MAX), (2, 0), (3, 1)] {
        let mut new = decided(key, 1 << 40, (1 << 40) + 5, true);
        new.decision = new.decision.by(PolicyNumber(policy));
        table.insert(&new, Position(0), NOW);
        // A second one from earlier on moves its start.
        table.insert(&decided(key, (1 << 40) - 7, (1 << 40) + 1, false), Position(1), NOW);
        let found = table.find(TraceKey(key), LogTime((1 << 40) - 7)).unwrap();
        assert_eq!(found, (new.decision, LogTime((1 << 40) + 5)));
        assert_eq!(found.0.policy(), PolicyNumber(policy));
        assert_eq!(table.find(TraceKey(key), LogTime((1 << 40) - 8)), None);
    }
}

#[test]
fn the_first_decision_for_a_trace_wins() {
    let mut table = table(1000);
    assert_eq!(table.insert(&decided(1, 10, 20, true), Position(0), NOW), Inserted::First);
    assert_eq!(table.insert(&decided(1, 10, 20, false), Position(1), NOW), Inserted::Duplicate);
    assert_eq!(table.insert(&decided(1, 15, 25, false), Position(2), NOW), Inserted::Duplicate);
    assert_eq!(kept(&table, 1, 10), Some(true));
    assert_eq!(table.len(), 1);
}

#[test]
fn a_decision_rules_from_the_first_frame_to_the_end_of_retention() {
    let mut table = table(1000);
    table.insert(&decided(1, 10, 20, true), Position(0), NOW);
    let rules = |time| kept(&table, 1, time).is_some();
    assert_eq!([9, 10, 1020, 1021].map(rules), [false, true, true, false]);
    assert_eq!(table.find(TraceKey(1), LogTime(10)).map(|(_, at)| at), Some(LogTime(20)));
}

/// I3: owners who read other times do not agree on when a trace began. What is first in the log
/// rules over the frames of both.
#[test]
fn decisions_about_times_that_overlap_are_about_one_trace() {
    for (later, begins) in [((900, 1_900), 900), ((1_500, 2_500), 1_000), ((1_000, 1_000), 1_000)] {
        let mut table = table(1_000);
        table.insert(&decided(1, 100, 200, false), Position(0), NOW);
        assert_eq!(
            table.insert(&decided(1, 1_000, 2_000, true), Position(1), NOW),
            Inserted::First
        );
        let (first_seen, decided_at) = later;
        let second = decided(1, first_seen, decided_at, false);
        assert_eq!(table.insert(&second, Position(2), NOW), Inserted::Duplicate);
        assert_eq!(kept(&table, 1, begins - 1), Some(false));
        assert!((begins..=3_000).all(|time| kept(&table, 1, time) == Some(true)));
        assert_eq!(kept(&table, 1, 3_001), None);
    }
}

/// What was read while a trace was open, or its decision on its way, finds that decision or the one
/// that rules in its place, also if that was to be forgotten earlier.
#[test]
fn frames_that_counted_on_a_decision_find_one() {
    for (first_seen, decided_at, inserted) in
        [(1_500, 1_500, Inserted::First), (1_900, 2_150, Inserted::Duplicate)]
    {
        let mut table = table(700);
        table.insert(&decided(1, 2_000, 2_000, true), Position(0), NOW);
        table.forget_excess(0, LogTime(1_000));
        assert_eq!((kept(&table, 1, 2_000), kept(&table, 1, 2_001)), (Some(true), None));
        let other = decided(1, first_seen, decided_at, false);
        assert_eq!(table.insert(&other, Position(1), LogTime(2_100)), inserted);
        assert!((first_seen..=2_100).all(|time| kept(&table, 1, time).is_some()));
        assert_eq!(kept(&table, 1, 2_100), Some(true));
        assert_eq!(kept(&table, 1, 2_101.max(decided_at + 1)), None);
    }
}

/// A trace that is decided at once is open for the time of its first frame.
#[test]
fn without_a_wait_decisions_at_one_time_are_about_one_trace() {
    let mut table = table(0);
    assert_eq!(table.insert(&decided(1, 10, 10, true), Position(0), NOW), Inserted::First);
    assert_eq!(table.insert(&decided(1, 10, 10, false), Position(1), NOW), Inserted::Duplicate);
    assert_eq!(table.insert(&decided(1, 11, 11, false), Position(2), NOW), Inserted::First);
    assert_eq!([10, 11].map(|time| kept(&table, 1, time)), [Some(true), Some(false)]);
}

/// A trace that starts anew after its decision was forgotten has a decision of its own; the
/// frames of both find theirs.
#[test]
fn reaches_of_one_key_never_overlap() {
    for newer_first in [false, true] {
        let mut table = table(1000);
        let mut both = [decided(1, 10, 20, true), decided(1, 500, 600, false)];
        if newer_first {
            both.reverse();
        }
        for (position, one) in (0..).zip(&both) {
            assert_eq!(table.insert(one, Position(position), NOW), Inserted::First);
        }
        assert_eq!(kept(&table, 1, 499), Some(true));
        assert_eq!(kept(&table, 1, 500), Some(false));
        assert_eq!(kept(&table, 1, 1600), Some(false));
    }
}

#[test]
fn what_is_forgotten_still_rules_over_older_frames() {
    let mut table = table(1000);
    for key in 0..10 {
        table.insert(&decided(key, 10, 20, true), Position(key), NOW);
    }
    assert_eq!(table.forget_excess(4, LogTime(30)), 6);
    assert_eq!(table.forget_excess(4, LogTime(40)), 0);
    assert_eq!((kept(&table, 0, 30), kept(&table, 0, 31)), (Some(true), None));
    assert_eq!(kept(&table, 9, 31), Some(true));
    table.evict(LogTime(30));
    assert_eq!(table.len(), 10);
    table.evict(LogTime(31));
    assert_eq!((table.len(), table.origin()), (4, Some(Position(6))));
}

#[test]
fn the_origin_is_where_the_oldest_decision_was_read() {
    let mut table = table(0);
    assert_eq!(table.origin(), None);
    for key in 0..6_u64 {
        table.insert(&decided(key, key, key + 10, true), Position(100 + key / 2), NOW);
    }
    assert_eq!(table.origin(), Some(Position(100)));
    table.evict(LogTime(12));
    assert_eq!((table.len(), table.origin()), (4, Some(Position(101))));
    table.evict(LogTime(14));
    assert_eq!((table.len(), table.origin()), (2, Some(Position(102))));
    table.evict(LogTime(100));
    assert_eq!((table.len(), table.origin()), (0, None));
    table.insert(&decided(9, 200, 210, true), Position(110), NOW);
    assert_eq!((kept(&table, 9, 205), table.origin()), (Some(true), Some(Position(110))));
}

#[test]
fn a_million_decisions_take_less_than_their_bytes() {
    const MOST_BYTES: usize = 48;
    let mut table = table(1000);
    let mut evicted = 0;
    for key in 0..1_500_000_u64 {
        let time = key / 1000;
        table.insert(
            &decided(key.wrapping_mul(0x9e37_79b9_7f4a_7c15), time, time, true),
            Position(key / 500),
            NOW,
        );
        if key % 1000 == 0 && time > 1000 {
            table.evict(LogTime(time));
            evicted += 1;
        }
    }
    let each = table.memory() / table.len();
    println!("{each} bytes each, {} held after {evicted} evictions", table.len());
    assert!(table.len() <= 1_002_000 && each <= MOST_BYTES, "{each} {}", table.len());
}
