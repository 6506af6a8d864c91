//! Bytes that are leased and given back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A number of bytes that a part of the process may hold at a time. Clones share it.
///
/// Leases beyond the limit are refused, never waited for: the caller knows better whether to
/// refuse a request, to drop a cached frame or to stop reading. What must be held to go on at all
/// is leased in any case, so that the bytes in use are told as they are; the caller bounds them.
#[derive(Clone, Debug)]
pub struct ByteBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: &'static str,
    limit: AtomicUsize,
    used: AtomicUsize,
}

impl ByteBudget {
    /// A budget of `limit` bytes; `name` is its label in metrics and messages.
    #[must_use]
    pub fn new(name: &'static str, limit: usize) -> Self {
        let shared = Shared { name, limit: AtomicUsize::new(limit), used: AtomicUsize::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// A lease of `bytes`, if the limit leaves room for it. A lease of 0 bytes is always given.
    #[must_use]
    pub fn try_lease(&self, bytes: usize) -> Option<Lease> {
        self.try_lease_beside(0, bytes)
    }

    /// A lease of `bytes`, if the limit leaves room for it and for `rest` bytes more.
    #[must_use]
    pub fn try_lease_beside(&self, rest: usize, bytes: usize) -> Option<Lease> {
        self.take(bytes, rest).then(|| Lease { budget: self.clone(), bytes })
    }

    /// A lease of `bytes` in any case, beyond the limit if need be.
    #[must_use]
    pub fn lease(&self, bytes: usize) -> Lease {
        self.shared.used.fetch_add(bytes, Ordering::AcqRel);
        Lease { budget: self.clone(), bytes }
    }

    /// A lease of as much of `most` bytes as the limit leaves room for, and of `least` bytes in any
    /// case, beyond the limit if need be.
    #[must_use]
    pub fn lease_up_to(&self, most: usize, least: usize) -> Lease {
        // Somebody may be faster; then there is less room than it seemed.
        let some = self.free().min(most);
        self.try_lease(some.max(least)).unwrap_or_else(|| self.lease(least))
    }

    /// Bytes on lease.
    #[must_use]
    pub fn used(&self) -> usize {
        self.shared.used.load(Ordering::Acquire)
    }

    /// Bytes that may be on lease.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.shared.limit.load(Ordering::Acquire)
    }

    /// Bytes that could be leased now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.limit().saturating_sub(self.used())
    }

    /// Bytes on lease beyond the limit.
    #[must_use]
    pub fn excess(&self) -> usize {
        self.used().saturating_sub(self.limit())
    }

    /// Changes the limit; leases that exist keep what they have.
    pub fn set_limit(&self, bytes: usize) {
        self.shared.limit.store(bytes, Ordering::Release);
    }

    /// The name given at the start.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    /// Takes `bytes` if the limit leaves room for them and for `rest` bytes more.
    fn take(&self, bytes: usize, rest: usize) -> bool {
        if bytes == 0 {
            return true;
        }
        let limit = self.limit().saturating_sub(rest);
        let taken = |used: usize| used.checked_add(bytes).filter(|total| *total <= limit);
        self.shared.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, taken).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        let before = self.shared.used.fetch_sub(bytes, Ordering::AcqRel);
        debug_assert!(before >= bytes, "a lease gives back what it took");
    }
}

/// Bytes of a [`ByteBudget`], given back when dropped. It travels with what it pays for.
#[derive(Debug)]
pub struct Lease {
    budget: ByteBudget,
    bytes: usize,
}

impl Lease {
    /// Bytes held.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `more` bytes; `false` if the limit leaves no room, and then nothing has changed.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        let taken = self.budget.take(more, 0);
        if taken {
            self.bytes += more;
        }
        taken
    }

    /// The same, and beyond the limit too where there is no other lease: for a share of something
    /// larger, of which a single lease may have more.
    #[must_use]
    pub fn grow_or_alone(&mut self, more: usize) -> bool {
        let (alone, grown) = (self.bytes, self.bytes.saturating_add(more));
        if self.grow(more) {
            return true;
        }
        let used = &self.budget.shared.used;
        let taken =
            used.compare_exchange(alone, grown, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if taken {
            self.bytes = grown;
        }
        taken
    }

    /// Holds `bytes` from here on, beyond the limit if need be.
    pub fn resize(&mut self, bytes: usize) {
        self.shrink_to(bytes);
        if let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) {
            self.budget.shared.used.fetch_add(more, Ordering::AcqRel);
            self.bytes = bytes;
        }
    }

    /// A lease of `bytes` out of this one. What this one has not is taken beside it, beyond the
    /// limit if need be.
    #[must_use]
    pub fn split_off(&mut self, bytes: usize) -> Self {
        if self.bytes < bytes {
            self.resize(bytes);
        }
        self.bytes -= bytes;
        Self { budget: self.budget.clone(), bytes }
    }

    /// Gives all but `bytes` back; nothing if it holds less.
    pub fn shrink_to(&mut self, bytes: usize) {
        if let Some(rest) = self.bytes.checked_sub(bytes) {
            self.budget.give_back(rest);
            self.bytes = bytes;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_stop_at_the_limit_and_come_back() {
        let budget = ByteBudget::new("test", 100);
        let mut first = budget.try_lease(60).unwrap();
        assert!(budget.try_lease(41).is_none());
        assert!(!first.grow(41));
        assert!(first.grow(40));
        assert!(budget.try_lease(0).is_some());
        assert_eq!((first.bytes(), budget.used()), (100, 100));
        first.shrink_to(10);
        assert_eq!((budget.used(), budget.free()), (10, 90));
        first.shrink_to(90);
        assert_eq!(first.bytes(), 10);
        drop(first);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn who_is_alone_may_have_more_than_the_limit() {
        let budget = ByteBudget::new("test", 100);
        let (mut first, mut second) = (budget.try_lease(0).unwrap(), budget.try_lease(0).unwrap());
        assert!(first.grow_or_alone(80) && first.grow_or_alone(80));
        assert!(!second.grow_or_alone(1));
        first.shrink_to(60);
        assert!(second.grow_or_alone(40) && !second.grow_or_alone(1) && !first.grow_or_alone(1));
        drop((first, second));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_must_be_held_is_told_beyond_the_limit() {
        let budget = ByteBudget::new("test", 100);
        assert!(budget.try_lease_beside(40, 61).is_none());
        let cached = budget.try_lease_beside(40, 60).unwrap();
        let mut room = budget.lease_up_to(1_000, 10);
        assert_eq!((room.bytes(), budget.excess()), (40, 0));
        let least = budget.lease_up_to(1_000, 10);
        assert_eq!((least.bytes(), budget.excess()), (10, 10));
        let (one, other) = (room.split_off(30), room.split_off(30));
        assert_eq!((one.bytes(), other.bytes(), room.bytes()), (30, 30, 0));
        assert_eq!((budget.used(), budget.excess()), (130, 30));
        drop((cached, one, other, least));
        room.resize(150);
        assert_eq!((budget.used(), budget.free()), (150, 0));
        room.resize(50);
        assert!(budget.lease(60).bytes() == 60 && budget.used() == 50);
    }

    #[test]
    fn a_lower_limit_waits_for_what_is_out() {
        let budget = ByteBudget::new("test", 100);
        let held = budget.try_lease(80).unwrap();
        budget.set_limit(50);
        assert!(budget.try_lease(1).is_none());
        assert_eq!(budget.free(), 0);
        drop(held);
        assert!(budget.try_lease(50).is_some());
        assert!(budget.try_lease(usize::MAX).is_none());
    }
}
