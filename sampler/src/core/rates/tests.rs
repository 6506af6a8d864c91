//! What holds of the thresholds, whatever asks.

use std::sync::Arc;

use proptest::{collection::vec, prelude::*};
use wholetrace_proto::{
    record::{BudgetDemand, PartitionDemand},
    tracestate::Threshold,
};
use wholetrace_spanlog::{LogTime, Partition, Position};

use super::{
    engine::{Foreseen, Rates, Turn},
    fleet::STALE,
};
use crate::policy::budget::{Asked, Budget, BudgetId, Budgets, Goal, Unit};

const BEGIN: u64 = 1_000_000;

fn budgets(max_keys: u16) -> Vec<Budget> {
    let budget = |name: &str, max_keys| Budget {
        name: name.into(),
        unit: Unit::Spans,
        goal: Goal::PerSecond(100.0),
        max_keys,
    };
    vec![budget("all", 0), budget("keyed", max_keys)]
}

/// What asks: which budget, key, spans and randomness.
fn asked() -> impl Strategy<Value = Asked> {
    (0..2_u16, 0..30_u64, 1..500_u64, 0..1_u64 << 56).prop_map(
        |(budget, key, spans, randomness)| Asked {
            budget: BudgetId(budget),
            key,
            spans,
            bytes: 0,
            randomness,
            within: Threshold::ALWAYS,
        },
    )
}

/// The time at a second of the test.
fn at(second: usize) -> LogTime {
    LogTime(BEGIN + 1_000 * second as u64)
}

/// Decides these traces in these seconds, and foresees each three seconds before.
fn decided(budgets: &[Budget], seconds: &[Vec<Asked>]) -> (Vec<Turn>, Vec<Threshold>) {
    let mut rates = Rates::new(Partition(3), budgets, 10_000);
    let (mut turns, mut thresholds) = (Vec::new(), Vec::new());
    for second in 0..seconds.len() {
        let limit = rates.limit(at(second));
        assert_eq!(limit, at(second), "all has come back");
        rates.decided_to(limit.minus(1));
        for asked in &seconds[second] {
            thresholds.push(rates.at(budgets, at(second)).ask(*asked));
        }
        let foreseen = Foreseen::default();
        for asked in seconds.get(second + 3).into_iter().flatten() {
            foreseen.of(budgets).ask(*asked);
        }
        let number = rates.begins(at(second)).unwrap();
        let turn = rates.turn(number, &foreseen, at(second));
        if let Some(change) = &turn.change {
            rates.read_back(change.clone(), Position(second as u64));
        }
        turns.push(turn);
    }
    (turns, thresholds)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In what order traces ask that are due in the same second changes nothing.
    #[test]
    fn prop_order_within_a_second_plays_no_part(
        seconds in vec(vec(asked(), 0..40), 1..12),
        shuffled in any::<prop::sample::Selector>(),
    ) {
        let budgets = budgets(8);
        let (turns, mut thresholds) = decided(&budgets, &seconds);
        let other = seconds.iter().map(|asked| {
            let mut left = asked.clone();
            let mut other = Vec::new();
            while !left.is_empty() {
                other.push(left.remove(shuffled.select(0..left.len())));
            }
            other
        });
        let (other, mut others) = decided(&budgets, &other.collect::<Vec<_>>());
        prop_assert_eq!(turns, other);
        thresholds.sort_unstable();
        others.sort_unstable();
        prop_assert_eq!(thresholds, others);
    }

    /// Who owns what, and so in what order and how often it is heard, changes nothing.
    #[test]
    fn prop_the_split_over_owners_plays_no_part(
        told in vec((0..20_u32, 0..1_000_u32, vec(0..1_000_u32, 0..10)), 1..40),
        rotated in 0..40_usize,
        again in 0..40_usize,
    ) {
        let demands = told.iter().map(|(partition, asks, keys)| {
            let one = |name: &str, keys: &[u32]| BudgetDemand {
                name: name.into(),
                rest: *asks as f32,
                keys: (0..keys.len() as u64).collect(),
                expected: keys.iter().map(|asks| *asks as f32).collect(),
                asked: *asks as f32,
                foreseen: *asks as f32,
                kept: 0.0,
            };
            let budgets = vec![one("all", &[]), one("keyed", keys)];
            Arc::new(PartitionDemand { partition: *partition, second: BEGIN / 1_000 + 1, budgets })
        });
        let mut demands: Vec<_> = demands.collect();
        // Each partition has one owner.
        demands.sort_by_key(|demand| demand.partition);
        demands.dedup_by_key(|demand| demand.partition);
        let change = |demands: &[&[Arc<PartitionDemand>]]| {
            let mut rates = Rates::new(Partition(99), &budgets(4), 10_000);
            demands.iter().for_each(|demands| rates.hear(demands, at(0)));
            let second = rates.begins(at(0)).unwrap();
            rates.turn(second, &Foreseen::default(), at(0)).change
        };
        let (front, back) = demands.split_at(rotated % demands.len());
        let again = again % demands.len();
        prop_assert_eq!(change(&[&demands]), change(&[back, front, &demands[again..]]));
    }
}

