//! What the harness is worth: each part of the protocol that is taken away makes it fail.

use super::{
    explore::Effort,
    long::lives,
    short::workload_on,
    sim::{Sabotage, State},
    workload::Step,
};

/// Logs that are tried before the harness is said to be blind.
const TRIES: u64 = 2_000;

fn disk(seed: u64, sabotage: Option<Sabotage>) -> State {
    let mut state = State::new(seed);
    state.sabotage = sabotage;
    state.restless = 64;
    state
}

/// Whether a log on a disk with `sabotage` fails within some workloads.
fn is_seen(sabotage: Sabotage) -> bool {
    let sabotaged = |seed| disk(seed, Some(sabotage));
    let effort = Effort { scattered: 8, lived_in: 8, nested: 8 };
    let short = [
        &[Step::Small, Step::Pages][..],
        &[Step::Pages, Step::Roll],
        &[Step::Roll, Step::Reopen, Step::Roll],
    ];
    short.iter().enumerate().any(|(number, steps)| {
        workload_on(sabotaged(number as u64), steps, number as u64, effort).is_err()
    }) || (0..TRIES).any(|seed| lives(sabotaged(seed), seed, 8, 100).is_err())
}

/// What fails on a disk with a sabotage fails because of it.
#[test]
fn nothing_fails_where_nothing_is_taken_away() {
    for seed in 0..TRIES {
        let lived = lives(disk(seed, None), seed, 8, 100);
        assert!(lived.is_ok(), "log {seed}: {}", lived.err().unwrap_or_default());
    }
}

#[test]
fn the_harness_misses_each_part_of_the_protocol() {
    for sabotage in [
        Sabotage::KeepCache,
        Sabotage::WriteAgain,
        Sabotage::KeepTorn,
        Sabotage::ForgetNewFiles,
        Sabotage::ForgiveSyncs,
        Sabotage::SyncLate,
    ] {
        assert!(is_seen(sabotage), "nothing fails with {sabotage:?}");
    }
}
