//! Payloads of the log that are held in memory, with what they take of the budget.

use bytes::Bytes;
use wholetrace_runtime::budget::{ByteBudget, Lease};
use wholetrace_spanlog::Frame;

/// Bytes that may be read again at a time by each reader, whatever is left of the budget: so nothing
/// that others hold can stop one, and frames of usual sizes are not read one by one.
pub(crate) const MIN_READ: usize = 64 << 10;

/// A payload with its lease.
struct Held {
    payload: Bytes,
    _lease: Lease,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

/// `payload`, whose `lease` is given back when nobody holds any part of it any more.
pub(crate) fn held(payload: Bytes, lease: Lease) -> Bytes {
    Bytes::from_owner(Held { payload, _lease: lease })
}

/// Room for what is to be read: for `max_bytes`, as far as `budget` has it, and for
/// [`MIN_READ`] of them in any case.
pub(crate) fn room(budget: &ByteBudget, max_bytes: usize) -> Lease {
    budget.lease_up_to(max_bytes, max_bytes.min(MIN_READ))
}

/// The frames that were read into `room`, each with its part of it. A single one may be larger.
pub(crate) fn all_held(frames: Vec<Frame>, mut room: Lease) -> Vec<Frame> {
    let held = |frame: Frame| {
        let lease = room.split_off(frame.payload.len());
        Frame { payload: held(frame.payload, lease), ..frame }
    };
    frames.into_iter().map(held).collect()
}
