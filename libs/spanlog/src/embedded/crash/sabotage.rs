//! What the harness is worth: each part of the protocol that is taken away makes it fail.

use super::{
    explore::Effort,
    long::lives,
    short::workload_on,
    sim::{Sabotage, State},
    workload::Step,
};

/// Logs that are tried before the harness is said to be blind.
const TRIES: u64 = 400;

/// Whether a log on a disk with `sabotage` fails within some workloads.
fn is_seen(sabotage: Sabotage) -> bool {
    let sabotaged = |seed| {
        let mut state = State::new(seed);
        state.sabotage = Some(sabotage);
        state.restless = 64;
        state
    };
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
