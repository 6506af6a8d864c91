//! Traces and sets that nobody has seen: made by chance for each run.

use std::ops::Range;

use crate::{
    compare::{Compared, compare},
    differences::Differences,
    generate::generated,
    parts,
    record::recorded,
    vectors::{self, Vectors},
};

const TRACES: usize = 60;
const SETS: usize = 120;

/// The seeds to run.
fn seeds() -> Range<u64> {
    #[expect(clippy::disallowed_methods, reason = "how a test is told what to run again")]
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let first = number("WHOLETRACE_SEED").unwrap_or_else(|| fastrand::u64(..u64::MAX / 2));
    first..first + number("WHOLETRACE_RUNS").unwrap_or(1)
}

#[test]
fn what_is_made_by_chance_is_decided_alike() {
    if !parts::stands("collector") {
        return;
    }
    let differences = Differences::default();
    for seed in seeds() {
        let path = vectors::folder().join("fresh.yaml");
        let mut vectors = Vectors::parse(&path, &generated(seed, TRACES, SETS));
        let mut kept = recorded(&[(&vectors, vectors.sets.iter().collect())]);
        let names: Vec<String> =
            kept.remove(0).iter().map(|places| vectors.names(places)).collect();
        for (set, names) in vectors.sets.iter_mut().zip(names) {
            set.kept = Some(names);
        }
        let mut wrong = Vec::new();
        for set in &vectors.sets {
            if let Compared::Wrong(why) = compare(&vectors, set, &differences) {
                let policies = &set.block["policies"];
                wrong.push(format!("{why}\n{policies}"));
            }
        }
        let wrong = wrong.join("\n");
        assert!(wrong.is_empty(), "WHOLETRACE_SEED={seed} finds differences:\n{wrong}");
    }
}
