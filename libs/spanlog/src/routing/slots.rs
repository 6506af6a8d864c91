//! The ring compiled into a level table.

use super::ring::Ring;

/// Slots of the table. A slot is the unit of the mapping: a whole slot belongs to one partition.
pub const SLOTS: usize = 1 << SLOT_BITS;

/// Bits of the key's hash that choose the slot.
pub(super) const SLOT_BITS: u32 = 14;

/// How often the ring is asked for one slot before the first partition with room gets it. Reached
/// only by the last slots, when nearly every partition is full.
const MAX_ATTEMPTS: u32 = 4_096;

/// Partition of each slot.
pub(super) type Table = [u16; SLOTS];

/// The table of `ring`: every partition gets ⌊slots / partitions⌋ slots or one more.
///
/// A slot asks the ring with attempt 0, 1, 2 … until it names a partition that has room.
pub(super) fn compile(ring: &Ring, partitions: u32) -> Box<Table> {
    let mut room = Room::new(partitions);
    let mut table = vec![0_u16; SLOTS];
    for (slot, entry) in (0_u32..).zip(table.iter_mut()) {
        let named = (0..MAX_ATTEMPTS)
            .filter_map(|attempt| ring.ask(slot, attempt))
            .find(|&partition| room.take(partition));
        let partition = named
            .or_else(|| (0..partitions).find(|&partition| room.take(partition)))
            .unwrap_or_default();
        // Partitions are at most 1,024.
        *entry = u16::try_from(partition).unwrap_or_default();
    }
    // The length is SLOTS by construction; the fallback is never taken.
    table.into_boxed_slice().try_into().unwrap_or_else(|_| Box::new([0; SLOTS]))
}

/// How many slots each partition can still take.
struct Room {
    left: Vec<usize>,
    /// Partitions that may take one slot above the floor.
    extra: usize,
}

impl Room {
    fn new(partitions: u32) -> Self {
        let partitions = usize::try_from(partitions).unwrap_or(1).max(1);
        Self { left: vec![SLOTS / partitions; partitions], extra: SLOTS % partitions }
    }

    /// Takes a slot for `partition`, if it has room.
    fn take(&mut self, partition: u32) -> bool {
        /// Marks a partition that also has its extra slot.
        const FULL: usize = usize::MAX;
        let Some(left) = usize::try_from(partition).ok().and_then(|at| self.left.get_mut(at))
        else {
            return false;
        };
        match *left {
            FULL => false,
            0 if self.extra > 0 => {
                self.extra -= 1;
                *left = FULL;
                true
            }
            0 => false,
            _ => {
                *left -= 1;
                true
            }
        }
    }
}
