//! Two owners of the same partitions at once.

use std::{collections::BTreeSet, fs, time::Duration};

use super::{
    fleet::Fleet,
    kafka::Kafka,
    load::{Load, RATE, Scale},
    oracle::{self, Arrived},
    steady::fleet,
};

fn sampling(percentage: u32) -> String {
    format!(
        "tail_sampling:\n  decision_wait: 5s\n  policies:\n    - {{ name: share, type: probabilistic, probabilistic: {{ sampling_percentage: {percentage} }} }}\n"
    )
}

/// What one sampler kept.
fn kept(fleet: &Fleet, stem: &str) -> Arrived {
    oracle::arrived(fleet.folder.path(), stem)
}

/// Scenario: a second group, with policies of its own, samples the same topics at the same time: the
/// worst case of a partition with two owners. Both write to the decision log all the time.
///
/// Guarantee: the first decision in the log counts for both: they keep the very same traces, whole
/// (I2, I3), although one alone would keep far more than the other.
#[test]
fn of_two_owners_the_first_verdict_counts() {
    let Some(kafka) = Kafka::shared() else { return };
    let scale = Scale::of_this_run();
    let mut fleet = fleet(&kafka, 2, 0, &sampling(10));
    fleet.expect(&[(
        "another process has claimed the partition",
        "two groups claim all of them in turn",
    )]);
    for (number, percentage) in [(0, 10), (1, 60)] {
        assert_eq!(fleet.add_sampler(""), number);
        let path = fleet.folder.path().join(format!("sampler-{number}.yaml"));
        let text = fs::read_to_string(&path).expect("its configuration");
        let text = text
            .replace("group_id: ", &format!("group_id: rival-{number}-"))
            .replace("sampling_percentage: 10", &format!("sampling_percentage: {percentage}"));
        fs::write(&path, text).expect("its configuration");
        fleet.samplers[number].start();
    }
    let sent = Load::start(
        &fleet,
        scale,
        RATE,
        &["--slow", "0", "--errors", "0", "--late", "0.05", "--late-by", "20s"],
    )
    .finish();
    let planned = |id: &String| {
        sent.iter().find(|trace| trace.trace_id == *id).map_or(0, |trace| trace.planned)
    };
    // The log is finished when nothing new has come for three decision waits.
    let mut last = (Arrived::new(), Arrived::new());
    loop {
        std::thread::sleep(Duration::from_secs(15));
        let now = (kept(&fleet, "kept-0"), kept(&fleet, "kept-1"));
        if now == last && !now.0.is_empty() {
            break;
        }
        last = now;
    }
    let (one, other) = last;
    let names = |arrived: &Arrived| arrived.keys().cloned().collect::<BTreeSet<_>>();
    let (one_names, other_names) = (names(&one), names(&other));
    let only: Vec<_> = one_names.symmetric_difference(&other_names).take(10).collect();
    assert!(only.is_empty(), "kept by one of the two only: {only:?}");
    for (id, spans) in &one {
        assert_eq!(spans.len(), planned(id), "{id} is not whole");
        assert_eq!(other.get(id).map(|spans| spans.len()), Some(spans.len()), "{id}");
    }
    // Both had a say: more than one of them alone keeps, fewer than the other.
    let share = one.len() * 100 / sent.len();
    println!("{} of {} traces kept by both", one.len(), sent.len());
    assert!((10..=60).contains(&share), "{share} %");
}
