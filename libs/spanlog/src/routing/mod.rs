//! Which partition a trace belongs to.
//!
//! A consistent ring (`ring`) defines the mapping, a table (`slots`) of 16,384 slots is its compiled
//! form: the top 14 bits of a keyed hash of the trace key choose the slot, the slot's entry is the
//! partition. The mapping is a **wire contract**: every gateway of a deployment computes the same
//! one from the same [`Descriptor`], on every architecture, and each frame carries the epoch it
//! was routed by. The hashes are therefore named and keyed, and what they hash is explicit bytes:
//!
//! | what | hash | bytes |
//! |---|---|---|
//! | trace key → slot | SipHash-1-3 | the key, 8 bytes big-endian |
//! | point of a partition on the ring | SipHash-2-4 | `p`, partition (4 bytes), point (4 bytes), big-endian |
//! | question of a slot to the ring | SipHash-2-4 | `s`, slot (4 bytes), attempt (4 bytes), big-endian |
//!
//! Both are keyed with the descriptor's seed, since senders choose their trace ids: without the
//! seed nobody can aim at one partition.

mod epoch;
mod ring;
mod slots;

pub use epoch::{Descriptor, MAX_PARTITIONS, Routing, RoutingError};
pub use slots::SLOTS;

#[cfg(test)]
mod tests;
