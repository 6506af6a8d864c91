//! A segmented log: synchronous, without threads and without a clock of its own.
//!
//! Three streams, one for each topic, lie in slot files of one size. A stream is a sequence of
//! **segments**, each in one slot, with records of all partitions. A **group** is one write and
//! one sync: its records become durable together, then are readable, then answered. A segment
//! whose records are all finished is freed: its slot is used again once a later group that says so
//! is durable. Checkpoints are records of the stream of spans.
//!
//! `format` says what stands on the disk; `recovery` how it is found again; `stream` writes
//! groups; `read` reads; `pool` has the free slots.
//!
//! L1 … L12 in comments are the invariants of `docs/invariants.md`.

mod commit;
mod error;
mod format;
mod freeing;
mod giving_back;
mod identity;
mod payload;
mod pool;
mod read;
mod recovered;
mod recovery;
mod salts;
mod scan;
mod segment;
mod segments;
mod slots;
mod state;
mod stream;
mod tail;

pub(super) use error::{Broken, OpenFault};
pub(super) use freeing::Retention;
pub(super) use giving_back::GivenBack;
pub(super) use identity::{Marks, write_marks};
pub(super) use payload::Encoded;
pub(super) use pool::NoRoom;
pub(super) use recovered::Recovered;
pub(super) use segments::{INDEX_BYTES, Segments};
pub(super) use state::{Committed, Item, MAX_PAYLOAD, Options, Refused, Store};

#[cfg(test)]
mod tests;
