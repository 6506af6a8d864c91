//! How large requests may be that the backend finds not too much.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Requests of about the largest size that are taken one after the other before larger ones are
/// tried: few enough are too large again.
const CALM: u32 = 64;

/// The part of the configured size below which requests do not get smaller for good: a backend that
/// was away for long must not be caught up with by single spans.
const SMALLEST: usize = 64;

/// The size of new requests: halved where the backend takes only halves, and doubled again where it
/// takes many of those.
#[derive(Debug)]
pub(crate) struct Pace {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    calm: u32,
}

impl Pace {
    /// For requests of at most `most` bytes.
    pub(crate) const fn new(most: usize) -> Self {
        Self { most, state: Mutex::new(State { limit: most, calm: 0 }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of the next request, at most.
    pub(crate) fn limit(&self) -> usize {
        self.state().limit
    }

    /// Notes that a request of `len` bytes is too much.
    pub(crate) fn too_much(&self, len: usize) {
        let smallest = (self.most / SMALLEST).max(1);
        let mut state = self.state();
        state.limit = state.limit.min(len / 2).max(smallest);
        state.calm = 0;
    }

    /// Notes that a request of `len` bytes is taken.
    pub(crate) fn taken(&self, len: usize) {
        let mut state = self.state();
        if state.limit >= self.most || len < state.limit / 2 {
            return;
        }
        state.calm += 1;
        if state.calm >= CALM {
            state.limit = state.limit.saturating_mul(2).min(self.most);
            state.calm = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_get_smaller_and_larger_again() {
        let pace = Pace::new(6400);
        // Two under way at the same time are one experience.
        pace.too_much(6400);
        pace.too_much(6400);
        assert_eq!(pace.limit(), 3200);
        pace.too_much(3000);
        assert_eq!(pace.limit(), 1500);
        (0..CALM - 1).for_each(|_| pace.taken(1400));
        pace.taken(10);
        assert_eq!(pace.limit(), 1500);
        pace.taken(1400);
        assert_eq!(pace.limit(), 3000);
        pace.too_much(3);
        assert_eq!(pace.limit(), 100);
        (0..100 * CALM).for_each(|_| pace.taken(6400));
        assert_eq!(pace.limit(), 6400);
    }
}
