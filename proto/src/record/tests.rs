use proptest::{collection::vec, prelude::*};

use super::*;

fn decision() -> impl Strategy<Value = Decision> {
    let times = (0..1_u64 << 42, 0..1_u64 << 40);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (any::<u64>(), times, flags, 0..=1_u64 << 56, 0..3_u16).prop_map(
        |(key, (first, waited), flags, threshold, policy)| Decision {
            key: TraceKey(key),
            first_seen_ms: first,
            decided_at_ms: first + waited,
            kept: flags.0,
            threshold: Threshold::new(threshold).unwrap(),
            probability_known: flags.1,
            policy,
            late_fragment: flags.2,
        },
    )
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
        policy: 2,
        late_fragment: false,
    }
}

proptest! {
    #[test]
    fn prop_a_batch_reads_back(
        decisions in vec(decision(), 0..20),
        claim in proptest::option::of((1..u64::MAX, any::<u64>())),
    ) {
        let claim = claim.map(|(term, owner)| Claim { term, owner });
        let record = encode_decisions(&POLICIES, claim, &decisions);
        prop_assert_eq!(record.len(), record.capacity());
        let batch = DecisionBatch::read(&record).unwrap();
        prop_assert_eq!(batch.len(), decisions.len());
        prop_assert_eq!(batch.claim(), claim);
        prop_assert_eq!(batch.decisions().collect::<Vec<_>>(), decisions);
        prop_assert_eq!(batch.policies().collect::<Vec<_>>(), POLICIES);
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

#[test]
fn what_a_batch_must_not_say_is_refused() {
    let body = |fields: &dyn Fn(&mut Vec<u8>)| {
        let mut body = Vec::new();
        fields(&mut body);
        let mut record = Vec::new();
        put_bytes(&mut record, 1, b"policy");
        put_bytes(&mut record, 3, &body);
        record
    };
    let cases: [(Vec<u8>, &str); 5] = [
        (body(&|out| put_uint(out, 5, 1)), "decision `0` has no key"),
        (
            body(&|out| {
                put_fixed64(out, 1, 1);
                put_uint(out, 4, (1 << 56) + 1);
            }),
            "field `threshold` is `72057594037927937`, must be at most `72057594037927936`",
        ),
        (
            body(&|out| {
                put_fixed64(out, 1, 1);
                put_uint(out, 7, 65_536);
            }),
            "field `policy` is `65536`, must be at most `65535`",
        ),
        (
            body(&|out| {
                put_fixed64(out, 1, 1);
                put_uint(out, 7, 1);
            }),
            "decision `0` names policy `1`, the batch has `1`",
        ),
        (
            body(&|out| put_uint(out, 1, 1)),
            "the record is malformed: field `1` of `Decision` at byte `2` has a wrong wire type",
        ),
    ];
    for (record, wanted) in cases {
        assert_eq!(
            DecisionBatch::read(&record).map(|batch| batch.len()).unwrap_err().to_string(),
            wanted
        );
    }
    let many = encode_decisions(&vec!["p"; POLICIES_MAX + 1], None, &[]);
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
    assert_eq!(batch.decisions().collect::<Vec<_>>(), [sample()]);
    let mut letter = DeadLetter { topic: "spans", ..DeadLetter::default() }.encode();
    put_uint(&mut letter, 99, 1);
    assert_eq!(DeadLetter::read(&letter).unwrap().topic, "spans");
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
