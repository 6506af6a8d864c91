//! Payloads of the log that are held in memory, with what they take of the budget.

use bytes::Bytes;
use wholetrace_runtime::budget::{ByteBudget, Lease};
use wholetrace_spanlog::Frame;

/// Bytes that each reader may read again at a time, whatever is left of the budget. So nothing that
/// others hold can stop a reader, and frames of usual sizes are not read one by one.
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

/// `payload` with its `lease`, which ends with the last slice of the payload.
pub(crate) fn held(payload: Bytes, lease: Lease) -> Bytes {
    Bytes::from_owner(Held { payload, _lease: lease })
}

/// A lease for a read of up to `max_bytes`: as much as `budget` has left, and [`MIN_READ`] in any
/// case.
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
