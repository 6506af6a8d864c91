//! Exhaustive short workloads: nearly all known bugs of file systems and stores show within three
//! steps and one crash.

use super::{
    explore::{Effort, Explorer},
    life::Life,
    oracle::Oracle,
    seeds::{Runs, runs, with_seeds},
    sim::State,
    workload::{Step, prepared},
};
use crate::position::LogTime;

/// One short workload in so many runs in the test suite, for each seed.
const FRACTION: u64 = 400;

/// Steps of the longest of them.
const LONGEST: usize = 4;

/// Runs `steps` on an empty log, or on one that has free slots, and stops it everywhere.
pub(super) fn workload(steps: &[Step], seed: u64, effort: Effort) -> Result<u64, String> {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut state, mut before, mut ids) = (State::new(seed), Oracle::default(), 0);
    if random.bool() {
        let life = prepared(seed)?;
        (state, before, ids) = (life.disk.state(), life.known(), life.ids);
    }
    state.restless = if random.bool() { 64 } else { 0 };
    let life = Life::start(state, before, ids, LogTime(2_000), true)?;
    stopped_everywhere(life, steps, random.u64(..), effort)
}

/// Runs `steps` on `state`, of which nothing is known, and stops it everywhere.
pub(super) fn workload_on(
    state: State,
    steps: &[Step],
    seed: u64,
    effort: Effort,
) -> Result<u64, String> {
    let life = Life::start(state, Oracle::default(), 0, LogTime(2_000), true)?;
    stopped_everywhere(life, steps, seed, effort)
}

fn stopped_everywhere(
    mut life: Life,
    steps: &[Step],
    seed: u64,
    effort: Effort,
) -> Result<u64, String> {
    for step in steps {
        step.run(&mut life)?;
    }
    let mut explorer = Explorer::new(effort, seed);
    explorer.all(&life)?;
    Ok(explorer.opened)
}

/// L1 to L9 hold wherever the machine stops.
#[test]
fn short_workloads_survive_a_stop_before_every_call() {
    let sequences = Step::sequences(LONGEST);
    with_seeds(|seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut opened = 0;
        for (number, steps) in sequences.iter().enumerate() {
            let chosen = match runs() {
                Runs::All => true,
                Runs::Times(times) => random.u64(..FRACTION) < times,
            };
            if chosen {
                let effort = Effort { scattered: 32, lived_in: 16, nested: 16 };
                opened += workload(steps, seed ^ number as u64, effort)
                    .map_err(|what| format!("{steps:?}: {what}"))?;
            }
        }
        println!("seed {seed}: {opened} states opened");
        Ok(())
    });
}

/// C1: slots are freed, given back and used again, several at once, and it stops anywhere.
#[test]
fn removal_and_rotation_survive_a_stop_before_every_call() {
    for seed in 0..4 {
        let mut life = prepared(seed).unwrap();
        for _ in 0..6 {
            Step::Roll.run(&mut life).unwrap();
        }
        let mut life =
            Life::start(life.disk.state(), life.known(), life.ids, life.latest, true).unwrap();
        Step::Free.run(&mut life).unwrap();
        // The second one makes the note of the first one known to be durable.
        Step::Seal.run(&mut life).unwrap();
        Step::Seal.run(&mut life).unwrap();
        let before = life.disk.state().list().len();
        while life.log.as_mut().is_some_and(|log| log.give_back().unwrap()) {}
        let after = life.disk.state().list().len();
        assert!(after + 1 < before, "{after} of {before} slots are left");
        Step::Roll.run(&mut life).unwrap();
        let effort = Effort { scattered: 32, lived_in: 4, nested: 8 };
        Explorer::new(effort, seed).all(&life).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    }
}
