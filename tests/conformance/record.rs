//! Recording: what a real Collector keeps.

use std::collections::BTreeSet;

use crate::{
    collector::{self, Job, Kept},
    notation::requests,
    parts,
    vectors::{self, Set, Vectors},
};

/// Which traces, by their places, a Collector keeps by each of `sets`.
pub(crate) fn recorded(files: &[(&Vectors, Vec<&Set>)]) -> Vec<Vec<BTreeSet<usize>>> {
    let jobs: Vec<Job<'_>> = files.iter().map(|(vectors, sets)| job(vectors, sets)).collect();
    let kept = collector::decide(&jobs);
    let of_file = |((vectors, sets), kept): (&(&Vectors, Vec<&Set>), Vec<Kept>)| {
        let each = kept.iter().zip(sets).map(|(kept, set)| places(vectors, set, kept));
        each.collect::<Vec<_>>()
    };
    files.iter().zip(kept).map(of_file).collect()
}

fn job<'s>(vectors: &Vectors, sets: &[&'s Set]) -> Job<'s> {
    let blocks = sets.iter().map(|set| &set.block).collect();
    Job { requests: requests(&vectors.traces), blocks }
}

/// The places of the traces that came out: whole, or the recording is not what it seems.
fn places(vectors: &Vectors, set: &Set, kept: &Kept) -> BTreeSet<usize> {
    let mut places = BTreeSet::new();
    for (place, trace) in vectors.traces.iter().enumerate() {
        if let Some(spans) = kept.get(&format!("{:032x}", trace.id)) {
            let whole = *spans == trace.spans();
            assert!(whole, "{}/{}: a part of {}", vectors.name, set.name, trace.name);
            places.insert(place);
        }
    }
    assert_eq!(places.len(), kept.len(), "{}/{}: unknown traces", vectors.name, set.name);
    places
}

#[test]
#[ignore = "writes the vectors anew: tests/conformance/record"]
fn record() {
    assert!(parts::stands("collector"), "no Collector, nothing to record");
    for vectors in vectors::all() {
        let kept = recorded(&[(&vectors, vectors.sets.iter().collect())]);
        vectors.write(&kept[0]);
        println!("{}: {} sets, {} traces", vectors.name, vectors.sets.len(), vectors.traces.len());
    }
}

#[test]
fn a_collector_still_keeps_what_was_recorded() {
    if !parts::stands("collector") {
        return;
    }
    let files = vectors::all();
    let all: Vec<(&Vectors, Vec<&Set>)> =
        files.iter().map(|vectors| (vectors, vectors.sets.iter().collect())).collect();
    for ((vectors, sets), kept) in all.iter().zip(recorded(&all)) {
        for (set, kept) in sets.iter().zip(kept) {
            let names = vectors.names(&kept);
            let stands = set.kept.as_deref();
            assert_eq!(stands, Some(names.as_str()), "{}/{}", vectors.name, set.name);
        }
    }
}
