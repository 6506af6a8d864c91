//! The bytes that a request holds, from its head to the log's acknowledgement.

use wholetrace_runtime::budget::{ByteBudget, Lease};

use crate::reject::{RejectReason, Rejection};

/// Bytes of the in-flight budget held by one request; given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    budget: ByteBudget,
    lease: Lease,
}

impl Held {
    /// Holds `bytes` of `budget`.
    ///
    /// # Errors
    /// [`RejectReason::InFlight`] when they are not there.
    pub(crate) fn take(budget: &ByteBudget, bytes: usize) -> Result<Self, Rejection> {
        let lease = budget.try_lease(bytes).ok_or_else(|| no_room(budget, bytes))?;
        Ok(Self { budget: budget.clone(), lease })
    }

    /// Bytes held.
    pub(crate) const fn bytes(&self) -> usize {
        self.lease.bytes()
    }

    /// Holds at least `bytes`.
    ///
    /// # Errors
    /// [`RejectReason::InFlight`] when they are not there; [`RejectReason::Amplified`] when they
    /// never will be.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), Rejection> {
        let more = bytes.saturating_sub(self.lease.bytes());
        if more == 0 || self.lease.grow(more) {
            return Ok(());
        }
        Err(no_room(&self.budget, bytes))
    }

    /// Gives back all but `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        self.lease.shrink_to(bytes);
    }

    /// Holds `bytes`, whatever it held before.
    ///
    /// # Errors
    /// As [`grow_to`](Self::grow_to).
    pub(crate) fn settle_at(&mut self, bytes: usize) -> Result<(), Rejection> {
        self.grow_to(bytes)?;
        self.shrink_to(bytes);
        Ok(())
    }
}

fn no_room(budget: &ByteBudget, bytes: usize) -> Rejection {
    let limit = budget.limit();
    if bytes > limit {
        let message = format!(
            "the request takes {bytes} bytes in memory, more than the {limit} of all requests: \
             send fewer spans, or fewer resources, at once"
        );
        return Rejection::new(RejectReason::Amplified, message);
    }
    let message = format!("requests in flight hold the {limit} bytes they may: retry later");
    Rejection::new(RejectReason::InFlight, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_back() {
        let budget = ByteBudget::new("test", 100);
        let mut one = Held::take(&budget, 10).unwrap();
        one.grow_to(60).unwrap();
        one.grow_to(20).unwrap();
        assert_eq!((one.bytes(), budget.used()), (60, 60));
        assert_eq!(Held::take(&budget, 41).unwrap_err().reason, RejectReason::InFlight);
        one.settle_at(30).unwrap();
        assert_eq!(budget.used(), 30);
        drop(one);
        assert_eq!(budget.used(), 0);
    }

    /// To come back later would not help, so there is no advice to do so.
    #[test]
    fn what_can_never_fit_is_refused_for_good() {
        let budget = ByteBudget::new("test", 100);
        let refused = Held::take(&budget, 101).unwrap_err();
        assert_eq!(refused.reason, RejectReason::Amplified);
        assert_eq!(refused.reason.retry_after(), None);
    }
}
