//! A short run of the fuzz targets: valid inputs, mutated, and random bytes. Always the same.

use prost::Message;
use wholetrace_proto::{
    id::TraceKey,
    record::{Claim, DeadLetter, Decision, PolicyBits, SubPolicy, encode_decisions},
    tracestate::Threshold,
    wire::put_bytes,
};

use crate::{checks, nested, sample, translators};

/// Inputs for each target.
const RUNS: u32 = 20_000;

/// A small generator of numbers (xorshift): what a failing run did can be done again.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.below(most + 1);
        (0..len).map(|_| self.next().to_le_bytes()[3]).collect()
    }

    /// Changes `bytes` at one to four places.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let place = self.below(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, self.next().to_le_bytes()[0]),
                2 if place < bytes.len() => drop(bytes.remove(place)),
                3 => {
                    let end = place + self.below(bytes.len() - place);
                    let copy = bytes[place..end].to_vec();
                    bytes.splice(place..place, copy);
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte ^= 1 << self.below(8);
                    }
                }
            }
        }
    }
}

pub(crate) fn run(seed: u64, valid: &[Vec<u8>], check: fn(&[u8])) {
    let mut random = Random(seed);
    valid.iter().for_each(|input| check(input));
    for _ in 0..RUNS {
        let mut input = valid[random.below(valid.len())].clone();
        random.mutate(&mut input);
        check(&input);
        check(&random.bytes(24));
    }
}

/// The check on up to `most` bytes that choose an input, rather than be one.
pub(crate) fn run_any(seed: u64, runs: u32, most: usize, check: fn(&[u8])) {
    let mut random = Random(seed);
    for _ in 0..runs {
        check(&random.bytes(most));
    }
}

fn field(number: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, number, body);
    out
}

fn span_bodies() -> Vec<Vec<u8>> {
    let mut span = sample::span(7, 3);
    span.trace_state = "vendor=1,ot=rv:fedcba98765432;th:8;x:y,other=2".to_owned();
    span.events.push(wholetrace_proto::otlp::span::Event {
        name: "naïve".to_owned(),
        attributes: vec![sample::text("k", "v")],
        ..Default::default()
    });
    span.links.push(wholetrace_proto::otlp::span::Link {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        ..Default::default()
    });
    let mut bare = sample::span(8, 0);
    bare.attributes.truncate(1);
    // The first attribute of these is as deep as the check allows.
    let [arrays, maps] = [(0, 44), (4, 29)].map(|(way, depth)| {
        let value = (0..depth).fold(Vec::new(), |value, _| nested::inside(&value, way));
        let mut body = bare.encode_to_vec();
        put_bytes(&mut body, 9, &[b"\x0a\x01k".to_vec(), field(2, &value)].concat());
        body
    });
    vec![span.encode_to_vec(), bare.encode_to_vec(), arrays, maps]
}

#[test]
fn wire() {
    run(1, &[sample::bytes(1)], checks::wire);
}

#[test]
fn spans() {
    let mut two = sample::bytes(1);
    two.extend(sample::bytes(2));
    run(2, &[sample::bytes(1), two], checks::spans);
}

#[test]
fn nested_messages() {
    run_any(7, 10_000, 24, |data| {
        let traces = nested::traces(data);
        checks::spans(&traces);
        translators::line(&traces);
    });
}

#[test]
fn span() {
    run(3, &span_bodies(), checks::span);
}

#[test]
fn decisions() {
    let decision = |key: u64| Decision {
        key: TraceKey(key),
        first_seen_ms: 1_760_000_000_000 + key,
        decided_at_ms: 1_760_000_010_000 + key,
        kept: key.is_multiple_of(2),
        threshold: Threshold::of_probability(0.1),
        probability_known: key < 3,
        stated_randomness: key == 1,
        policy: u16::from(key == 1),
        sub_policy: (key == 2).then_some(SubPolicy { name: 1, of_decider: false }),
        also: (0..2).filter(|policy| key == 3 && *policy > 0).collect(),
        shadow: PolicyBits::NONE,
        late_fragment: key == 2,
        id_high: u64::from(key == 3),
    };
    let claim = Some(Claim { term: 3, owner: 99 });
    let batch =
        encode_decisions(&["errors", "a tenth"], claim, &[decision(1), decision(2), decision(3)]);
    run(4, &[batch], checks::decisions);
}

#[test]
fn dead_letter() {
    let letter = DeadLetter {
        reason: "refused",
        topic: "spans",
        partition: 3,
        position: 99,
        time_ms: 1_760_000_000_000,
        exporter: "otlp/jaeger",
        payload: b"bytes",
    };
    run(5, &[letter.encode()], checks::dead_letter);
}

#[test]
fn tracestate() {
    let chosen = span_bodies().into_iter().map(|body| [&[230], body.as_slice()].concat());
    run(6, &chosen.collect::<Vec<_>>(), checks::tracestate);
}
