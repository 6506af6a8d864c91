//! Tests of the open traces.

use proptest::prelude::*;
use wholetrace_runtime::problems::Problems;

use super::*;
use crate::policy::{PolicySet, TailSamplingConfig};

const HASH: KeyHash = KeyHash::new(7);

/// What the starter policies remember of a trace.
const BLANK: &[u64] = &[0; 4];

fn new(key: u64, first_seen: u64) -> NewTrace<'static> {
    NewTrace {
        key: TraceKey(key),
        first_seen: LogTime(first_seen),
        first_frame: 0,
        policy_version: 0,
        blank: BLANK,
    }
}

fn due(open: &mut OpenTraces, now: u64) -> Vec<u64> {
    let mut keys = Vec::new();
    while let Some(slot) = open.next_due(LogTime(now)) {
        keys.push(open.get(slot).key().0);
    }
    keys
}

fn any(open: &OpenTraces, key: u64) -> Option<Slot> {
    open.find(TraceKey(key), |_| true)
}

#[test]
fn traces_are_due_in_the_order_of_their_deadlines() {
    let mut open = OpenTraces::new(100, 10, HASH);
    let slots: Vec<Slot> = (0..4).map(|key| open.open(&new(key, key))).collect();
    open.root_seen(slots[2], LogTime(5));
    open.root_seen(slots[0], LogTime(95));
    assert_eq!(due(&mut open, 14), Vec::<u64>::new());
    assert_eq!(due(&mut open, 15), [2]);
    assert_eq!(due(&mut open, 200), [0, 1, 3]);
    assert_eq!((open.len(), open.undecided()), (4, 0));
}

#[test]
fn a_root_span_only_brings_the_deadline_forward() {
    let mut open = OpenTraces::new(100, 10, HASH);
    let slot = open.open(&new(1, 0));
    open.root_seen(slot, LogTime(95));
    assert_eq!(open.get(slot).deadline(), LogTime(100));
    open.root_seen(slot, LogTime(20));
    open.root_seen(slot, LogTime(25));
    assert_eq!(open.get(slot).deadline(), LogTime(30));
}

#[test]
fn what_is_closed_is_gone_and_its_place_used_again() {
    let mut open = OpenTraces::new(100, 0, HASH);
    for key in 0..1000 {
        open.open(&new(key, 0));
    }
    let full = open.memory();
    for round in 1..5_u64 {
        for key in 0..1000 {
            let old = any(&open, (round - 1) * 1000 + key).unwrap();
            open.close(old);
            open.open(&new(round * 1000 + key, round));
        }
    }
    assert_eq!(open.len(), 1000);
    assert_eq!(any(&open, 3999), None);
    assert!(open.memory() <= full * 2, "{} of {full} bytes", open.memory());
    for key in 4000..5000 {
        open.close(any(&open, key).unwrap());
    }
    assert_eq!(open.len(), 0);
    assert!(open.memory() < 64 << 10, "{} bytes for nothing", open.memory());
}

/// What an undecided trace costs, all tables counted by their capacities, by what is asked of it. The
/// bound for a trace beside the window cache is 256 bytes.
#[test]
fn a_million_open_traces_take_less_than_their_bytes() {
    let cases = [
        ("errors and a share", TailSamplingConfig::starter(), 56, 80),
        ("errors, slow traces and a share", config(SLOW), 64, 88),
        ("everything", config(EVERYTHING), 100, 124),
    ];
    for (name, config, most_of_place, most_bytes) in cases {
        let set = PolicySet::compile(&config, "", &mut Problems::new()).expect("policies");
        let place = 8 * (4 + set.blank_record().len());
        assert!(place <= most_of_place, "{name}: a place of {place} bytes");
        let mut open = OpenTraces::new(10_000, 0, HASH);
        let mut worst = 0.0_f64;
        for key in 0..1_000_000_u64 {
            let trace = new(key.wrapping_mul(0x9e37_79b9_7f4a_7c15), key / 1000);
            open.open(&NewTrace { blank: set.blank_record(), ..trace });
            if key > 10_000 && key % 10_007 == 0 {
                worst = worst.max(open.memory() as f64 / open.len() as f64);
            }
        }
        let each = open.memory() as f64 / open.len() as f64;
        println!("{name}: {place} + index = {each:.1} bytes at a million, {worst:.1} at worst");
        assert!(each.max(worst) <= f64::from(most_bytes), "{name}: {each} {worst}");
    }
}

const SLOW: &str = r#"{ "policies": [
    { "name": "errors", "type": "status_code", "status_code": { "status_codes": ["ERROR"] } },
    { "name": "slow", "type": "latency", "latency": { "threshold_ms": 500 } },
    { "name": "share", "type": "probabilistic", "probabilistic": { "sampling_percentage": 10 } }
] }"#;