#[test]
fn what_is_due_waits_for_the_change_to_come_back() {
    let budgets = budgets(0);
    let mut rates = Rates::new(Partition(3), &budgets, 10_000);
    let second = rates.begins(at(0).plus(300)).unwrap();
    let change = rates.turn(second, &Foreseen::default(), at(0)).change.unwrap();
    assert_eq!(change.from_ms, at(1).0);
    assert_eq!((rates.limit(at(1).minus(1)), rates.waits()), (at(1).minus(1), false));
    assert_eq!((rates.limit(at(3)), rates.waits()), (at(1).minus(1), true));
    rates.read_back(change, Position(1));
    assert_eq!((rates.limit(at(3)), rates.waits()), (at(3), false));
    // Nothing is worth a second change.
    let second = rates.begins(at(3)).unwrap();
    assert_eq!(rates.turn(second, &Foreseen::default(), at(3)).change, None);
}

/// No change is in force for what an owner before has decided.
#[test]
fn what_is_decided_stays_decided() {
    let budgets = budgets(0);
    let mut rates = Rates::new(Partition(3), &budgets, 10_000);
    rates.has_decided(at(5).plus(10));
    assert_eq!(rates.begins(at(1)), None, "it was told by the owner before");
    let second = rates.begins(at(6)).unwrap();
    let change = rates.turn(second, &Foreseen::default(), at(6)).change.unwrap();
    assert_eq!(change.from_ms, at(7).0);
    rates.read_back(change, Position(1));
    rates.decided_to(at(20));
    let foreseen = Foreseen::default();
    foreseen.of(&budgets).ask(Asked {
        budget: BudgetId(0),
        key: 0,
        spans: 100_000,
        bytes: 0,
        randomness: 0,
        within: Threshold::ALWAYS,
    });
    assert_eq!(rates.turn(second + 1, &foreseen, at(7)).change, None);
}

/// A partition that is not heard of counts for a while.
#[test]
fn what_is_not_heard_of_is_stale_in_the_end() {
    let told = |second: u64| {
        let mut rates = Rates::new(Partition(3), &budgets(0), 10_000);
        let asks = BudgetDemand { name: "all".into(), rest: 400.0, ..BudgetDemand::default() };
        let second_told = BEGIN / 1_000;
        let other = PartitionDemand { partition: 1, second: second_told, budgets: vec![asks] };
        rates.hear(&[Arc::new(other)], at(0));
        let now = LogTime(BEGIN + second * 1_000);
        let second = rates.begins(now).unwrap();
        let change = rates.turn(second, &Foreseen::default(), now).change.unwrap();
        change.budgets[0].threshold(0).probability()
    };
    assert!((told(0) - 0.25).abs() < 0.001);
    assert!((told(STALE / 1_000) - 0.25).abs() < 0.001);
    assert_eq!(told(STALE / 1_000 + 1), 1.0);
}

/// What a partition tells: so much is asked of the first budget in a second of the test.
fn told(partition: u32, second: u64, asks: f32) -> Arc<PartitionDemand> {
    let asks = BudgetDemand { name: "all".into(), rest: asks, ..BudgetDemand::default() };
    let second = BEGIN / 1_000 + second;
    Arc::new(PartitionDemand { partition, second, budgets: vec![asks] })
}

