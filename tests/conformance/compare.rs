//! Our decisions beside a Collector's.

use std::collections::{BTreeMap, BTreeSet};

use wholetrace_proto::otlp::ExportTraceServiceRequest;

use crate::{
    differences::Differences,
    notation::requests,
    ours,
    vectors::{self, Set, Vectors},
};

/// What a set is beside the Collector's.
pub(crate) enum Compared {
    Equal,
    NotSupported,
    Wrong(String),
}

/// Our decisions by `set` beside those that were recorded.
pub(crate) fn compare(vectors: &Vectors, set: &Set, differences: &Differences) -> Compared {
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

#[test]
fn the_order_of_spans_does_not_matter() {
    for vectors in vectors::all() {
        let forwards = requests(&vectors.traces);
        let backwards = reversed(&forwards);
        for set in &vectors.sets {
            let Ok(policies) = ours::load(&set.block.clone().into()) else { continue };
            let kept = |requests| ours::kept_of(&policies, &vectors.traces, requests);
            assert_eq!(kept(&forwards), kept(&backwards), "{}/{}", vectors.name, set.name);
        }
    }
}

/// The requests from the last to the first, each with its spans from the last to the first.
fn reversed(requests: &[ExportTraceServiceRequest]) -> Vec<ExportTraceServiceRequest> {
    let mut requests = requests.to_vec();
    requests.reverse();
    for request in &mut requests {
        request.resource_spans.reverse();
        for scopes in request.resource_spans.iter_mut().map(|entry| &mut entry.scope_spans) {
            scopes.reverse();
            scopes.iter_mut().for_each(|scope| scope.spans.reverse());
        }
    }
    requests
}
