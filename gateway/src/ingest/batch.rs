//! Joins split requests to frames: one or a few per partition, equal heads written once in each.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, BuildHasherDefault, Hasher},
    ops::Range,
};

use bytes::Bytes;
use wholetrace_proto::{
    otlp::numbers::{resource_spans::SCOPE_SPANS, traces_data::RESOURCE_SPANS},
    wire::{delimited_len, put_delimited_head},
};
use wholetrace_spanlog::Partition;

use crate::split::{ByteRange, Split, group_bytes};

/// A frame ready for the log.
#[derive(Debug)]
pub struct Frame {
    /// Where all its spans belong.
    pub partition: Partition,
    /// A `TracesData` message.
    pub payload: Bytes,
    /// Which requests have spans in it, as indexes of the batch.
    pub requests: Vec<u32>,
}

/// A run of one request, with its heads named for the whole batch.
#[derive(Clone, Copy, Debug)]
struct Piece {
    partition: Partition,
    resource: u32,
    scope: u32,
    request: u32,
    range: ByteRange,
    /// What the heads add to a frame that has not got them yet.
    group_bytes: u32,
}

/// Joins `splits` to frames of about `frame_bytes`: more only where one run and its heads alone
/// have more.
#[must_use]
pub fn frames<'a>(splits: &'a [&'a Split], frame_bytes: usize) -> Frames<'a> {
    let (pieces, heads) = pieces(splits);
    let plans = plan(&pieces, frame_bytes).into_iter();
    let frame_requests = FrameRequests { last_frame: vec![0; splits.len()] };
    Frames { splits, pieces, heads, plans, frame_requests, made: 0 }
}

/// The frames of a batch, each written when it is asked for: a log that copies a frame at once, as
/// the Kafka client does, reads it while it is in the processor's cache, and gives its memory back
/// before the next one is written.
#[derive(Debug)]
pub struct Frames<'a> {
    splits: &'a [&'a Split],
    pieces: Vec<Piece>,
    heads: Vec<&'a [u8]>,
    plans: std::vec::IntoIter<Range<usize>>,
    frame_requests: FrameRequests,
    made: usize,
}

impl Iterator for Frames<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let range = self.plans.next()?;
        self.made += 1;
        let mut payload = Vec::with_capacity(self.frame_len(range.clone()));
        self.write(range.clone(), &mut payload);
        let pieces = self.pieces.get(range).unwrap_or_default();
        let partition = pieces.first().map_or(Partition(0), |piece| piece.partition);
        let requests = self.frame_requests.of(self.made, pieces);
        Some(Frame { partition, payload: payload.into(), requests })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.plans.size_hint()
    }
}

impl ExactSizeIterator for Frames<'_> {}

/// All runs by partition, then by head, and the heads by number.
fn pieces<'a>(splits: &[&'a Split]) -> (Vec<Piece>, Vec<&'a [u8]>) {
    let mut interner = HeadInterner::default();
    let mut pieces = Vec::with_capacity(splits.iter().map(|split| split.runs().len()).sum());
    let mut heads = Vec::new();
    for (request, split) in splits.iter().enumerate() {
        heads.clear();
        heads.extend(split.heads().iter().map(|head| interner.intern(split.bytes(*head))));
        let name = |head: u32| heads.get(head as usize).copied().unwrap_or_default();
        for run in split.runs() {
            let Some(group) = split.groups().get(run.group as usize) else { continue };
            pieces.push(Piece {
                partition: run.partition,
                resource: name(group.resource),
                scope: name(group.scope),
                request: u32::try_from(request).unwrap_or(u32::MAX),
                range: run.range,
                group_bytes: u32::try_from(group_bytes(split, run.group)).unwrap_or(u32::MAX),
            });
        }
    }
    // Stable, so that spans keep the order in which they came; each request is in order already.
    pieces.sort_by_key(|piece| (piece.partition, piece.resource, piece.scope));
    (pieces, interner.heads)
}

