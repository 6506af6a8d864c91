//! The bytes that a request holds, from its head to the log's acknowledgement.

use wholetrace_proto::translated::{NoRoom, Room};
use wholetrace_runtime::budget::{ByteBudget, Lease};

use crate::reject::{RejectReason, Rejection};

/// The part of all bytes in flight that bodies may hold that are not complete.
const INCOMPLETE_PART: usize = 2;

/// The part that one connection may hold.
const CONNECTION_PART: usize = 4;

/// The part that one of several tenants may hold.
const TENANT_PART: usize = 2;

/// The bytes that all requests of a gateway may hold.
///
/// Parts of them have bounds of their own, so that nobody keeps the others out: bodies that are not
/// complete, each connection, each tenant. A request may be larger than such a part where it is the
/// only one in it.
#[derive(Clone, Debug)]
pub(crate) struct InFlightBudget {
    all: ByteBudget,
    incomplete: ByteBudget,
}

/// What a part of the bytes in flight is called in the answer to a sender that finds it full.
const INCOMPLETE: &str = "requests whose bodies are not complete";
const CONNECTION: &str = "requests of this connection";
const TENANT: &str = "requests of this tenant";

impl InFlightBudget {
    /// At most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            all: ByteBudget::new("requests in flight", limit),
            incomplete: ByteBudget::new(INCOMPLETE, limit / INCOMPLETE_PART),
        }
    }

    /// The part of one connection.
    pub(crate) fn connection(&self) -> ByteBudget {
        ByteBudget::new(CONNECTION, self.all.limit() / CONNECTION_PART)
    }

    /// The part of a tenant beside others.
    pub(crate) fn tenant(&self) -> ByteBudget {
        ByteBudget::new(TENANT, self.all.limit() / TENANT_PART)
    }

    /// Holds `bytes` for a body that is to come, also of `parts`.
    ///
    /// # Errors
    /// [`RejectReason::InFlight`] when they are not there.
    pub(crate) fn take(
        &self,
        parts: [Option<&ByteBudget>; 2],
        bytes: usize,
    ) -> Result<RequestLease, Rejection> {
        let nothing = |budget: &ByteBudget| budget.try_lease(0);
        let [connection, tenant] = parts;
        let mut lease = RequestLease {
            budget: self.all.clone(),
            lease: nothing(&self.all).ok_or_else(|| no_room(&self.all, bytes))?,
            shares: [Some(&self.incomplete), connection, tenant]
                .map(|part| part.and_then(|part| Some((part.clone(), nothing(part)?)))),
        };
        lease.grow_to(bytes)?;
        Ok(lease)
    }
}

/// Bytes in flight held by one request; given back when dropped.
#[derive(Debug)]
pub(crate) struct RequestLease {
    budget: ByteBudget,
    lease: Lease,
    /// The same bytes, of the parts that they belong to: the first as long as the body comes.
    shares: [Option<(ByteBudget, Lease)>; 3],
}

impl RequestLease {
    /// Holds `bytes` of `budget` for a body that is here.
    #[cfg(test)]
    pub(crate) fn take(budget: &ByteBudget, bytes: usize) -> Result<Self, Rejection> {
        let lease = budget.try_lease(bytes).ok_or_else(|| no_room(budget, bytes))?;
        Ok(Self { budget: budget.clone(), lease, shares: [None, None, None] })
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
        let before = self.lease.bytes();
        let more = bytes.saturating_sub(before);
        if more == 0 {
            return Ok(());
        }
        if !self.lease.grow(more) {
            return Err(no_room(&self.budget, bytes));
        }
        let full = self.shares.iter_mut().flatten().find_map(|(part, lease)| {
            (!lease.grow_or_alone(bytes.saturating_sub(lease.bytes()))).then(|| part.clone())
        });
        match full {
            None => Ok(()),
            Some(part) => {
                self.shrink_to(before);
                Err(part_is_full(&part))
            }
        }
    }

    /// The body is complete.
    pub(crate) fn complete(&mut self) {
        let [incomplete, ..] = &mut self.shares;
        *incomplete = None;
    }

    /// Gives back all but `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        self.lease.shrink_to(bytes);
        for (_, lease) in self.shares.iter_mut().flatten() {
            lease.shrink_to(bytes);
        }
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

/// Room for a translation beside its message, held as it is needed.
pub(crate) struct LeaseRoom<'h> {
    message_bytes: usize,
    lease: &'h mut RequestLease,
    refused: Option<Rejection>,
}

