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
        // Any odd factor will do; this one spreads a small seed over all bits.
        let factor = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { mask: seed.rotate_left(32) ^ 0xd6e8_feb8_6659_fd93, factor }
    }

    /// 64 well mixed bits for `key`: both ends are used, the top ones for tags.
    #[expect(clippy::cast_possible_truncation, reason = "both halves of the product are folded")]
    pub(crate) const fn of(self, key: TraceKey) -> u64 {
        let product =
            (key.0 ^ self.mask) as u128 * (self.factor ^ (0x2076_1d64_78bd_642f << 1)) as u128;
        let folded = (product as u64) ^ ((product >> 64) as u64);
        folded ^ (folded >> 29)
    }
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
