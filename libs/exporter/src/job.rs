//! What is left of one batch: parts to send, and parts that are held back until it is proven whether
//! the spans or the backend are at fault.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::time::{Duration, Instant};
use wholetrace_proto::split::split_at;

use crate::{
    contract::Batch,
    queue_state::{Piece, QueueState},
    retry::{Backoff, RetryPolicy},
};

/// After so many single spans of a piece were given up in a row, the rest of the piece is given up with
/// them: a sender whose spans are all refused must not cost a request for each.
const GIVEN_UP_IN_A_ROW: u32 = 64;

/// The failures of one part of the batch so far.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// When it failed first, by itself or within what it is a part of.
    pub(crate) first: Option<Instant>,
    /// How much the exporter had delivered when it was refused last.
    pub(crate) seen: u64,
    /// Whether others were delivered between its last two refusals.
    pub(crate) others: bool,
    /// Whether others were delivered between any two of its refusals.
    pub(crate) proven: bool,
    /// Whether it was refused for what is in it, when it was refused last.
    pub(crate) rejected: bool,
    /// How often it failed in this size.
    pub(crate) tries: u32,
    /// How often it, or what it is a part of, failed for a reason that may lie with it.
    pub(crate) doubts: u32,
    pub(crate) backoff: Backoff,
}

impl History {
    fn new(policy: RetryPolicy) -> Self {
        let backoff = Backoff::new(policy);
        Self {
            first: None,
            seen: 0,
            others: false,
            proven: false,
            rejected: false,
            tries: 0,
            doubts: 0,
            backoff,
        }
    }

    /// The history of a half, which was refused along with the other one.
    fn of_half(&self) -> Self {
        Self { proven: false, tries: 0, ..self.clone() }
    }

    /// Notes a refusal at `now`, when the exporter had made `delivered` requests that were taken.
    pub(crate) fn refused(&mut self, now: Instant, delivered: u64) {
        self.others = self.first.is_some() && delivered > self.seen;
        self.proven |= self.others;
        self.seen = delivered;
        self.first.get_or_insert(now);
        self.tries = self.tries.saturating_add(1);
    }

    /// For how long it fails.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.first.map_or(Duration::ZERO, |first| now.saturating_duration_since(first))
    }
}

/// What goes into one request.
pub(crate) struct Part {
    load: Load,
    pub(crate) history: History,
}

enum Load {
    Pieces(Vec<Piece>),
    /// Some spans of a piece that is divided, by its number within the job.
    Spans {
        of: usize,
        bytes: Bytes,
        spans: u32,
    },
}

/// A piece that goes in parts. It is answered for when all of them are.
struct Divided {
    piece: Piece,
    /// Parts that are neither delivered nor given up.
    open: usize,
    /// The spans that are given up: messages that form one message, one after the other.
    given_up: Vec<Bytes>,
    spans: u32,
    reason: String,
    in_a_row: u32,
}

/// Pieces whose outcome is known.
pub(crate) enum Ended {
    Delivered(Vec<Piece>),
    Refused(Vec<Piece>, String),
}

/// One batch until the outcome of every piece is known.
pub(crate) struct Job {
    /// When the oldest of its pieces came.
    pub(crate) since: Instant,
    /// What is sent, the last one first: depth-first, so that at most one half of each size waits.
    next: Vec<Part>,
    /// Nothing of `next` is sent before.
    paused: Option<Instant>,
    held: Vec<(Instant, Part)>,
    divided: BTreeMap<usize, Divided>,
    numbers: usize,
}

impl Job {
    pub(crate) fn new(pieces: Vec<Piece>, policy: RetryPolicy) -> Self {
        let since = pieces.iter().map(|piece| piece.arrived).min().unwrap_or_else(Instant::now);
        let part = Part { load: Load::Pieces(pieces), history: History::new(policy) };
        Self {
            since,
            next: vec![part],
            paused: None,
            held: Vec::new(),
            divided: BTreeMap::new(),
            numbers: 0,
        }
    }

