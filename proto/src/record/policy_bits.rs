//! A set of policies.

/// A set of policies, by their numbers. One whose numbers are all below 64 takes no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PolicyBits {
    low: u64,
    /// The words above, the last of which is never 0.
    high: Vec<u64>,
}

impl PolicyBits {
    /// The set of no policies.
    pub const NONE: Self = Self { low: 0, high: Vec::new() };

    /// Whether no policy is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.low == 0 && self.high.is_empty()
    }

    /// How many policies are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words().map(|word| word.count_ones() as usize).sum()
    }

    /// Adds a policy.
    pub fn insert(&mut self, policy: u16) {
        let bit = 1 << (policy % 64);
        match usize::from(policy / 64).checked_sub(1) {
            None => self.low |= bit,
            Some(word) => {
                if self.high.len() <= word {
                    self.high.resize(word + 1, 0);
                }
                if let Some(word) = self.high.get_mut(word) {
                    *word |= bit;
                }
            }
        }
    }

    /// Takes a policy out.
    pub fn remove(&mut self, policy: u16) {
        let rest = !(1 << (policy % 64));
        match usize::from(policy / 64).checked_sub(1) {
            None => self.low &= rest,
            Some(word) => {
                if let Some(word) = self.high.get_mut(word) {
                    *word &= rest;
                }
                let used = self.high.iter().rposition(|word| *word != 0);
                self.high.truncate(used.map_or(0, |last| last + 1));
            }
        }
    }

    /// Whether a policy is in it.
    #[must_use]
    pub fn contains(&self, policy: u16) -> bool {
        let word = self.words().nth(usize::from(policy / 64));
        word.is_some_and(|word| word >> (policy % 64) & 1 == 1)
    }

    /// The policies in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.words().zip(0_u16..).flat_map(|(word, number)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                left &= left.checked_sub(1)?;
                // At most 63.
                u16::try_from(bit).ok().map(|bit| number * 64 + bit)
            })
        })
    }

    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        std::iter::once(self.low).chain(self.high.iter().copied())
    }
}

impl Extend<u16> for PolicyBits {
    fn extend<T: IntoIterator<Item = u16>>(&mut self, policies: T) {
        policies.into_iter().for_each(|policy| self.insert(policy));
    }
}

impl FromIterator<u16> for PolicyBits {
    fn from_iter<T: IntoIterator<Item = u16>>(policies: T) -> Self {
        let mut bits = Self::NONE;
        bits.extend(policies);
        bits
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn prop_it_is_a_set(
            changes in vec((any::<bool>(), prop_oneof![0..70_u16, 0..4_096_u16]), 0..40),
        ) {
            let (mut bits, mut set) = (PolicyBits::NONE, BTreeSet::new());
            for (added, policy) in changes {
                if added {
                    bits.insert(policy);
                    set.insert(policy);
                } else {
                    bits.remove(policy);
                    set.remove(&policy);
                }
                prop_assert_eq!(bits.contains(policy), added);
                prop_assert!(bits.iter().eq(set.iter().copied()));
                prop_assert_eq!((bits.len(), bits.is_empty()), (set.len(), set.is_empty()));
                prop_assert_eq!(&bits, &set.iter().copied().collect());
            }
        }
    }

    #[test]
    fn sixty_four_policies_take_no_allocation() {
        assert_eq!((0..64).collect::<PolicyBits>().high.capacity(), 0);
    }
}
