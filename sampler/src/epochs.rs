//! The policy sets in use.

use std::sync::Arc;

use crate::policy::PolicySet;

/// The policy sets that open traces are folded with. A trace is decided by the set that folded
/// its first span, because a summary means something to that set only; new traces take the newest.
#[derive(Debug)]
pub(crate) struct Epochs {
    sets: Vec<Option<Set>>,
    current: u8,
}

#[derive(Debug)]
struct Set {
    policies: Arc<PolicySet>,
    /// Open traces that are folded with it.
    traces: usize,
}

impl Epochs {
    pub(crate) fn new(policies: Arc<PolicySet>) -> Self {
        Self { sets: vec![Some(Set { policies, traces: 0 })], current: 0 }
    }

    /// The set for new traces.
    pub(crate) const fn current(&self) -> u8 {
        self.current
    }

    /// The set of number `epoch`, while an open trace uses it.
    #[inline]
    pub(crate) fn get(&self, epoch: u8) -> Option<&Arc<PolicySet>> {
        self.sets.get(usize::from(epoch))?.as_ref().map(|set| &set.policies)
    }

    /// Makes `policies` the set for new traces. When 256 sets are still in use the newest of them
    /// stays, and the answer is false.
    pub(crate) fn replace(&mut self, policies: Arc<PolicySet>) -> bool {
        self.drop_unused(self.current, true);
        let free = self.sets.iter().position(Option::is_none).unwrap_or(self.sets.len());
        let Ok(current) = u8::try_from(free) else { return false };
        let set = Some(Set { policies, traces: 0 });
        match self.sets.get_mut(free) {
            Some(place) => *place = set,
            None => self.sets.push(set),
        }
        self.current = current;
        true
    }

    /// A trace is folded with `epoch` from here on.
    pub(crate) fn opened(&mut self, epoch: u8) {
        if let Some(Some(set)) = self.sets.get_mut(usize::from(epoch)) {
            set.traces += 1;
        }
    }

    /// A trace that was folded with `epoch` is closed.
    pub(crate) fn closed(&mut self, epoch: u8) {
        if let Some(Some(set)) = self.sets.get_mut(usize::from(epoch)) {
            set.traces = set.traces.saturating_sub(1);
        }
        self.drop_unused(epoch, false);
    }

    fn drop_unused(&mut self, epoch: u8, even_current: bool) {
        if let Some(place) = self.sets.get_mut(usize::from(epoch))
            && place.as_ref().is_some_and(|set| set.traces == 0)
            && (even_current || epoch != self.current)
        {
            *place = None;
        }
    }
}
