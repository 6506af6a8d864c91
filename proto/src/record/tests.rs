use std::collections::HashSet;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    id::TraceKey,
    tracestate::Threshold,
    wire::{put_bytes, put_fixed64, put_uint},
};

fn decision() -> impl Strategy<Value = Decision> {
    let times = (0..1_u64 << 42, 0..1_u64 << 40);
    let ids = (any::<u64>(), prop_oneof![Just(0), any::<u64>()]);
    let flags = any::<[bool; 4]>();
    let sub_policy = proptest::option::of((0..80_u16, any::<bool>()));
    let policies = (0..80_u16, sub_policy, policies(), policies());
    (ids, times, flags, 0..=1_u64 << 56, policies).prop_map(
        |((key, id_high), (first, waited), flags, threshold, (policy, sub, also, shadow))| {
            Decision {
                key: TraceKey(key),
                first_seen_ms: first,
                decided_at_ms: first + waited,
                kept: flags[0],
                threshold: Threshold::new(threshold).unwrap(),
                probability_known: flags[1],
                stated_randomness: flags[3],
                policy,
                sub_policy: sub.map(|(name, of_decider)| SubPolicy { name, of_decider }),
                also,
                shadow,
                late_fragment: flags[2],
                id_high,
            }
        },
    )
}

fn policies() -> impl Strategy<Value = PolicyBits> {
    let some = vec(0..80_u16, 1..5).prop_map(|policies| policies.into_iter().collect());
    prop_oneof![3 => Just(PolicyBits::NONE), 1 => some]
}

/// What a decision says, by the names of the policies.
fn named(decision: &Decision, names: &[&str]) -> (Decision, [Vec<String>; 4]) {
    let name = |policy: u16| names[usize::from(policy)].to_owned();
    let said = [
        vec![name(decision.policy)],
        decision.also.iter().map(name).collect(),
        decision.shadow.iter().map(name).collect(),
        decision.sub_policy.iter().map(|sub| name(sub.name)).collect(),
    ];
    let (also, shadow) = (PolicyBits::NONE, PolicyBits::NONE);
    let sub_policy = decision.sub_policy.map(|sub| SubPolicy { name: 0, ..sub });
    (Decision { policy: 0, sub_policy, also, shadow, ..decision.clone() }, said)
}

const POLICIES: [&str; 3] = ["errors", "", "ten percent"];

fn sample() -> Decision {
    Decision {
        key: TraceKey(5),
        first_seen_ms: 1_760_000_000_000,
        decided_at_ms: 1_760_000_010_000,
        kept: true,
        threshold: Threshold::of_probability(0.1),
        probability_known: true,
        stated_randomness: false,
        policy: 2,
        sub_policy: None,
        also: PolicyBits::NONE,
        shadow: PolicyBits::NONE,
        late_fragment: false,
        id_high: 0,
    }
}

