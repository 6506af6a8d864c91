//! A seeded simulation of partitions in a world where everything goes wrong.
//!
//! Every run makes a world from its seed: traffic, bounds, and a random interleaving of reads,
//! appends that fail or happen twice, exports that are acknowledged in any order, refused or cut
//! off by a crash, owners that work side by side, reloads and silence. What happened is written
//! to a list of events, and the oracle judges by that list alone.
//!
//! A failing run prints its seed; `WHOLETRACE_SEED=<seed> cargo test -p wholetrace-sampler sim`
//! repeats it, and `WHOLETRACE_RUNS=<count>` makes more runs than the test suite does.

mod events;
mod oracle;
mod owner;
mod scene;
mod world;

use self::{oracle::judge, world::World};
use crate::seeds::{Failing, seeds};

/// Runs in the test suite.
const RUNS: u64 = 16_000;

/// I1 to I5 and I8 hold in every world, and the same log gives the same decisions.
#[test]
fn invariants_hold_whatever_goes_wrong() {
    let seeds = seeds(RUNS);
    let halves = seeds.split_at(seeds.len() / 2);
    std::thread::scope(|scope| {
        for half in [halves.0, halves.1] {
            scope.spawn(move || {
                for seed in half {
                    let mut world = World::new(*seed);
                    let failing = Failing(*seed, world.scene.described());
                    world.run();
                    judge(&world);
                    drop(failing);
                }
            });
        }
    });
}

/// The simulation does meet what it is for: the worlds of the suite are not all calm.
#[test]
fn the_worlds_are_rough() {
    let mut seen = events::Met::default();
    for seed in 0..200 {
        let mut world = World::new(seed);
        world.run();
        seen.add(&world.met);
    }
    let events::Met { crashes, zombies, refetches, ticks, refused, late, .. } = seen;
    let events::Met { forgotten, reloads, rewinds, superseded, ghosts, damaged, .. } = seen;
    let events::Met { fell_behind, fetched_behind, .. } = seen;
    let events::Met { set_clocks, rogue_times, metadata_lost, bounds, trimmed, scanned, .. } = seen;
    let events::Met { repeated, .. } = seen;
    for (what, count) in [
        ("crashes", crashes),
        ("zombies", zombies),
        ("refetches", refetches),
        ("ticks", ticks),
        ("refused", refused),
        ("late", late),
        ("forgotten", forgotten),
        ("reloads", reloads),
        ("rewinds", rewinds),
        ("superseded owners", superseded),
        ("ghosts", ghosts),
        ("damaged records", damaged),
        ("exporters behind", fell_behind),
        ("reads for those", fetched_behind),
        ("clocks that were set", set_clocks),
        ("records with a time of their own", rogue_times),
        ("lost hints", metadata_lost),
        ("changes of bounds", bounds),
        ("deletions", trimmed),
        ("scanned records", scanned),
        ("spans that came before", repeated),
    ] {
        assert!(count >= 20, "only {count} {what} in 200 worlds");
    }
}
