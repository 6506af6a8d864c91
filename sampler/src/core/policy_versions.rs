//! The policy sets in use.

use std::sync::Arc;

use crate::policy::PolicySet;

/// The policy sets that open traces are folded with. A trace is decided by the set that folded
/// its first span, because a summary means something to that set only; new traces take the newest.
#[derive(Debug)]
pub(crate) struct PolicyVersions {
    sets: Vec<Option<Set>>,
    current: u8,
    /// The newest set, while there is no free number for it.
    waiting: Option<Arc<PolicySet>>,
}

#[derive(Debug)]
struct Set {
    policies: Arc<PolicySet>,
    /// Open traces that are folded with it.
    traces: usize,
}

impl PolicyVersions {
    pub(crate) fn new(policies: Arc<PolicySet>) -> Self {
        Self { sets: vec![Some(Set { policies, traces: 0 })], current: 0, waiting: None }
    }

    /// The set for new traces.
    pub(crate) const fn current(&self) -> u8 {
        self.current
    }

    /// The set of number `version`, while an open trace uses it.
    #[inline]
    pub(crate) fn get(&self, version: u8) -> Option<&Arc<PolicySet>> {
        self.sets.get(usize::from(version))?.as_ref().map(|set| &set.policies)
    }

    /// Makes `policies` the set for new traces. While 256 sets are still in use the newest of them
    /// stays, the answer is false, and `policies` wait until one is not.
    pub(crate) fn replace(&mut self, policies: Arc<PolicySet>) -> bool {
        self.drop_unused(self.current, true);
        let free = self.sets.iter().position(Option::is_none).unwrap_or(self.sets.len());
        let Ok(current) = u8::try_from(free) else {
            self.waiting = Some(policies);
            return false;
        };
        self.waiting = None;
        let set = Some(Set { policies, traces: 0 });
        match self.sets.get_mut(free) {
            Some(place) => *place = set,
            None => self.sets.push(set),
        }
        self.current = current;
        true
    }

    /// A trace is folded with `version` from here on.
    pub(crate) fn opened(&mut self, version: u8) {
        if let Some(Some(set)) = self.sets.get_mut(usize::from(version)) {
            set.traces += 1;
        }
    }

    /// A trace that was folded with `version` is closed.
    pub(crate) fn closed(&mut self, version: u8) {
        if let Some(Some(set)) = self.sets.get_mut(usize::from(version)) {
            set.traces = set.traces.saturating_sub(1);
        }
        self.drop_unused(version, false);
        if let Some(policies) = self.waiting.take() {
            self.replace(policies);
        }
    }

    fn drop_unused(&mut self, version: u8, even_current: bool) {
        if let Some(place) = self.sets.get_mut(usize::from(version))
            && place.as_ref().is_some_and(|set| set.traces == 0)
            && (even_current || version != self.current)
        {
            *place = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::policies;

    /// More sets than there is room for: the newest of all is used as soon as there is.
    #[test]
    fn the_newest_set_waits_for_its_place() {
        let sets: Vec<_> = (0..258).map(|_| policies("1s", 10)).collect();
        let mut policy_versions = PolicyVersions::new(Arc::clone(&sets[0]));
        policy_versions.opened(policy_versions.current());
        for set in &sets[1..256] {
            assert!(policy_versions.replace(Arc::clone(set)));
            policy_versions.opened(policy_versions.current());
        }
        assert!(
            !policy_versions.replace(Arc::clone(&sets[256]))
                && !policy_versions.replace(Arc::clone(&sets[257]))
        );
        let current = |policy_versions: &PolicyVersions| {
            Arc::clone(policy_versions.get(policy_versions.current()).unwrap())
        };
        assert!(Arc::ptr_eq(&current(&policy_versions), &sets[255]));
        policy_versions.closed(17);
        assert!(Arc::ptr_eq(&current(&policy_versions), &sets[257]));
        assert_eq!(policy_versions.current(), 17);
    }
}