proptest! {
    #[test]
    fn prop_a_batch_reads_back(
        decisions in vec(decision(), 0..20),
        claim in proptest::option::of((1..u64::MAX, any::<u64>())),
        hash in proptest::option::of(any::<u64>()),
    ) {
        let claim = claim.map(|(term, owner)| Claim { term, owner });
        let names: Vec<String> = (0..80).map(|number| format!("policy {number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let record = encode_decisions_of(hash, &names, claim, &decisions);
        prop_assert_eq!(record.len(), record.capacity());
        let batch = DecisionBatch::read(&record).unwrap();
        prop_assert_eq!(batch.len(), decisions.len());
        prop_assert_eq!((batch.claim(), batch.version()), (claim, VERSION));
        prop_assert_eq!(batch.policies_hash(), hash);
        let written: Vec<&str> = batch.policies().collect();
        let read: Vec<Decision> = batch.decisions().collect();
        let said = |decisions: &[Decision], names: &[&str]| -> Vec<_> {
            decisions.iter().map(|decision| named(decision, names)).collect()
        };
        prop_assert_eq!(said(&read, &written), said(&decisions, &names));
        let occurring: HashSet<String> =
            said(&read, &written).into_iter().flat_map(|(_, said)| said.concat()).collect();
        prop_assert_eq!(occurring.len(), written.len(), "only names that occur");
        // What is read and written again is the same.
        prop_assert_eq!(encode_decisions_of(hash, &written, claim, &read), record);
    }

    #[test]
    fn prop_a_dead_letter_reads_back(
        texts in ("\\PC{0,20}", "\\PC{0,20}", "\\PC{0,20}"),
        numbers: (u32, u64, u64),
        payload in vec(any::<u8>(), 0..200),
    ) {
        let letter = DeadLetter {
            reason: &texts.0,
            topic: &texts.1,
            partition: numbers.0,
            position: numbers.1,
            time_ms: numbers.2,
            exporter: &texts.2,
            payload: &payload,
        };
        let record = letter.encode();
        prop_assert_eq!(DeadLetter::read(&record), Ok(letter));
    }
}

#[test]
fn a_record_of_what_was_replayed_is_no_dead_letter() {
    let positions = vec![0, 7, u64::MAX];
    let record = encode_replayed(&positions);
    assert_eq!(read_replayed(&record), Ok(Some(positions)));
    // Who does not know of it takes it for a letter that says what it is.
    let letter = DeadLetter::read(&record).unwrap();
    assert_eq!((letter.reason, letter.payload), ("replayed", &b""[..]));
    assert_eq!(read_replayed(&DeadLetter::default().encode()), Ok(None));
    let mut one_by_one = Vec::new();
    put_fixed64(&mut one_by_one, 8, 3);
    put_fixed64(&mut one_by_one, 8, 4);
    assert_eq!(read_replayed(&one_by_one), Ok(Some(vec![3, 4])));
    let mut torn = Vec::new();
    put_bytes(&mut torn, 8, &[0; 15]);
    assert_eq!(read_replayed(&torn), Err(RecordError::Packed { field: "replayed" }));
}

#[test]
fn a_decision_takes_a_few_dozen_bytes() {
    let thousand: Vec<_> = (0..1_000)
        .map(|number| Decision { first_seen_ms: 1_760_000_000_000 + number, ..sample() })
        .collect();
    let record = encode_decisions(&POLICIES, None, &thousand);
    assert!(record.len() < 36 * 1_000, "{} bytes", record.len());
}

/// A batch of one policy with one decision, of these fields.
fn batch_of(fields: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = Vec::new();
    fields(&mut body);
    let mut record = Vec::new();
    put_bytes(&mut record, 1, b"policy");
    put_bytes(&mut record, 3, &body);
    record
}

#[test]
fn what_a_batch_must_not_say_is_refused() {
    let cases: [(Vec<u8>, &str); 9] = [
        (batch_of(|out| put_uint(out, 5, 1)), "decision `0` has no key"),
        (
            batch_of(|out| {
                put_fixed64(out, 1, 1);
                put_uint(out, 4, (1 << 56) + 1);
            }),
            "field `threshold` is `72057594037927937`, must be at most `72057594037927936`",
        ),
        (
            batch_of(|out| {
                put_fixed64(out, 1, 1);
                put_uint(out, 7, 65_536);
            }),
            "field `policy` is `65536`, must be at most `65535`",
        ),
        (
            batch_of(|out| {
                put_fixed64(out, 1, 1);
                put_uint(out, 7, 1);
            }),
            "decision `0` names policy `1`, the batch has `1`",
        ),
        (
            batch_of(|out| {
                put_fixed64(out, 1, 1);
                put_bytes(out, 10, &[0, 4]);
            }),
            "decision `0` names policy `10`, the batch has `1`",
        ),
        (
            batch_of(|out| {
                put_fixed64(out, 1, 1);
                put_uint(out, 12, 2);
            }),
            "decision `0` names policy `1`, the batch has `1`",
        ),
        (
            batch_of(|out| {
                put_fixed64(out, 1, 1);
                put_uint(out, 12, 65_536);
            }),
            "field `sub_policy` is `65536`, must be at most `65535`",
        ),
        (
            batch_of(|out| {
                put_fixed64(out, 1, 1);
                put_bytes(out, 9, &[0; 513]);
            }),
            "field `also` is `513`, must be at most `512`",
        ),
        (
            batch_of(|out| put_uint(out, 1, 1)),
            "the record is malformed: field `1` of `Decision` at byte `2` has a wrong wire type",
        ),
    ];
    for (record, wanted) in cases {
        assert_eq!(
            DecisionBatch::read(&record).map(|batch| batch.len()).unwrap_err().to_string(),
            wanted
        );
    }
}

#[test]
fn a_batch_names_no_more_policies_than_there_may_be() {
    let mut many = Vec::new();
    (0..=POLICIES_MAX).for_each(|_| put_bytes(&mut many, 1, b"p"));
    assert!(matches!(
        DecisionBatch::read(&many),
        Err(RecordError::Bound { field: "policies", .. })
    ));
}

#[test]
fn fields_of_a_later_version_are_passed_over() {
    let mut record = encode_decisions(&POLICIES, None, &[sample()]);
    put_bytes(&mut record, 15, b"later");
    let batch = DecisionBatch::read(&record).unwrap();
    assert_eq!(batch.decisions().collect::<Vec<_>>(), [Decision { policy: 0, ..sample() }]);
    assert_eq!(batch.policies().collect::<Vec<_>>(), ["ten percent"]);
    let mut letter = DeadLetter { topic: "spans", ..DeadLetter::default() }.encode();
    put_uint(&mut letter, 99, 1);
    assert_eq!(DeadLetter::read(&letter).unwrap().topic, "spans");
}

/// The bytes are what the first version has written.
#[test]
fn a_record_of_the_first_version_is_read() {
    let batch = DecisionBatch::read(include_bytes!("tests/decisions_v1.bin")).unwrap();
    assert_eq!(batch.version(), 1);
    assert_eq!(batch.claim(), Some(Claim { term: 3, owner: 99 }));
    assert_eq!(batch.policies().collect::<Vec<_>>(), ["errors", "slow", "a tenth", ""]);
    let of = |key: u64, kept, threshold, policy| Decision {
        key: TraceKey(key),
        first_seen_ms: 1_760_000_000_000 + key,
        decided_at_ms: 1_760_000_010_000 + key,
        kept,
        threshold,
        policy,
        ..sample()
    };
    let wanted = [
        Decision { probability_known: false, ..of(1, true, Threshold::ALWAYS, 0) },
        Decision { late_fragment: true, ..of(2, false, Threshold::NEVER, 3) },
        of(3, true, Threshold::of_probability(0.1), 2),
    ];
    assert_eq!(batch.decisions().collect::<Vec<_>>(), wanted);
}

/// A decision of the key 7, kept by policy 1 of three as two others said yes, after 10 ms, as the second
/// version has written it before it told of policies within others.
const WITHOUT_SUB_POLICY: &[u8] = &[
    0x30, 0x02, // version 2
    0x0a, 0x01, b'a', 0x0a, 0x01, b'b', 0x0a, 0x01, b'c', // policies
    0x10, 0x64, // base_ms 100
    0x1a, 0x16, // a decision of 22 bytes
    0x09, 7, 0, 0, 0, 0, 0, 0, 0, // key
    0x10, 0x05, // first_seen_ms 105
    0x18, 0x0a, // waited_ms
    0x28, 0x01, // kept
    0x38, 0x01, // policy
    0x4a, 0x01, 0b101, // also
    0x20, 0x00, // threshold, which may be written
    0x20, 0x02, 0x29, 9, 0, 0, 0, 0, 0, 0, 0, // claim
    0x49, 5, 0, 0, 0, 0, 0, 0, 0, // policies_hash
];

#[test]
fn a_record_without_policies_within_others_is_read() {
    let batch = DecisionBatch::read(WITHOUT_SUB_POLICY).unwrap();
    assert_eq!((batch.version(), batch.policies_hash()), (2, Some(5)));
    assert_eq!(batch.claim(), Some(Claim { term: 2, owner: 9 }));
    assert_eq!(batch.policies().collect::<Vec<_>>(), ["a", "b", "c"]);
    let wanted = Decision {
        key: TraceKey(7),
        first_seen_ms: 105,
        decided_at_ms: 115,
        threshold: Threshold::ALWAYS,
        policy: 1,
        also: [0, 2].into_iter().collect(),
        ..sample()
    };
    assert_eq!(batch.decisions().collect::<Vec<_>>(), [wanted]);
}

/// What tells a policy within another is a few bytes behind what was there before, so that who does not
/// know of it reads the rest.
#[test]
fn a_policy_within_another_is_told_behind_the_rest() {
    let of = |sub_policy| encode_decisions(&POLICIES, None, &[Decision { sub_policy, ..sample() }]);
    let (without, own) = (of(None), of(Some(SubPolicy { name: 2, of_decider: true })));
    let another = of(Some(SubPolicy { name: 2, of_decider: false }));
    assert_eq!((own.len(), another.len()), (without.len() + 2, without.len() + 4));
    assert!(own.ends_with(&[0x60, 0x01]) && another.ends_with(&[0x60, 0x01, 0x68, 0x01]));
    // Whose it is says nothing where there is none.
    let mut body = Vec::new();
    put_fixed64(&mut body, 1, 5);
    put_uint(&mut body, 13, 1);
    let mut record = Vec::new();
    put_bytes(&mut record, 1, b"errors");
    put_bytes(&mut record, 3, &body);
    let read = DecisionBatch::read(&record).unwrap().decisions().next();
    assert_eq!(read.unwrap().sub_policy, None);
}

/// So does the high half of the id, with the bytes of one field.
#[test]
fn the_longest_id_is_told_behind_the_rest() {
    let of = |id_high| encode_decisions(&POLICIES, None, &[Decision { id_high, ..sample() }]);
    let (short, long) = (of(0), of(0x0102_0304_0506_0708));
    assert_eq!(long.len(), short.len() + 9);
    assert!(long.ends_with(&[0x71, 8, 7, 6, 5, 4, 3, 2, 1]));
}

#[test]
fn every_truncation_is_refused_or_a_shorter_batch() {
    let record = encode_decisions(&POLICIES, None, &[sample(), sample()]);
    for end in 0..record.len() {
        if let Ok(batch) = DecisionBatch::read(&record[..end]) {
            assert!(batch.len() < 2 && batch.decisions().count() == batch.len());
        }
    }
}

#[test]
fn text_that_is_none_is_refused() {
    let mut record = Vec::new();
    put_bytes(&mut record, 2, b"\xff");
    assert_eq!(DeadLetter::read(&record), Err(RecordError::Text { field: "topic" }));
    record.clear();
    put_bytes(&mut record, 1, b"\xff");
    let error = DecisionBatch::read(&record).map(|batch| batch.len());
    assert_eq!(error, Err(RecordError::Text { field: "policies" }));
}
