//! Something that changes as a whole: an entry of the folder, a length, a small file.

/// What is durable of it, and what it became since.
#[derive(Clone, Debug)]
pub(super) struct Versions<T> {
    durable: T,
    /// Oldest first; each may be what survives.
    since: Vec<T>,
}

impl<T: Clone> Versions<T> {
    pub(super) const fn new(durable: T) -> Self {
        Self { durable, since: Vec::new() }
    }

    /// What a running process sees.
    pub(super) fn visible(&self) -> &T {
        self.since.last().unwrap_or(&self.durable)
    }

    pub(super) const fn is_unsynced(&self) -> bool {
        !self.since.is_empty()
    }

    pub(super) fn set(&mut self, value: T) {
        self.since.push(value);
    }

    pub(super) fn sync(&mut self) {
        *self = Self::new(self.visible().clone());
    }

    /// A power cut that leaves the newest version or the durable one.
    pub(super) fn cut(&mut self, kept: bool) {
        *self = Self::new(if kept { self.visible().clone() } else { self.durable.clone() });
    }

    /// A power cut that leaves any version.
    pub(super) fn scatter(&mut self, random: &mut fastrand::Rng) {
        let chosen = random.usize(..=self.since.len()).checked_sub(1);
        *self =
            Self::new(chosen.map_or_else(|| self.durable.clone(), |one| self.since[one].clone()));
    }

    /// All that may be what survives.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.durable).chain(&self.since)
    }
}
