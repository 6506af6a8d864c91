//! What becomes of spans of other formats, ours beside what a Collector makes of them.
//!
//! `mappings/FORMAT.yaml` has the cases of a format, written by hand; `mappings/recorded/FORMAT.yaml`
//! what a real Collector made of each, written by `tests/conformance/record`, and by nobody else;
//! `mappings/differences.yaml` each line that is another one here, with the reason.

mod cases;
mod differences;
mod format;
mod lines;
mod model;
mod record;
mod schemas;
mod send;
mod valid;
mod zipkin;

use std::collections::BTreeSet;

use cases::{Case, Cases};
use differences::Differences;
use format::Format;

/// What is wrong with `case`, of which a Collector made `theirs`.
fn wrong(cases: &Cases, case: &Case, theirs: &[String], differences: &Differences) -> Vec<String> {
    let Cases { format, .. } = cases;
    if format.is_datagram() {
        return wrong_datagram(cases, case);
    }
    let name = format!("{}/{}", format.name(), case.name);
    let ours = format.ours(&case.bytes);
    if let Some(other) = &case.taken_as {
        let other = format.ours(&cases.named(other).bytes);
        let mut wrong = Vec::new();
        if ours != other {
            wrong.push(format!("{name}: is {ours:#?} and not {other:#?}"));
        }
        if !differences.names(&name) {
            wrong.push(format!("{name}: no difference names it"));
        }
        return wrong;
    }
    let [here, there] = [without(&ours, theirs), without(theirs, &ours)];
    differences.unexplained(&name, &here, &there)
}

/// Whether a datagram becomes what a request of the same case does, which is compared.
fn wrong_datagram(cases: &Cases, case: &Case) -> Vec<String> {
    let posted = cases.posted(case);
    let [ours, posted] = [cases.format.ours(&case.bytes), Format::JaegerThrift.ours(&posted)]
        .map(|lines| cases.format.shown(lines));
    if ours == posted {
        return Vec::new();
    }
    vec![format!("{:?}/{}: is {ours:#?} and not {posted:#?}", cases.format, case.name)]
}

/// The lines of `all` that are not in `others`, as often as they are there too often.
fn without(all: &[String], others: &[String]) -> Vec<String> {
    let mut others = others.to_vec();
    let mut left = Vec::new();
    for line in all {
        match others.iter().position(|other| other == line) {
            Some(at) => drop(others.swap_remove(at)),
            None => left.push(line.clone()),
        }
    }
    left
}

#[test]
fn spans_become_what_a_collector_makes_of_them() {
    let differences = Differences::read("differences.yaml");
    let mut known = BTreeSet::new();
    let mut problems = Vec::new();
    for cases in Format::ALL.map(Cases::read) {
        let recorded = cases.recorded();
        for case in &cases.all {
            known.insert(format!("{}/{}", cases.format.name(), case.name));
            match recorded.get(&case.name) {
                Some(theirs) => problems.append(&mut wrong(&cases, case, theirs, &differences)),
                None => problems.push(format!("{}: was not recorded", case.name)),
            }
        }
        println!("{}: {} cases", cases.format.name(), cases.all.len());
    }
    problems.append(&mut differences.unknown(&known));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
