//! Our decisions beside a Collector's.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    differences::Differences,
    ours,
    vectors::{self, Set, Vectors},
};

/// What a set is beside the Collector's.
enum Compared {
    Equal,
    NotSupported,
    Wrong(String),
}

fn compare(vectors: &Vectors, set: &Set, differences: &Differences) -> Compared {
    let name = format!("{}/{}", vectors.name, set.name);
    let recorded = set.kept.as_deref().unwrap_or_else(|| panic!("{name} was not recorded"));
    let block = set.block.clone().into();
    let policies = match ours::load(&block) {
        Ok(_) if differences.is_refused(&name) => {
            return Compared::Wrong(format!("{name}: loads, and is listed as refused"));
        }
        Ok(policies) => policies,
        Err(_) if differences.is_refused(&name) => return Compared::Equal,
        Err(_) if ours::is_not_yet(&block) => return Compared::NotSupported,
        Err(why) => return Compared::Wrong(format!("{name}: refused: {why}")),
    };
    let kept = ours::kept(&policies, &vectors.traces);
    let theirs = vectors.places(recorded);
    let listed = differences.of(vectors, &name);
    let differ: BTreeSet<usize> = kept.symmetric_difference(&theirs).copied().collect();
    if differ == listed {
        return Compared::Equal;
    }
    let ours_only = vectors.names(&kept.difference(&theirs).copied().collect());
    let theirs_only = vectors.names(&theirs.difference(&kept).copied().collect());
    let listed = vectors.names(&listed);
    Compared::Wrong(format!(
        "{name}: kept here only: {ours_only}; kept there only: {theirs_only}; listed: {listed}"
    ))
}

#[test]
fn policies_keep_what_a_collector_keeps() {
    let differences = Differences::read();
    let files = vectors::all();
    let mut wrong = differences.unknown(&files);
    let mut counts = BTreeMap::<&str, [usize; 2]>::new();
    for vectors in &files {
        let [equal, not_yet] = counts.entry(&vectors.name).or_default();
        for set in &vectors.sets {
            match compare(vectors, set, &differences) {
                Compared::Equal => *equal += 1,
                Compared::NotSupported => *not_yet += 1,
                Compared::Wrong(why) => wrong.push(why),
            }
        }
    }
    for (file, [equal, not_yet]) in counts {
        println!("{file}: {equal} sets as in a Collector, {not_yet} not supported");
    }
    assert!(wrong.is_empty(), "differences that nobody listed:\n{}", wrong.join("\n"));
}
