use proptest::prelude::*;

use super::{Descriptor, MAX_PARTITIONS, Routing, RoutingError, SLOTS};
use crate::position::Partition;

fn routing(seed: u64, partitions: u32) -> Routing {
    Routing::new(Descriptor { epoch: 7, seed, partitions }).unwrap()
}

/// Slots of each partition.
fn loads(routing: &Routing) -> Vec<usize> {
    let mut loads = vec![0; routing.partitions() as usize];
    for &partition in routing.table() {
        loads[usize::from(partition)] += 1;
    }
    loads
}

/// The wire contract: a change of any of these values splits traces between an old and a new
/// gateway.
#[test]
fn golden_vectors() {
    let routing = routing(0x0123_4567_89ab_cdef, 128);
    let found: Vec<(u64, u16, u32)> =
        [0, 1, 0x0102_0304_0506_0708, 0xdead_beef_cafe_f00d, u64::MAX - 1, u64::MAX]
            .map(|key| (key, routing.slot(key), routing.partition(key).0))
            .to_vec();
    assert_eq!(found, GOLDEN);
    assert_eq!(routing.digest(), GOLDEN_DIGEST);
    assert_eq!(self::routing(0, 4).digest(), GOLDEN_DIGEST_OF_4);
}

/// Key, slot, partition; computed by an independent implementation of the documented hashes.
const GOLDEN: [(u64, u16, u32); 6] = [
    (0, 5_382, 56),
    (1, 12_417, 51),
    (0x0102_0304_0506_0708, 9_648, 83),
    (0xdead_beef_cafe_f00d, 2_599, 30),
    (u64::MAX - 1, 10_510, 87),
    (u64::MAX, 8_724, 104),
];
const GOLDEN_DIGEST: u64 = 0x26e9_c686_b76e_5a87;
const GOLDEN_DIGEST_OF_4: u64 = 0x7111_fdee_a930_4c75;

#[test]
fn every_partition_has_its_share_or_one_more() {
    for partitions in [1, 2, 3, 4, 7, 16, 96, 100, 128, 256, 1_000, MAX_PARTITIONS] {
        let loads = loads(&routing(42, partitions));
        let floor = SLOTS / partitions as usize;
        assert!(
            loads.iter().all(|&load| load == floor || load == floor + 1),
            "{partitions} partitions: {:?} to {:?} slots, {floor} expected",
            loads.iter().min(),
            loads.iter().max()
        );
    }
}

#[test]
fn random_keys_spread_within_two_percent_of_the_table() {
    let routing = routing(1, 16);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut counts = [0_u32; 16];
    for _ in 0..1_600_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        counts[routing.partition(random).0 as usize] += 1;
    }
    let most = counts.iter().max().copied().unwrap();
    assert!(most < 102_000, "the fullest of 16 partitions has {most} of 1,600,000 keys");
}

#[test]
fn a_new_partition_takes_its_share_and_leaves_most_of_the_rest() {
    let (before, after) = (routing(5, 64), routing(5, 65));
    let moved =
        before.table().iter().zip(after.table()).filter(|(before, after)| before != after).count();
    // A modulo would move 98 %; the ideal is 1/65 = 1.5 %. Levelling costs some more.
    assert!(moved < SLOTS / 5, "{moved} of {SLOTS} slots moved");
}

#[test]
fn a_seed_changes_the_mapping() {
    let (one, other) = (routing(1, 64), routing(2, 64));
    let same = (0..10_000).filter(|&key| one.partition(key) == other.partition(key)).count();
    assert!(same < 400, "{same} of 10,000 keys stayed");
    assert_ne!(one.digest(), other.digest());
}

#[test]
fn impossible_partition_counts_are_refused() {
    for partitions in [0, MAX_PARTITIONS + 1, u32::MAX] {
        let refused = Routing::new(Descriptor { epoch: 0, seed: 0, partitions }).unwrap_err();
        assert_eq!(refused, RoutingError::Partitions { partitions });
    }
}

#[test]
fn the_seed_does_not_print() {
    let shown = format!("{:?}", routing(0xfeed_face_cafe_beef, 4));
    assert!(shown.contains("epoch: 7") && !shown.contains("seed"), "{shown}");
}

proptest! {
    #[test]
    fn prop_partition_agrees_with_slot(key: u64, partitions in 1..=64_u32) {
        let routing = routing(3, partitions);
        let slot = usize::from(routing.slot(key));
        prop_assert_eq!(Partition(u32::from(routing.table()[slot])), routing.partition(key));
    }
}
