//! Bits in the record of a trace.

/// The number of a fact: a bit in the records of a policy set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::policy) struct Fact(u16);

impl Fact {
    /// How many facts a policy set may ask for: half a kilobyte in each record, far beyond what any
    /// configuration needs.
    pub(in crate::policy) const MAX: usize = 4096;

    /// Fact number `index`, or `None` from [`Fact::MAX`] on.
    pub(super) fn new(index: usize) -> Option<Self> {
        if index < Self::MAX { u16::try_from(index).ok().map(Self) } else { None }
    }

    /// How many words hold `count` facts.
    pub(super) const fn words(count: usize) -> usize {
        count.div_ceil(64)
    }

    const fn word(self) -> usize {
        self.0 as usize / 64
    }

    const fn bit(self) -> u64 {
        1 << (self.0 % 64)
    }

    /// Whether it is among `facts`.
    #[inline]
    pub(in crate::policy) fn is_in(self, facts: &[u64]) -> bool {
        facts.get(self.word()).is_some_and(|word| word & self.bit() != 0)
    }
}

/// A few facts that are added together: words by their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts(Box<[(u16, u64)]>);

impl Facts {
    /// Adds them to `facts`.
    #[inline]
    pub(super) fn add_to(&self, facts: &mut [u64]) {
        for (word, bits) in &self.0 {
            if let Some(word) = facts.get_mut(usize::from(*word)) {
                *word |= bits;
            }
        }
    }

    /// Whether all of them are in `facts`.
    #[inline]
    pub(super) fn are_in(&self, facts: &[u64]) -> bool {
        self.0
            .iter()
            .all(|(word, bits)| facts.get(usize::from(*word)).is_some_and(|w| w & bits == *bits))
    }
}

impl FromIterator<Fact> for Facts {
    fn from_iter<I: IntoIterator<Item = Fact>>(facts: I) -> Self {
        let mut facts: Vec<Fact> = facts.into_iter().collect();
        facts.sort_unstable();
        let mut words: Vec<(u16, u64)> = Vec::new();
        for fact in facts {
            match words.last_mut() {
                Some((word, bits)) if usize::from(*word) == fact.word() => *bits |= fact.bit(),
                _ => words.push((fact.0 / 64, fact.bit())),
            }
        }
        Self(words.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_added_and_found_by_word() {
        let fact = |index| Fact::new(index).unwrap();
        let some: Facts = [3, 200, 64, 3, 65].map(fact).into_iter().collect();
        let mut facts = [0; 4];
        assert!(!some.are_in(&facts));
        some.add_to(&mut facts);
        assert_eq!(facts, [1 << 3, 0b11, 0, 1 << 8]);
        assert!(some.are_in(&facts) && fact(200).is_in(&facts) && !fact(201).is_in(&facts));
        assert!(!fact(4095).is_in(&facts) && Fact::new(Fact::MAX).is_none());
        assert!(Facts::default().are_in(&[]));
    }
}
