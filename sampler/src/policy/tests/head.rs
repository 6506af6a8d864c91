//! Head samplers, as they stand before Wholetrace: what they let through, and what they write on it.
//! Made after the specification and what the Collector's processor does, in the plainest way.

use std::fmt;

/// All of a 56-bit number.
const ALL: u64 = 1 << 56;

/// Numbers as a generator of ids draws them.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// SplitMix64.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

/// A head sampler, which judges each span by itself.
#[derive(Clone, Debug)]
pub(super) enum Head {
    /// An SDK's, for whole traces.
    Sdk {
        probability: f64,
        states: bool,
    },
    /// The Collector's `probabilistic_sampler`, by its modes.
    Equalizing(f64),
    Proportional(f64),
    HashSeed {
        seed: u32,
        percentage: f32,
    },
}

/// What a tracestate says, as head samplers write it.
#[derive(Clone, Copy, Default)]
struct Says {
    threshold: Option<u64>,
    randomness: Option<u64>,
}

impl Says {
    fn read(state: &str) -> Self {
        let mut says = Self::default();
        let parts = state.strip_prefix("ot=").into_iter().flat_map(|entry| entry.split(';'));
        for (key, digits) in parts.filter_map(|part| part.split_once(':')) {
            let number = u64::from_str_radix(&format!("{digits:0<14}"), 16).ok();
            match key {
                "th" => says.threshold = number,
                "rv" => says.randomness = number,
                _ => panic!("{state}"),
            }
        }
        says
    }
}

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threshold = self.threshold.map(|threshold| {
            let digits = format!("{threshold:014x}");
            let short = digits.trim_end_matches('0');
            format!("th:{}", if short.is_empty() { "0" } else { short })
        });
        let randomness = self.randomness.map(|randomness| format!("rv:{randomness:014x}"));
        let parts: Vec<String> = threshold.into_iter().chain(randomness).collect();
        if parts.is_empty() { Ok(()) } else { write!(f, "ot={}", parts.join(";")) }
    }
}

impl Head {
    pub(super) const fn sdk(probability: f64) -> Self {
        Self::Sdk { probability, states: false }
    }

    /// An SDK's whose ids are not random, and that states a randomness.
    pub(super) const fn stating(probability: f64) -> Self {
        Self::Sdk { probability, states: true }
    }

    pub(super) const fn equalizing(probability: f64) -> Self {
        Self::Equalizing(probability)
    }

    pub(super) const fn proportional(probability: f64) -> Self {
        Self::Proportional(probability)
    }

    pub(super) const fn hash_seed(seed: u32, percentage: f32) -> Self {
        Self::HashSeed { seed, percentage }
    }

    /// The tracestate of a span of the trace `id` behind it, `None` if the span is discarded. `stated`
    /// is what an SDK states as the randomness of the trace, if it does.
    pub(super) fn let_pass(&self, id: u128, stated: u64, state: &str) -> Option<String> {
        let mut says = Says::read(state);
        let came = says.threshold.unwrap_or(0);
        let own = match *self {
            Self::Sdk { probability, states } => {
                says.randomness = states.then_some(stated);
                rejected(probability)
            }
            Self::Equalizing(probability) => rejected(probability),
            Self::Proportional(probability) => {
                let arrives = (ALL - came) as f64 / ALL as f64;
                rejected(probability * arrives)
            }
            Self::HashSeed { seed, percentage } => {
                assert!(state.is_empty(), "the processor wants no tracestate in this mode");
                let hash = hash(seed, id);
                says.randomness = Some(randomness_of(hash));
                (16_384 - u64::from((percentage * 163.84) as u32)) << 42
            }
        };
        let threshold = own.max(came);
        says.threshold = Some(threshold);
        let randomness = says.randomness.unwrap_or_else(|| (id % u128::from(ALL)) as u64);
        (randomness >= threshold).then(|| says.to_string())
    }
}

/// How many of all are rejected, to eight digits: nobody here wants more.
fn rejected(probability: f64) -> u64 {
    let kept = (probability * f64::from(u32::MAX)).round() as u64;
    ALL - (kept << 24)
}

/// FNV-1a, 32 bits wide, over the seed and the id.
fn hash(seed: u32, id: u128) -> u32 {
    let bytes = [&seed.to_le_bytes()[..], &id.to_be_bytes()[..]].concat();
    bytes
        .into_iter()
        .fold(2_166_136_261, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619))
}

/// Fourteen bits that tell the bucket from above, 28 of the rest of the hash, and the bucket again.
fn randomness_of(hash: u32) -> u64 {
    let bucket = u64::from(hash & 0x3fff);
    let rest = u64::from(hash >> 18);
    (0x3fff - bucket) * (1 << 42) + (rest ^ (rest * 1024)) * (1 << 14) + bucket
}

/// A span that the Collector's processor was given, and what it made of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vector {
    pub(super) mode: &'static str,
    pub(super) percentage: f32,
    pub(super) seed: u32,
    pub(super) precision: u32,
    pub(super) id: u128,
    pub(super) before: &'static str,
    /// `None` where it discarded the span.
    pub(super) behind: Option<&'static str>,
}

pub(super) fn vectors() -> Vec<Vector> {
    let lines = include_str!("head_vectors.txt").lines().filter(|line| !line.starts_with('#'));
    let vector = |line: &'static str| {
        let fields: Vec<&str> = line.split(' ').map(|field| field.trim_matches('"')).collect();
        Vector {
            mode: fields[0],
            percentage: fields[1].parse().unwrap(),
            seed: fields[2].parse().unwrap(),
            precision: fields[3].parse().unwrap(),
            id: u128::from_str_radix(fields[4], 16).unwrap(),
            before: fields[5],
            behind: Some(fields[6]).filter(|state| *state != "-"),
        }
    };
    lines.map(vector).collect()
}

/// The model here draws and writes as the processor does.
#[test]
fn head_samplers_are_like_the_collectors() {
    let mut hashed = 0;
    for vector in vectors() {
        let head = match vector.mode {
            "hash_seed" => Head::hash_seed(vector.seed, vector.percentage),
            "equalizing" if vector.percentage == 50.0 => Head::equalizing(0.5),
            "proportional" if vector.percentage == 50.0 => Head::proportional(0.5),
            _ => continue,
        };
        hashed += u32::from(vector.mode == "hash_seed" && vector.behind.is_some());
        // It discards what says that it cannot be here.
        let says = Says::read(vector.before);
        let randomness = says.randomness.unwrap_or_else(|| (vector.id % u128::from(ALL)) as u64);
        let is_true = says.threshold.is_none_or(|threshold| threshold <= randomness);
        let state = head.let_pass(vector.id, 0, vector.before).filter(|_| is_true);
        let says = |state: &str| (Says::read(state).threshold, Says::read(state).randomness);
        let (state, wanted) = (state.as_deref().map(says), vector.behind.map(says));
        // A share is as exact as it can be here.
        let near = |threshold: Option<u64>| threshold.map(|threshold| threshold >> 30);
        let near = |said: Option<(Option<u64>, Option<u64>)>| said.map(|(th, rv)| (near(th), rv));
        assert_eq!(near(state), near(wanted), "{vector:?}");
    }
    assert!(hashed > 5);
}