/// All that a record can hold, but for services and several counters.
const EVERYTHING: &str = r#"{ "maximum_trace_size_bytes": 1000000, "policies": [
    { "name": "errors", "type": "status_code", "status_code": { "status_codes": ["ERROR"] } },
    { "name": "slow", "type": "latency", "latency": { "threshold_ms": 500 } },
    { "name": "hashed", "type": "probabilistic",
      "probabilistic": { "sampling_percentage": 10, "hash_salt": "salt" } },
    { "name": "gold", "type": "string_attribute",
      "string_attribute": { "key": "tier", "values": ["gold"] } },
    { "name": "checkout", "type": "ottl_condition",
      "ottl_condition": { "span": ["name == \"checkout\" and status.code != STATUS_CODE_OK"] } },
    { "name": "large", "type": "span_count", "span_count": { "min_spans": 100 } },
    { "name": "budget", "type": "rate_limiting", "rate_limiting": { "spans_per_second": 1000 } },
    { "name": "rare", "type": "dynamic",
      "dynamic": { "fields": ["http.route"], "goal_sample_rate": 10 } }
] }"#;

fn config(json: &str) -> TailSamplingConfig {
    serde_json::from_str(json).expect("a configuration")
}

/// Sets whose records differ in size stand beside each other, and what one leaves behind is freed.
#[test]
fn traces_of_several_policy_sets() {
    let mut open = OpenTraces::new(100, 0, HASH);
    let trace = |key: u64| {
        let version = (key % 3) as u8;
        NewTrace {
            policy_version: version,
            blank: &BLANK[..usize::from(version) + 1],
            ..new(key, key)
        }
    };
    for key in 0..3000 {
        let slot = open.open(&trace(key));
        open.record_mut(slot).fill(key);
    }
    for key in 0..3000 {
        let slot = any(&open, key).unwrap();
        assert_eq!(open.policy_version(slot), (key % 3) as u8);
        assert_eq!(open.record(slot), vec![key; key as usize % 3 + 1]);
    }
    let full = open.memory();
    for key in (0..3000).filter(|key| key % 3 != 1) {
        open.close(any(&open, key).unwrap());
    }
    open.replace_policies(1);
    assert!(open.memory() < full * 2 / 3, "{} of {full} bytes", open.memory());
    // Number 2 is another set now, of larger records.
    let slot = open.open(&NewTrace { policy_version: 2, blank: BLANK, ..new(9999, 9999) });
    assert_eq!(open.record(slot), BLANK);
    assert_eq!(due(&mut open, 20_000).len(), 1001);
}

#[derive(Clone, Debug)]
enum Act {
    Open(u64),
    Root(u64),
    Pass(u64),
    Close(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..40_u64).prop_map(Act::Open),
        (0..40_u64).prop_map(Act::Root),
        (1..60_u64).prop_map(Act::Pass),
        (0..40_u64).prop_map(Act::Close),
    ]
}

proptest! {
    /// Against a plain list: the same traces are due, in the order of deadlines.
    #[test]
    fn prop_behaves_as_a_plain_list(acts in prop::collection::vec(act(), 0..300)) {
        let mut open = OpenTraces::new(100, 30, HASH);
        let mut plain: Vec<(u64, u64, bool)> = Vec::new();
        let mut now = 0;
        for act in acts {
            match act {
                Act::Open(key) if !plain.iter().any(|(known, ..)| *known == key) => {
                    open.open(&new(key, now));
                    plain.push((key, now + 100, false));
                }
                Act::Root(key) => {
                    let found = any(&open, key);
                    let known = plain.iter_mut().find(|(known, ..)| *known == key);
                    prop_assert_eq!(found.is_some(), known.is_some());
                    if let (Some(slot), Some((_, deadline, decided))) = (found, known) {
                        open.root_seen(slot, LogTime(now));
                        if !*decided {
                            *deadline = (*deadline).min(now + 30);
                        }
                    }
                }
                Act::Pass(time) => {
                    now += time;
                    let mut want: Vec<(u64, u64)> = plain
                        .iter()
                        .filter(|(_, deadline, decided)| !decided && *deadline <= now)
                        .map(|(key, deadline, _)| (*deadline, *key))
                        .collect();
                    want.sort_unstable();
                    let keys = due(&mut open, now);
                    let mut got: Vec<(u64, u64)> = keys
                        .iter()
                        .map(|key| (open.get(any(&open, *key).unwrap()).deadline().0, *key))
                        .collect();
                    prop_assert!(got.is_sorted_by_key(|(deadline, _)| *deadline));
                    got.sort_unstable();
                    prop_assert_eq!(got, want);
                    for (_, deadline, decided) in &mut plain {
                        *decided |= *deadline <= now;
                    }
                }
                Act::Close(key) => {
                    if let Some(slot) = any(&open, key) {
                        open.close(slot);
                    }
                    plain.retain(|(known, ..)| *known != key);
                }
                Act::Open(_) => {}
            }
            prop_assert_eq!(open.len(), plain.len());
            let undecided = plain.iter().filter(|(.., decided)| !decided).count();
            prop_assert_eq!(open.undecided(), undecided);
        }
    }
}
