//! Reads a body whole: in time, within a cap, and holding a lease on what has come.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::{
    admission::lease::RequestLease,
    reject::{RejectReason, Rejection},
};

/// The first lease of a body. A promise is not worth more: or a few senders that promise much and
/// send nothing would keep everybody else out.
const FIRST_BYTES: usize = 16 << 10;

/// Room is made for so many times what has come, where so much is to be expected. What is promised is
/// there in few steps, and nobody holds much more than they have sent.
const STEP: usize = 4;

/// How long a body may come at any rate.
const GRACE: Duration = Duration::from_secs(5);

/// What is discarded of a body that was refused unread.
const DISCARD_BYTES: usize = 1 << 20;

/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// Bounds of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Most bytes it may have as it comes over the wire.
    pub(crate) cap: usize,
    /// How many it is declared to have, if so.
    pub(crate) declared: Option<usize>,
    /// When it begins to come.
    pub(crate) begin: Instant,
    /// How long it may take.
    pub(crate) time: Duration,
    /// Bytes that must come in a second after [`GRACE`]; 0 for any number.
    pub(crate) rate: usize,
}

impl Bounds {
    /// When more must have come than `received` bytes.
    fn next_by(&self, received: usize) -> Instant {
        let deadline = self.begin + self.time;
        match self.rate {
            0 => deadline,
            rate => {
                let earned = Duration::from_secs_f64(received as f64 / rate as f64);
                deadline.min(self.begin + GRACE.saturating_add(earned).min(self.time))
            }
        }
    }
}

/// Bytes to hold before the first byte of a body is read.
pub(crate) fn first_lease(declared: Option<usize>) -> usize {
    declared.map_or(FIRST_BYTES, |declared| declared.min(FIRST_BYTES))
}

/// Reads `body` to its end. `expect` says from the first bytes how long the whole will be, where
/// the protocol tells. Grows `lease` as bytes come.
///
/// # Errors
/// A body that is too large, too slow or cut off, or for which there is no room.
pub(crate) async fn read<B>(
    mut body: B,
    bounds: Bounds,
    lease: &mut RequestLease,
    expect: impl Fn(&[u8]) -> Option<usize>,
) -> Result<Bytes, Rejection>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    let mut expected = bounds.declared.unwrap_or(0);
    loop {
        let next_by = bounds.next_by(first.len() + whole.len());
        let frame = match timeout_at(next_by, body.frame()).await {
            Err(_) => return Err(slow()),
            Ok(None) => break,
            Ok(Some(Err(error))) => return Err(cut_off(&error)),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        if data.is_empty() {
            continue;
        }
        let length = first.len() + whole.len() + data.len();
        if length > bounds.cap {
            return Err(too_large(bounds.cap));
        }
        if first.is_empty() && whole.is_empty() {
            // A body in one piece is used as it lies in the receive buffer.
            first = data;
            lease.grow_to(first.len())?;
            continue;
        }
        if !first.is_empty() {
            expected = expected.max(expect(&first).unwrap_or(0)).min(bounds.cap);
            make_room(&mut whole, lease, length, expected)?;
            whole.extend_from_slice(&std::mem::take(&mut first));
        } else if length > whole.capacity() {
            make_room(&mut whole, lease, length, expected)?;
        }
        whole.extend_from_slice(&data);
    }
    if whole.is_empty() { Ok(first) } else { Ok(whole.freeze()) }
}

/// Makes `whole` hold at least `length` bytes: twice that, or the `expected` whole as far as it is
/// near.
fn make_room(
    whole: &mut BytesMut,
    lease: &mut RequestLease,
    length: usize,
    expected: usize,
) -> Result<(), Rejection> {
    let capacity = if expected >= length {
        expected.min(length.saturating_mul(STEP))
    } else {
        length.saturating_mul(2)
    };
    lease.grow_to(capacity)?;
    whole.reserve(capacity - whole.len());
    Ok(())
}

/// Reads some of a body that is refused unread, so that the sender, which may still be writing,
/// reads the answer instead of a connection reset.
pub(crate) async fn discard<B: Body + Unpin>(mut body: B) {
    let deadline = Instant::now() + DISCARD_TIME;
    let mut left = DISCARD_BYTES;
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        let length = frame.data_ref().map_or(0, bytes::Buf::remaining);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// The refusal of a body of more than `cap` bytes.
pub(crate) fn too_large(cap: usize) -> Rejection {
    let message = format!("the body has more than `{cap}` bytes: send less at once");
    Rejection::new(RejectReason::BodyTooLarge, message)
}

fn slow() -> Rejection {
    let message = "the body did not come within the request timeout, or not at the rate that is \
                   asked for: retry, with less at once";
    Rejection::new(RejectReason::SlowSender, message)
}

fn cut_off(error: &dyn std::fmt::Display) -> Rejection {
    let message = format!("the body was cut off, or is not as long as declared: {error}");
    Rejection::new(RejectReason::Incomplete, message)
}
