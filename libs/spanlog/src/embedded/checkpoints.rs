//! What is committed, and what of it is durable.

use crate::{
    position::{Partition, Position},
    reader::Checkpoint,
};

/// Longest metadata of a checkpoint; longer ones are left out.
const MAX_METADATA: usize = 4_096;

/// Checkpoints of all partitions.
pub(super) struct Checkpoints {
    committed: Vec<Option<Checkpoint>>,
    /// Positions that survive a crash; what may be deleted depends on them.
    durable: Vec<u64>,
    dirty: Vec<bool>,
}

impl Checkpoints {
    /// From what is stored.
    pub(super) fn new(stored: Vec<Option<Checkpoint>>) -> Self {
        let durable = stored.iter().map(position).collect();
        let dirty = vec![false; stored.len()];
        Self { committed: stored, durable, dirty }
    }

    /// Notes a commit. One that goes back is ignored: what lies below may be deleted already.
    /// `None` when there is no such partition.
    pub(super) fn commit(&mut self, partition: Partition, checkpoint: Checkpoint) -> Option<()> {
        let at = usize::try_from(partition.0).ok()?;
        let place = self.committed.get_mut(at)?;
        let stale = place.as_ref().is_some_and(|known| known.position > checkpoint.position);
        if !stale && place.as_ref() != Some(&checkpoint) {
            *place = Some(checkpoint);
            self.dirty[at] = true;
        }
        Some(())
    }

    /// What is committed for each partition.
    pub(super) fn committed(&self) -> &[Option<Checkpoint>] {
        &self.committed
    }

    /// Durable positions of all partitions.
    pub(super) fn durable(&self) -> &[u64] {
        &self.durable
    }

    /// Whether something waits to be stored.
    #[cfg(test)]
    fn is_dirty(&self) -> bool {
        self.dirty.contains(&true)
    }

    /// What waits to be stored.
    pub(super) fn dirty(&self) -> Vec<(Partition, Checkpoint)> {
        let numbered = (0_u32..).map(Partition).zip(&self.committed);
        numbered
            .zip(&self.dirty)
            .filter(|(_, dirty)| **dirty)
            .filter_map(|((partition, checkpoint), _)| Some((partition, checkpoint.clone()?)))
            .collect()
    }

    /// `stored` is durable now.
    pub(super) fn stored(&mut self, stored: &[(Partition, Checkpoint)]) {
        for (partition, checkpoint) in stored {
            let Ok(at) = usize::try_from(partition.0) else { continue };
            if let Some(durable) = self.durable.get_mut(at) {
                *durable = checkpoint.position.0;
            }
            // Unless it moved on in the meantime.
            if self.committed.get(at).and_then(Option::as_ref) == Some(checkpoint)
                && let Some(dirty) = self.dirty.get_mut(at)
            {
                *dirty = false;
            }
        }
    }
}

fn position(checkpoint: &Option<Checkpoint>) -> u64 {
    checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.position.0)
}

/// The key of a checkpoint in the store.
pub(super) fn checkpoint_key(partition: Partition) -> Vec<u8> {
    [b"commit/".as_slice(), &partition.0.to_be_bytes()].concat()
}

/// A checkpoint as it is stored: position (8 bytes, little-endian), metadata.
pub(super) fn encode_checkpoint(checkpoint: &Checkpoint) -> Vec<u8> {
    let metadata = checkpoint.metadata.as_bytes();
    let metadata = if metadata.len() > MAX_METADATA { &[] } else { metadata };
    [&checkpoint.position.0.to_le_bytes(), metadata].concat()
}

/// Reads a stored checkpoint.
pub(super) fn decode_checkpoint(bytes: &[u8]) -> Option<Checkpoint> {
    let (position, metadata) = bytes.split_first_chunk::<8>()?;
    let metadata = String::from_utf8(metadata.to_vec()).unwrap_or_default();
    Some(Checkpoint { position: Position(u64::from_le_bytes(*position)), metadata })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: u64) -> Checkpoint {
        Checkpoint { position: Position(position), metadata: format!("hint {position}") }
    }

    #[test]
    fn commits_go_forward_and_stay_dirty_until_the_newest_is_stored() {
        let mut checkpoints = Checkpoints::new(vec![None, Some(at(5))]);
        checkpoints.commit(Partition(1), at(4)).unwrap();
        assert!(!checkpoints.is_dirty());
        checkpoints.commit(Partition(1), at(6)).unwrap();
        let first = checkpoints.dirty();
        assert_eq!(first, [(Partition(1), at(6))]);
        checkpoints.commit(Partition(1), at(7)).unwrap();
        checkpoints.stored(&first);
        assert_eq!((checkpoints.durable(), checkpoints.is_dirty()), ([0, 6].as_slice(), true));
        let second = checkpoints.dirty();
        checkpoints.stored(&second);
        assert_eq!((checkpoints.durable(), checkpoints.is_dirty()), ([0, 7].as_slice(), false));
        assert_eq!(checkpoints.commit(Partition(2), at(1)), None);
    }

    #[test]
    fn checkpoints_are_read_back() {
        assert_eq!(decode_checkpoint(&encode_checkpoint(&at(9))), Some(at(9)));
        let long = Checkpoint { position: Position(1), metadata: "x".repeat(5_000) };
        let read = decode_checkpoint(&encode_checkpoint(&long)).unwrap();
        assert_eq!((read.position, read.metadata.as_str()), (Position(1), ""));
        assert_eq!(decode_checkpoint(&[1, 2, 3]), None);
    }
}
