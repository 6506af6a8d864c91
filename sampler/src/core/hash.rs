//! The hash of trace keys in the tables of a partition.

use wholetrace_proto::id::TraceKey;

/// Hashes trace keys under a secret seed: senders choose the keys, so an open mix would let one of
/// them pile all its traces onto a few places of a table. Nothing that is decided, written or
/// sent depends on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyHash {
    mask: u64,
    factor: u64,
}

impl KeyHash {
    /// The hash under `seed`, which should differ from process to process.
    pub(crate) const fn new(seed: u64) -> Self {
        let mask = spread(seed);
        Self { mask, factor: spread(mask) | 1 }
    }

    /// 64 well mixed bits for `key`: both ends are used, the top ones for tags.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "both halves of the product are folded")]
    pub(crate) const fn of(self, key: TraceKey) -> u64 {
        let product = (key.0 ^ self.mask) as u128 * self.factor as u128;
        let folded = (product as u64) ^ ((product >> 64) as u64);
        folded.wrapping_mul(SPREAD) ^ (folded >> 32)
    }
}

const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads a seed over all bits (the finalizer of splitmix64).
const fn spread(seed: u64) -> u64 {
    let z = seed.wrapping_add(SPREAD);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn regular_keys_spread_over_tags_and_places() {
        for seed in [0, 1, 0xdead_beef] {
            let hash = KeyHash::new(seed);
            for step in [1_u64, 256, 1 << 32, 1 << 56] {
                let hashes: Vec<u64> =
                    (0..256).map(|i| hash.of(TraceKey(step.wrapping_mul(i)))).collect();
                let tags: HashSet<u64> = hashes.iter().map(|h| h >> 57).collect();
                let places: HashSet<u64> = hashes.iter().map(|h| h & 0xfff).collect();
                assert!(tags.len() > 64, "{} tags for steps of {step}", tags.len());
                assert!(places.len() > 180, "{} places for steps of {step}", places.len());
            }
        }
    }
}