/// An owner that tells of a second when others have gone by it keeps what they have left for its
/// partition, however much has come; one that is heard in time goes by all that asks.
#[test]
fn who_is_late_keeps_what_others_leave() {
    let budgets = budgets(0);
    let kept = |others_told: u64, asks: u64| {
        let mut rates = Rates::new(Partition(3), &budgets, 10_000);
        rates.hear(&[told(3, 0, 100.0)], at(0));
        for second in 0..=others_told {
            rates.hear(&[told(1, second, 300.0)], at(0));
        }
        let mut probability = 1.0;
        for second in 1..9 {
            let foreseen = Foreseen::default();
            foreseen.of(&budgets).ask(Asked {
                budget: BudgetId(0),
                key: 0,
                spans: asks,
                bytes: 0,
                randomness: 0,
                within: Threshold::ALWAYS,
            });
            let number = rates.begins(at(second)).unwrap();
            let turn = rates.turn(number, &foreseen, at(second));
            if let Some(change) = turn.change {
                probability = change.budgets[0].threshold(0).probability();
                rates.read_back(change, Position(second as u64));
            }
            rates.hear(&[Arc::new(turn.demand.unwrap())], at(second));
        }
        probability
    };
    // 100 of 700, or a quarter of the goal of 100 for 400.
    assert!((kept(10, 400) - 100.0 / 700.0).abs() < 0.001, "{}", kept(10, 400));
    assert!((kept(40, 400) - 25.0 / 400.0).abs() < 0.001, "{}", kept(40, 400));
    assert!((kept(40, 50) - 25.0 / 50.0).abs() < 0.001, "{}", kept(40, 50));
}

/// What most partitions have less of by now, one that is not heard of has less of as well.
#[test]
fn who_is_silent_is_like_most() {
    let mut rates = Rates::new(Partition(9), &budgets(0), 10_000);
    for second in 0..10 {
        // One becomes hot, one falls silent, and the others have less.
        let (usual, hot) = if second < 4 { (1_000.0, 1_000.0) } else { (300.0, 9_000.0) };
        let mut demands = vec![told(1, second, usual), told(2, second, usual)];
        demands.extend([told(3, second, usual), told(4, second, hot)]);
        demands.extend((second < 4).then(|| told(0, second, usual)));
        rates.hear(&demands, at(0));
    }
    let second = rates.begins(at(7)).unwrap();
    let change = rates.turn(second, &Foreseen::default(), at(7)).change.unwrap();
    let probability = change.budgets[0].threshold(0).probability();
    assert!((probability * 10_200.0 / 100.0 - 1.0).abs() < 0.01, "{probability}");
}

/// A new owner goes on with the thresholds of the one before, and writes them anew if they would
/// differ.
#[test]
fn thresholds_outlive_their_owner() {
    let seconds: Vec<Vec<Asked>> = (0..12_u64)
        .map(|second| {
            let randomness = second << 52;
            vec![Asked {
                budget: BudgetId(0),
                key: 0,
                spans: 400,
                bytes: 0,
                randomness,
                within: Threshold::ALWAYS,
            }]
        })
        .collect();
    let budgets = budgets(0);
    let (turns, thresholds) = decided(&budgets, &seconds);
    let mut next = Rates::new(Partition(3), &budgets, 10_000);
    for (position, change) in (0..).zip(turns.iter().filter_map(|turn| turn.change.clone())) {
        next.read_back(change, Position(position));
    }
    let again = seconds
        .iter()
        .enumerate()
        .map(|(second, asked)| next.at(&budgets, at(second)).ask(asked[0]));
    assert_eq!(again.collect::<Vec<_>>(), thresholds);
    assert_ne!(thresholds.last(), Some(&Threshold::ALWAYS));
    next.prune(at(11));
    assert!(next.origin() > Some(Position(0)));
    assert_eq!(next.at(&budgets, at(11)).ask(seconds[11][0]), thresholds[11]);
    // Of other policies, what has the same name.
    next.set_budgets(&budgets[1..]);
    assert_eq!(next.levels(at(11)).len(), 1);
}
