//! A fixed set of yes-or-no observations about a trace.

/// Which of the compiled observations hold. What each bit means is fixed when a policy set is
/// compiled; observations only ever add bits, so the order of spans does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits([u64; 2]);

impl Bits {
    /// No observation.
    pub const NONE: Self = Self([0; 2]);
    /// How many observations there is room for.
    pub const CAPACITY: usize = 128;

    /// The one observation number `index`, or `None` beyond [`Bits::CAPACITY`].
    #[must_use]
    pub const fn single(index: usize) -> Option<Self> {
        match index {
            0..64 => Some(Self([1 << index, 0])),
            64..Self::CAPACITY => Some(Self([0, 1 << (index - 64)])),
            _ => None,
        }
    }

    /// What holds in either.
    #[must_use]
    #[inline]
    pub const fn union(self, other: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, other.0);
        Self([a | c, b | d])
    }

    /// Adds what holds in `other`.
    #[inline]
    pub const fn add(&mut self, other: Self) {
        *self = self.union(other);
    }

    /// Whether everything in `other` holds here too.
    #[must_use]
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        let ([a, b], [c, d]) = (self.0, other.0);
        a & c == c && b & d == d
    }

    /// Whether anything holds in both.
    #[must_use]
    #[inline]
    pub const fn intersects(self, other: Self) -> bool {
        let ([a, b], [c, d]) = (self.0, other.0);
        (a & c) | (b & d) != 0
    }
}