    /// When there is something to send, if anything is left: `now` at the earliest.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let next = (!self.next.is_empty()).then_some(now);
        let due = self.held.iter().map(|(due, _)| *due).chain(next).min()?;
        Some(self.paused.map_or(due, |until| until.max(due)))
    }

    /// Ends a pause, and the waits that are over at `now`.
    pub(crate) fn resume(&mut self, now: Instant, state: &QueueState) {
        self.release_ready(state);
        if self.paused.is_some_and(|until| until <= now) {
            self.paused = None;
        }
        let due = self.release(|due, _| due <= now);
        // Behind what was not sent since.
        self.next.splice(..0, due);
    }

    /// Takes out what was held and is due.
    fn release(&mut self, is_due: impl Fn(Instant, &Part) -> bool) -> Vec<Part> {
        let (due, held): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.held).into_iter().partition(|(due, part)| is_due(*due, part));
        self.held = held;
        due.into_iter().map(|(_, part)| part).collect()
    }

    /// A part that was rejected for its contents waits no longer once others are delivered: its next
    /// rejection is the proof.
    fn release_ready(&mut self, state: &QueueState) {
        let delivered = state.delivered();
        let ready = self.release(|_, part| part.history.rejected && delivered > part.history.seen);
        self.next.extend(ready);
    }

    /// The next part to send. Pieces whose partition is gone are left out.
    pub(crate) fn take(&mut self, state: &QueueState) -> Option<Part> {
        if self.paused.is_some() {
            return None;
        }
        self.release_ready(state);
        loop {
            let part = self.next.pop()?;
            if let Some(part) = self.wanted(part, state) {
                return Some(part);
            }
        }
    }

    fn wanted(&mut self, mut part: Part, state: &QueueState) -> Option<Part> {
        match &mut part.load {
            Load::Pieces(pieces) => {
                pieces.retain(|piece| {
                    let wanted = !piece.to.is_closed();
                    if !wanted {
                        state.settle(piece.owed);
                    }
                    wanted
                });
                (!pieces.is_empty()).then_some(part)
            }
            Load::Spans { of, .. } => {
                let divided = self.divided.get(of)?;
                if !divided.piece.to.is_closed() {
                    return Some(part);
                }
                state.settle(divided.piece.owed);
                self.divided.remove(of);
                None
            }
        }
    }

    /// Sends `part` again next.
    pub(crate) fn again(&mut self, part: Part) {
        self.next.push(part);
    }

    /// Holds `part` back until then.
    pub(crate) fn hold(&mut self, part: Part, until: Instant) {
        self.held.push((until, part));
    }

    /// Sends nothing until then.
    pub(crate) fn pause(&mut self, until: Instant) {
        self.paused = Some(until);
    }

    /// Whether `part` is not to be halved: a single span, or what is left of a piece all of whose
    /// spans seem to be refused.
    pub(crate) fn is_smallest(&self, part: &Part) -> bool {
        match &part.load {
            Load::Pieces(pieces) => {
                pieces.iter().all(|piece| piece.kept.spans <= 1) && pieces.len() <= 1
            }
            Load::Spans { of, spans, .. } => {
                let hopeless = |it: &Divided| it.in_a_row >= GIVEN_UP_IN_A_ROW;
                *spans <= 1 || self.divided.get(of).is_some_and(hopeless)
            }
        }
    }

    /// Puts the halves of `part` in its place. Gives it back when it cannot be halved.
    pub(crate) fn halve(&mut self, part: Part) -> Option<Part> {
        let Part { load, history } = part;
        match load {
            Load::Pieces(mut pieces) if pieces.len() > 1 => {
                let second = pieces.split_off(pieces.len() / 2);
                for half in [second, pieces] {
                    self.next.push(Part { load: Load::Pieces(half), history: history.of_half() });
                }
            }
            Load::Pieces(mut pieces) => {
                let kept = pieces.first().map(|piece| &piece.kept);
                let Some(halves) = kept.and_then(|kept| halves_of(&kept.bytes, kept.spans)) else {
                    return Some(Part { load: Load::Pieces(pieces), history });
                };
                let mut piece = pieces.pop()?;
                piece.kept.bytes = Bytes::new();
                let of = self.numbers;
                self.numbers += 1;
                self.divided.insert(of, Divided::new(piece));
                self.push_halves(of, halves, &history);
            }
            Load::Spans { of, bytes, spans } => {
                let Some(halves) = halves_of(&bytes, spans) else {
                    return Some(Part { load: Load::Spans { of, bytes, spans }, history });
                };
                self.push_halves(of, halves, &history);
            }
        }
        None
    }

    fn push_halves(&mut self, of: usize, halves: [(Bytes, u32); 2], history: &History) {
        if let Some(divided) = self.divided.get_mut(&of) {
            divided.open += 1;
        }
        for (bytes, spans) in halves {
            let load = Load::Spans { of, bytes, spans };
            self.next.push(Part { load, history: history.of_half() });
        }
    }

    /// Notes that the backend took `part`. Gives the pieces whose outcome is known by that.
    pub(crate) fn deliver(&mut self, part: Part) -> Option<Ended> {
        match part.load {
            Load::Pieces(pieces) => Some(Ended::Delivered(pieces)),
            Load::Spans { of, .. } => {
                self.divided.get_mut(&of)?.in_a_row = 0;
                self.close(of)
            }
        }
    }

    /// Notes that the backend will never take `part`. Gives the pieces whose outcome is known by that.
    pub(crate) fn give_up(&mut self, part: Part, reason: String) -> Option<Ended> {
        match part.load {
            Load::Pieces(pieces) => Some(Ended::Refused(pieces, reason)),
            Load::Spans { of, bytes, spans } => {
                let divided = self.divided.get_mut(&of)?;
                divided.given_up.push(bytes);
                divided.spans += spans;
                divided.reason = reason;
                divided.in_a_row += 1;
                self.close(of)
            }
        }
    }

    fn close(&mut self, of: usize) -> Option<Ended> {
        let divided = self.divided.get_mut(&of)?;
        divided.open -= 1;
        if divided.open > 0 {
            return None;
        }
        let Divided { mut piece, given_up, spans, reason, .. } = self.divided.remove(&of)?;
        if spans == 0 {
            return Some(Ended::Delivered(vec![piece]));
        }
        (piece.kept.bytes, piece.kept.spans) = (given_up.concat().into(), spans);
        Some(Ended::Refused(vec![piece], reason))
    }
}

impl Divided {
    fn new(piece: Piece) -> Self {
        let (given_up, reason) = (Vec::new(), String::new());
        Self { piece, open: 1, given_up, spans: 0, reason, in_a_row: 0 }
    }
}

impl Part {
    /// The request.
    pub(crate) fn batch(&self) -> Batch {
        match &self.load {
            Load::Pieces(pieces) => {
                let spans = pieces.iter().map(|piece| u64::from(piece.kept.spans)).sum();
                Batch::new(pieces.iter().map(|piece| piece.kept.bytes.clone()).collect(), spans)
            }
            Load::Spans { bytes, spans, .. } => Batch::new(vec![bytes.clone()], u64::from(*spans)),
        }
    }
}

/// The halves of a message of spans, the second one first.
fn halves_of(bytes: &Bytes, spans: u32) -> Option<[(Bytes, u32); 2]> {
    let half = spans / 2;
    if half == 0 {
        return None;
    }
    let (first, second) = split_at(bytes, half as usize).ok()?;
    Some([(second.into(), spans - half), (first.into(), half)])
}
