//! A version of the mapping, ready to be asked.

use std::{fmt, hash::Hasher, sync::Arc};

use siphasher::sip::{SipHasher13, SipHasher24};

use super::{
    ring::{Ring, sip_keys},
    slots::{SLOT_BITS, Table, compile},
};
use crate::position::Partition;

/// The most partitions that 16,384 slots can serve evenly enough.
pub const MAX_PARTITIONS: u32 = 1_024;

/// All that defines a mapping: equal descriptors route equally, everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Number of this version of the mapping; frames carry it.
    pub epoch: u32,
    /// Key of the hashes. Secret from senders: who knows it can aim traces at one partition.
    pub seed: u64,
    /// Partitions, 1 to [`MAX_PARTITIONS`].
    pub partitions: u32,
}

/// A mapping of trace keys to partitions. Cheap to clone.
#[derive(Clone)]
pub struct Routing {
    descriptor: Descriptor,
    /// Keyed once; copied for each key.
    hasher: SipHasher13,
    table: Arc<Table>,
}

impl Routing {
    /// Compiles the mapping that `descriptor` defines. Takes milliseconds: done once at start.
    ///
    /// # Errors
    /// [`RoutingError::Partitions`] when the number of partitions is 0 or above
    /// [`MAX_PARTITIONS`].
    pub fn new(descriptor: Descriptor) -> Result<Self, RoutingError> {
        let Descriptor { seed, partitions, .. } = descriptor;
        if !(1..=MAX_PARTITIONS).contains(&partitions) {
            return Err(RoutingError::Partitions { partitions });
        }
        let table = compile(&Ring::new(seed, partitions), partitions);
        let (first, second) = sip_keys(seed);
        let hasher = SipHasher13::new_with_keys(first, second);
        Ok(Self { descriptor, hasher, table: Arc::from(table) })
    }

    /// The partition of the trace with `key`: what the gateway's split and the sampler name it by.
    #[inline]
    #[must_use]
    pub fn partition(&self, key: u64) -> Partition {
        Partition(u32::from(self.table[self.slot_index(key)]))
    }

    /// The slot of the trace with `key`, below [`SLOTS`](super::SLOTS).
    #[inline]
    #[must_use]
    pub fn slot(&self, key: u64) -> u16 {
        // A slot index has 14 bits.
        u16::try_from(self.slot_index(key)).unwrap_or_default()
    }

    #[inline]
    fn slot_index(&self, key: u64) -> usize {
        let hash = self.hasher.hash(&key.to_be_bytes());
        // 14 bits fit any usize, and the compiler sees that they stay inside the table.
        (hash >> (u64::BITS - SLOT_BITS)) as usize
    }

    /// Version of the mapping, to be carried by the frames routed by it.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.descriptor.epoch
    }

    /// How many partitions there are.
    #[must_use]
    pub const fn partitions(&self) -> u32 {
        self.descriptor.partitions
    }

    /// What defines this mapping.
    #[must_use]
    pub const fn descriptor(&self) -> Descriptor {
        self.descriptor
    }

    /// Partition of each slot.
    #[cfg(test)]
    pub(super) fn table(&self) -> &[u16] {
        self.table.as_slice()
    }

    /// A hash of the whole table. Two processes that show the same digest route alike: SipHash-2-4
    /// with a zero key over the number of partitions (4 bytes) and each slot's partition (2 bytes),
    /// big-endian.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hasher = SipHasher24::new();
        hasher.write(&self.descriptor.partitions.to_be_bytes());
        for partition in self.table.iter() {
            hasher.write(&partition.to_be_bytes());
        }
        hasher.finish()
    }
}

impl fmt::Debug for Routing {
    /// The seed is left out: logs are read by more people than may know it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routing")
            .field("epoch", &self.descriptor.epoch)
            .field("partitions", &self.descriptor.partitions)
            .field("digest", &format_args!("{:016x}", self.digest()))
            .finish_non_exhaustive()
    }
}

/// Why a mapping cannot be compiled.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RoutingError {
    /// Too few or too many partitions.
    #[error("partitions is `{partitions}`: choose 1 to {MAX_PARTITIONS}")]
    Partitions {
        /// What was asked for.
        partitions: u32,
    },
}