impl<'h> LeaseRoom<'h> {
    /// Room beside a message of so many bytes, of which `lease` has those already.
    pub(crate) const fn beside(message_bytes: usize, lease: &'h mut RequestLease) -> Self {
        Self { message_bytes, lease, refused: None }
    }

    /// Why the last room that was asked for was not there.
    pub(crate) fn refused(self) -> Option<Rejection> {
        self.refused
    }
}

impl Room for LeaseRoom<'_> {
    fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
        self.refused = self.lease.grow_to(self.message_bytes.saturating_add(bytes)).err();
        if self.refused.is_none() { Ok(()) } else { Err(NoRoom { bytes }) }
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

fn part_is_full(part: &ByteBudget) -> Rejection {
    let (name, limit) = (part.name(), part.limit());
    let message = format!("{name} hold the {limit} bytes they may: retry later");
    Rejection::new(RejectReason::InFlight, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: [Option<&ByteBudget>; 2] = [None, None];

    fn refused(outcome: Result<impl Sized, Rejection>) -> Option<RejectReason> {
        outcome.err().map(|rejection| rejection.reason)
    }

    #[test]
    fn what_is_held_comes_back() {
        let in_flight = InFlightBudget::new(100);
        let mut one = in_flight.take(ALONE, 10).unwrap();
        one.grow_to(60).unwrap();
        one.grow_to(20).unwrap();
        assert_eq!((one.bytes(), in_flight.all.used()), (60, 60));
        assert_eq!(refused(in_flight.take(ALONE, 41)), Some(RejectReason::InFlight));
        one.settle_at(30).unwrap();
        assert_eq!((in_flight.all.used(), in_flight.incomplete.used()), (30, 30));
        one.complete();
        assert_eq!((in_flight.all.used(), in_flight.incomplete.used()), (30, 0));
        drop(one);
        assert_eq!(in_flight.all.used(), 0);
    }

    #[test]
    fn a_translation_holds_what_it_needs_beside_its_message() {
        let budget = ByteBudget::new("test", 100);
        let mut lease = RequestLease::take(&budget, 10).unwrap();
        let mut room = LeaseRoom::beside(10, &mut lease);
        // Asked for with some ahead, then without.
        assert!(room.grow_to(95).is_err() && room.grow_to(80).is_ok());
        assert_eq!(room.refused(), None);
        assert_eq!((lease.bytes(), budget.used()), (90, 90));
        let mut room = LeaseRoom::beside(10, &mut lease);
        assert!(room.grow_to(91).is_err());
        assert_eq!(room.refused().unwrap().reason, RejectReason::Amplified);
        assert_eq!(lease.bytes(), 90);
    }

    /// To come back later would not help, so there is no advice to do so.
    #[test]
    fn what_can_never_fit_is_refused_for_good() {
        let refused = InFlightBudget::new(100).take(ALONE, 101).unwrap_err();
        assert_eq!(refused.reason, RejectReason::Amplified);
        assert_eq!(refused.reason.retry_after(), None);
    }

    #[test]
    fn bodies_that_are_not_complete_leave_room_for_those_that_are() {
        let in_flight = InFlightBudget::new(100);
        let mut coming = in_flight.take(ALONE, 30).unwrap();
        assert_eq!(refused(in_flight.take(ALONE, 21)), Some(RejectReason::InFlight));
        let mut whole = in_flight.take(ALONE, 20).unwrap();
        whole.complete();
        whole.grow_to(60).unwrap();
        assert_eq!(refused(coming.grow_to(50)), Some(RejectReason::InFlight));
        assert_eq!((coming.bytes(), in_flight.all.used()), (30, 90));
    }

    #[test]
    fn a_connection_and_a_tenant_have_their_parts_and_more_where_they_are_alone_in_them() {
        let in_flight = InFlightBudget::new(100);
        let (first, second) = (in_flight.connection(), in_flight.connection());
        let tenant = in_flight.tenant();
        let mut lease = in_flight.take([Some(&first), Some(&tenant)], 40).unwrap();
        lease.complete();
        assert_eq!(refused(in_flight.take([Some(&first), None], 1)), Some(RejectReason::InFlight));
        assert_eq!(
            refused(in_flight.take([Some(&second), Some(&tenant)], 11)),
            Some(RejectReason::InFlight)
        );
        assert_eq!((first.used(), second.used(), tenant.used()), (40, 0, 40));
        assert!(in_flight.take([Some(&second), Some(&tenant)], 10).is_ok());
        drop(lease);
        assert!(in_flight.take([Some(&first), None], 25).is_ok());
    }
}
