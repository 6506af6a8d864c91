//! Ids of traces and spans.

use std::fmt;

/// Number of the random low bits of a trace id (or of `rv`) that consistent sampling compares
/// with a threshold.
pub const RANDOMNESS_BITS: u32 = 56;

/// A trace id: 16 bytes. Ids of 64 bits stand in the low half, with zeros before them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub [u8; 16]);

/// A span id: 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub [u8; 8]);

/// What names a trace everywhere inside: the low 64 bits of its id, read as a big-endian number,
/// because fleets mix ids of 64 and 128 bits in one trace; or the high 64, where the low ones are
/// zero, because some senders pad ids of 64 bits on the right. [`TraceId::key`] is the one place
/// that tells which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceKey(pub u64);

/// Why bytes are not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Wrong number of bytes.
    #[error("an id of `{found}` bytes, must have `{wanted}`")]
    Length {
        /// The bytes there are.
        found: usize,
        /// The bytes there must be.
        wanted: usize,
    },
}

impl TraceId {
    /// The id in `bytes`.
    ///
    /// # Errors
    /// [`IdError::Length`] when there are not exactly 16 bytes. All zeros pass: see
    /// [`is_zero`](Self::is_zero).
    pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
        exactly(bytes).map(Self)
    }

    /// Whether all bits are zero: such an id is invalid.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        u128::from_be_bytes(self.0) == 0
    }

    /// Whether one half is zero: an id of 64 bits, padded on either side.
    #[inline]
    #[must_use]
    pub const fn is_short(self) -> bool {
        self.high() == 0 || u128::from_be_bytes(self.0).trailing_zeros() >= 64
    }

    /// What names the trace inside: see [`TraceKey`].
    #[inline]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
    pub const fn key(self) -> TraceKey {
        let low = u128::from_be_bytes(self.0) as u64;
        TraceKey(if low == 0 { self.high() } else { low })
    }

    /// The high 64 bits: 0 for an id of 64 bits.
    #[must_use]
    pub const fn high(self) -> u64 {
        (u128::from_be_bytes(self.0) >> 64) as u64
    }
}

impl SpanId {
    /// The id in `bytes`.
    ///
    /// # Errors
    /// [`IdError::Length`] when there are not exactly 8 bytes. All zeros pass: see
    /// [`is_zero`](Self::is_zero).
    pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
        exactly(bytes).map(Self)
    }

    /// Whether all bits are zero: such an id is invalid; as a parent it means there is none.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        u64::from_be_bytes(self.0) == 0
    }
}

impl TraceKey {
    /// The key of the trace whose id is `trace_id`, when that has 16 bytes.
    #[must_use]
    pub fn of(trace_id: &[u8]) -> Option<Self> {
        trace_id.first_chunk::<16>().filter(|_| trace_id.len() == 16).map(|id| TraceId(*id).key())
    }

    /// The id of the trace, given the high half of it, or of the [longest](Self::longer) that its
    /// spans have.
    #[must_use]
    pub fn trace_id(self, high: u64) -> TraceId {
        let low = if high == self.0 { 0 } else { self.0 };
        TraceId((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
    }

    /// Of the high halves of two ids of the trace, the one of the id that stands for both: one of
    /// 128 bits before one of 64, and of two that are as long the greater one. So the order in
    /// which the ids of a trace are met does not matter.
    #[must_use]
    pub const fn longer(self, one: u64, other: u64) -> u64 {
        if one == other || other == 0 {
            return one;
        }
        // An id that is padded on the right has the key in its high half.
        if one == 0 || one == self.0 {
            return other;
        }
        if other == self.0 || other < one { one } else { other }
    }

    /// The randomness for consistent sampling that the trace id carries: its low
    /// [`RANDOMNESS_BITS`] bits. An `rv` in the tracestate goes before it.
    ///
    /// Of an id that is padded on the right it is the low bits of the half that is there: the
    /// zeros would be the least randomness of all, and a share of the traces would mean none of
    /// these.
    #[must_use]
    pub const fn randomness(self) -> u64 {
        self.0 & ((1 << RANDOMNESS_BITS) - 1)
    }
}

impl fmt::Display for TraceId {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl fmt::Display for SpanId {
    /// 16 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}

impl fmt::Display for TraceKey {
    /// 16 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], IdError> {
    bytes.try_into().map_err(|_| IdError::Length { found: bytes.len(), wanted: N })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hex;

    fn trace_id(digits: &str) -> TraceId {
        TraceId(hex::exact(digits.as_bytes()).unwrap())
    }

    #[test]
    fn what_is_not_an_id_is_refused_with_its_size() {
        assert_eq!(TraceId::from_slice(&[1; 15]), Err(IdError::Length { found: 15, wanted: 16 }));
        assert_eq!(TraceKey::of(&[1; 17]), None);
        assert_eq!(TraceKey::of(&[]), None);
    }

    #[test]
    fn the_key_is_the_low_half_and_the_randomness_its_low_56_bits() {
        let id = trace_id("0102030405060708090a0b0c0d0e0f10");
        assert_eq!(id.high(), 0x0102_0304_0506_0708);
        assert_eq!(id.key(), TraceKey(0x090a_0b0c_0d0e_0f10));
        assert_eq!(id.key().randomness(), 0x000a_0b0c_0d0e_0f10);
        assert_eq!(TraceKey::of(&id.0), Some(id.key()));
        assert!(!id.is_zero() && TraceId([0; 16]).is_zero() && SpanId([0; 8]).is_zero());
    }

    /// A wire contract: gateways route by the key, samplers decide by it.
    #[test]
    fn golden_keys() {
        for (id, key) in [
            ("0102030405060708090a0b0c0d0e0f10", 0x090a_0b0c_0d0e_0f10),
            ("000000000000000000000000000001a2", 0x1a2),
            ("aaaaaaaaaaaaaaaa0000000000000000", 0xaaaa_aaaa_aaaa_aaaa),
            ("aaaaaaaaaaaaaaab0000000000000000", 0xaaaa_aaaa_aaaa_aaab),
            ("aaaaaaaaaaaaaaaa0000000000000001", 1),
            ("00000000000000010000000000000000", 1),
            ("00000000000000000000000000000000", 0),
        ] {
            let trace = trace_id(id);
            assert_eq!(trace.key(), TraceKey(key), "{id}");
            assert_eq!(trace.key().trace_id(trace.high()), trace, "{id}");
        }
        let padded = trace_id("aabbbbbbbbbbbbbb0000000000000000");
        assert_eq!(padded.key().randomness(), 0x00bb_bbbb_bbbb_bbbb);
    }

    #[test]
    fn the_longest_id_stands_for_all() {
        let key = TraceKey(7);
        for (one, other, longer) in
            [(0, 0, 0), (0, 5, 5), (0, 7, 7), (7, 5, 5), (7, 9, 9), (5, 9, 9), (9, 9, 9)]
        {
            assert_eq!(key.longer(one, other), longer);
            assert_eq!(key.longer(other, one), longer);
        }
    }

    proptest! {
        #[test]
        fn prop_ids_are_told_in_hexadecimal(bytes: [u8; 16], short: [u8; 8]) {
            let (trace, span) = (TraceId(bytes), SpanId(short));
            prop_assert_eq!(trace_id(&trace.to_string()), trace);
            prop_assert_eq!(hex::exact(span.to_string().as_bytes()).map(SpanId), Some(span));
        }
    }
}
