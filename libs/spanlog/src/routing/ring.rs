//! The consistent ring that defines the mapping.

use std::hash::{BuildHasher, Hash, Hasher};

use hashring::HashRing;
use siphasher::sip::SipHasher24;

/// Points each partition has on the ring. More of them would level the ring itself; the slot
/// table levels it anyway, so this only sets how evenly a new partition takes slots from the old.
const POINTS_PER_PARTITION: u32 = 256;

/// The ring: asked only while the slot table is built.
pub(super) struct Ring(HashRing<Point, Keyed>);

impl Ring {
    /// A ring of `partitions` partitions under `seed`.
    pub(super) fn new(seed: u64, partitions: u32) -> Self {
        let mut ring = HashRing::with_hasher(Keyed { seed });
        let points = (0..partitions).flat_map(|partition| {
            (0..POINTS_PER_PARTITION).map(move |point| Point { partition, point })
        });
        // One sort for all points; adding them one by one would sort each time.
        ring.batch_add(points.collect());
        Self(ring)
    }

    /// The partition that the ring gives to `slot` when asked for the `attempt`th time.
    pub(super) fn ask(&self, slot: u32, attempt: u32) -> Option<u32> {
        self.0.get(&Question { slot, attempt }).map(|point| point.partition)
    }
}

struct Point {
    partition: u32,
    point: u32,
}

impl Hash for Point {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&tagged(b'p', self.partition, self.point));
    }
}

struct Question {
    slot: u32,
    attempt: u32,
}

impl Hash for Question {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&tagged(b's', self.slot, self.attempt));
    }
}

/// One `write` of explicit bytes: what `std::hash::Hash` writes for tuples and integers depends on
/// the machine.
fn tagged(tag: u8, first: u32, second: u32) -> [u8; 9] {
    let mut bytes = [tag; 9];
    bytes[1..5].copy_from_slice(&first.to_be_bytes());
    bytes[5..9].copy_from_slice(&second.to_be_bytes());
    bytes
}

#[derive(Clone, Debug)]
struct Keyed {
    seed: u64,
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher24;

    fn build_hasher(&self) -> SipHasher24 {
        let (first, second) = sip_keys(self.seed);
        SipHasher24::new_with_keys(first, second)
    }
}

/// The 128-bit SipHash key that a 64-bit seed stands for.
pub(super) const fn sip_keys(seed: u64) -> (u64, u64) {
    // "wholetra" in ASCII: any constant does, so that the two halves differ for every seed.
    (seed, seed.rotate_left(32) ^ 0x7768_6f6c_6574_7261)
}