/// Cuts `pieces` where the partition changes or a frame is full.
fn plan(pieces: &[Piece], frame_bytes: usize) -> Vec<Range<usize>> {
    let mut plans = Vec::new();
    let (mut start, mut len) = (0, 0_usize);
    let mut last: Option<&Piece> = None;
    for (index, piece) in pieces.iter().enumerate() {
        let run = piece.range.len();
        let heads = piece.group_bytes as usize;
        let added =
            if last.is_some_and(|last| same_scope(last, piece)) { run } else { heads + run };
        let cut = last.is_some_and(|last| {
            last.partition != piece.partition || len.saturating_add(added) > frame_bytes
        });
        if cut {
            plans.push(start..index);
            (start, len) = (index, heads + run);
        } else {
            len = len.saturating_add(added);
        }
        last = Some(piece);
    }
    if start < pieces.len() {
        plans.push(start..pieces.len());
    }
    plans
}

fn same_scope(one: &Piece, other: &Piece) -> bool {
    (one.resource, one.scope) == (other.resource, other.scope)
}

impl Frames<'_> {
    fn head(&self, number: u32) -> &[u8] {
        self.heads.get(number as usize).copied().unwrap_or_default()
    }

    fn pieces(&self, range: Range<usize>) -> &[Piece] {
        self.pieces.get(range).unwrap_or_default()
    }

    /// Length of the frame with the pieces of `range`.
    fn frame_len(&self, range: Range<usize>) -> usize {
        self.pieces(range)
            .chunk_by(|one, other| one.resource == other.resource)
            .map(|pieces| delimited_len(RESOURCE_SPANS, self.resource_len(pieces)))
            .sum()
    }

    fn resource_len(&self, pieces: &[Piece]) -> usize {
        let scopes: usize = pieces
            .chunk_by(same_scope)
            .map(|pieces| delimited_len(SCOPE_SPANS, self.scope_len(pieces)))
            .sum();
        pieces.first().map_or(0, |piece| self.head(piece.resource).len()) + scopes
    }

    fn scope_len(&self, pieces: &[Piece]) -> usize {
        let spans: usize = pieces.iter().map(|piece| piece.range.len()).sum();
        pieces.first().map_or(0, |piece| self.head(piece.scope).len()) + spans
    }

    /// Appends the frame with the pieces of `range` to `out`.
    fn write(&self, range: Range<usize>, out: &mut Vec<u8>) {
        for pieces in self.pieces(range).chunk_by(|one, other| one.resource == other.resource) {
            put_delimited_head(out, RESOURCE_SPANS, self.resource_len(pieces));
            out.extend_from_slice(pieces.first().map_or(&[], |piece| self.head(piece.resource)));
            for pieces in pieces.chunk_by(same_scope) {
                put_delimited_head(out, SCOPE_SPANS, self.scope_len(pieces));
                out.extend_from_slice(pieces.first().map_or(&[], |piece| self.head(piece.scope)));
                for piece in pieces {
                    if let Some(split) = self.splits.get(piece.request as usize) {
                        out.extend_from_slice(split.bytes(piece.range));
                    }
                }
            }
        }
    }
}

/// Gives equal heads the same number. Hashes a head once a request, not once a span.
#[derive(Default)]
struct HeadInterner<'a> {
    heads: Vec<&'a [u8]>,
    hasher: RandomState,
    /// The first head with a hash. Senders do not know the key of the hash; if two heads still
    /// share one, the second is not merged with its equals, which costs bytes and nothing else.
    by_hash: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
}

impl<'a> HeadInterner<'a> {
    fn intern(&mut self, head: &'a [u8]) -> u32 {
        let next = u32::try_from(self.heads.len()).unwrap_or(u32::MAX);
        let number = *self.by_hash.entry(self.hasher.hash_one(head)).or_insert(next);
        if number != next && self.heads.get(number as usize) == Some(&head) {
            return number;
        }
        self.heads.push(head);
        next
    }
}

/// Passes on a number that is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Lists the requests of a frame, each once.
#[derive(Debug)]
struct FrameRequests {
    /// By request, the last frame that it was listed for.
    last_frame: Vec<usize>,
}

impl FrameRequests {
    /// The requests of the frame `frame`, counted from 1, with `pieces`.
    fn of(&mut self, frame: usize, pieces: &[Piece]) -> Vec<u32> {
        let mut requests = Vec::new();
        for piece in pieces {
            if let Some(last) = self.last_frame.get_mut(piece.request as usize)
                && std::mem::replace(last, frame) != frame
            {
                requests.push(piece.request);
            }
        }
        requests
    }
}

#[cfg(test)]
mod tests;
