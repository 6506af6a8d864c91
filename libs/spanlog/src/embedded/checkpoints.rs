//! What is committed, and what of it waits to be stored.

use crate::{position::Partition, reader::Checkpoint};

/// Checkpoints of all partitions.
pub(super) struct Checkpoints {
    committed: Vec<Option<Checkpoint>>,
    dirty: Vec<bool>,
}

impl Checkpoints {
    /// From what is stored.
    pub(super) fn new(stored: Vec<Option<Checkpoint>>) -> Self {
        let dirty = vec![false; stored.len()];
        Self { committed: stored, dirty }
    }

    /// Notes a commit. One that goes back is ignored: what lies below may be deleted already.
    /// `None` when there is no such partition.
    pub(super) fn commit(&mut self, partition: Partition, checkpoint: Checkpoint) -> Option<()> {
        let at = usize::try_from(partition.0).ok()?;
        let (place, dirty) = self.committed.get_mut(at).zip(self.dirty.get_mut(at))?;
        let stale = place.as_ref().is_some_and(|known| known.position > checkpoint.position);
        if !stale && place.as_ref() != Some(&checkpoint) {
            *place = Some(checkpoint);
            *dirty = true;
        }
        Some(())
    }

    /// What is committed for each partition.
    pub(super) fn committed(&self) -> &[Option<Checkpoint>] {
        &self.committed
    }

    /// Whether something waits to be stored.
    pub(super) fn is_dirty(&self) -> bool {
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

    /// `stored` is written.
    pub(super) fn stored(&mut self, stored: &[(Partition, Checkpoint)]) {
        for (partition, checkpoint) in stored {
            let at = usize::try_from(partition.0).unwrap_or(usize::MAX);
            // Unless it moved on in the meantime.
            if self.committed.get(at).and_then(Option::as_ref) == Some(checkpoint)
                && let Some(dirty) = self.dirty.get_mut(at)
            {
                *dirty = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Position;

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
        assert!(checkpoints.is_dirty());
        let second = checkpoints.dirty();
        assert_eq!(second, [(Partition(1), at(7))]);
        checkpoints.stored(&second);
        assert!(!checkpoints.is_dirty());
        assert_eq!(checkpoints.committed(), [None, Some(at(7))]);
        assert_eq!(checkpoints.commit(Partition(2), at(1)), None);
    }
}
