//! Secret numbers.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

/// Salts that nobody can guess who does not know the seed: a keyed hash of a counter.
pub(super) struct Salts {
    seed: [u64; 2],
    drawn: u64,
}

impl Salts {
    pub(super) const fn new(seed: [u64; 2]) -> Self {
        Self { seed, drawn: 0 }
    }

    pub(super) fn draw(&mut self) -> u64 {
        let [first, second] = self.seed;
        let mut hasher = SipHasher24::new_with_keys(first, second);
        hasher.write_u64(self.drawn);
        self.drawn += 1;
        hasher.finish()
    }
}
