//! Finds by its bytes what was written before.

use std::collections::HashMap;
use std::rc::Rc;

/// How many are found without the map.
const RECENT: usize = 64;

/// Keys, numbered as they come.
///
/// Nearly every span has a resource and a scope that one shortly before it had. They are found by a
/// cheap hash. A sender who makes keys that share one gains no more than that the map is asked, with
/// a hash that nobody foretells.
pub(super) struct Places {
    keys: Vec<Rc<[u8]>>,
    places: HashMap<Rc<[u8]>, usize>,
    /// By cheap hash, the place that was last found or added. Another key may be meant.
    recent: [usize; RECENT],
}

impl Default for Places {
    fn default() -> Self {
        Self { keys: Vec::new(), places: HashMap::new(), recent: [0; RECENT] }
    }
}

impl Places {
    /// The place of `key`.
    pub(super) fn find(&mut self, key: &[u8]) -> Option<usize> {
        let recent = self.recent.get_mut(slot(key))?;
        if self.keys.get(*recent).is_some_and(|known| **known == *key) {
            return Some(*recent);
        }
        let found = *self.places.get(key)?;
        *recent = found;
        Some(found)
    }

    /// Adds `key`, which is not there, at the next place.
    pub(super) fn add(&mut self, key: &[u8]) {
        let (key, place) = (Rc::<[u8]>::from(key), self.keys.len());
        if let Some(recent) = self.recent.get_mut(slot(&key)) {
            *recent = place;
        }
        self.keys.push(Rc::clone(&key));
        self.places.insert(key, place);
    }
}

/// A cheap hash of all of `key`, below [`RECENT`].
fn slot(key: &[u8]) -> usize {
    let mix =
        |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, rest) = key.as_chunks::<8>();
    let hash = words.iter().fold(0, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let hash = rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)));
    // The upper bits depend on all.
    usize::try_from(hash >> 58).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_at_their_places_however_many_share_a_hash() {
        let keys: Vec<Vec<u8>> = (0..500_u32)
            .map(|number| [vec![7; number as usize % 30], number.to_le_bytes().to_vec()].concat())
            .collect();
        let mut places = Places::default();
        for (key, place) in keys.iter().zip(0..) {
            assert_eq!(places.find(key), None);
            places.add(key);
            assert_eq!(places.find(key), Some(place));
        }
        for (key, place) in keys.iter().zip(0..) {
            assert_eq!(places.find(key), Some(place));
        }
        assert_eq!(places.find(b""), None);
    }
}
