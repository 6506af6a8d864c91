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

/// Why bytes or text are not an id.
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
    /// Wrong number of hexadecimal digits.
    #[error("an id of `{found}` characters, must be 1 to `{wanted}` hexadecimal digits")]
    Digits {
        /// The characters there are.
        found: usize,
        /// The most there may be.
        wanted: usize,
    },
    /// A character that is not a hexadecimal digit.
    #[error("an id with the byte `{0:#04x}`, must be hexadecimal digits")]
    Digit(u8),
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

    /// The id written as up to 32 hexadecimal digits of either case; fewer are padded with zeros
    /// on the left.
    ///
    /// # Errors
    /// [`IdError::Digits`] when `text` is empty or longer, [`IdError::Digit`] on other characters.
    pub fn from_hex(text: &str) -> Result<Self, IdError> {
        from_hex(text.as_bytes()).map(Self)
    }

    /// Whether all bits are zero: such an id is invalid.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        u128::from_be_bytes(self.0) == 0
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

    /// The id written as up to 16 hexadecimal digits of either case; fewer are padded with zeros
    /// on the left.
    ///
    /// # Errors
    /// [`IdError::Digits`] when `text` is empty or longer, [`IdError::Digit`] on other characters.
    pub fn from_hex(text: &str) -> Result<Self, IdError> {
        from_hex(text.as_bytes()).map(Self)
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

    /// The id of the trace, given the high half of it, or of the widest id that its spans have.
    #[must_use]
    pub fn trace_id(self, high: u64) -> TraceId {
        let low = if high == self.0 { 0 } else { self.0 };
        TraceId((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
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

fn from_hex<const N: usize>(text: &[u8]) -> Result<[u8; N], IdError> {
    if text.is_empty() || text.len() > 2 * N {
        return Err(IdError::Digits { found: text.len(), wanted: 2 * N });
    }
    let mut bytes = [0_u8; N];
    for (place, pair) in bytes.iter_mut().rev().zip(text.rchunks(2)) {
        for digit in pair {
            *place = (*place << 4) | hex_digit(*digit).ok_or(IdError::Digit(*digit))?;
        }
    }
    Ok(bytes)
}

/// The value of a hexadecimal digit of either case.
#[must_use]
pub const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_hex_is_padded_on_the_left() {
        let id = TraceId::from_hex("1A2").unwrap();
        assert_eq!(id.to_string(), "000000000000000000000000000001a2");
        assert_eq!(id.key(), TraceKey(0x1a2));
        assert_eq!(SpanId::from_hex("f").unwrap().to_string(), "000000000000000f");
    }

    #[test]
    fn what_is_not_an_id_is_refused_with_its_size() {
        assert_eq!(TraceId::from_hex(""), Err(IdError::Digits { found: 0, wanted: 32 }));
        assert_eq!(
            SpanId::from_hex("00112233445566778"),
            Err(IdError::Digits { found: 17, wanted: 16 })
        );
        assert_eq!(SpanId::from_hex("12g4"), Err(IdError::Digit(b'g')));
        assert_eq!(TraceId::from_slice(&[1; 15]), Err(IdError::Length { found: 15, wanted: 16 }));
        assert_eq!(TraceKey::of(&[1; 17]), None);
        assert_eq!(TraceKey::of(&[]), None);
    }

    #[test]
    fn the_key_is_the_low_half_and_the_randomness_its_low_56_bits() {
        let id = TraceId::from_hex("0102030405060708090a0b0c0d0e0f10").unwrap();
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
            let trace = TraceId::from_hex(id).unwrap();
            assert_eq!(trace.key(), TraceKey(key), "{id}");
            assert_eq!(trace.key().trace_id(trace.high()), trace, "{id}");
        }
        let padded = TraceId::from_hex("aabbbbbbbbbbbbbb0000000000000000").unwrap();
        assert_eq!(padded.key().randomness(), 0x00bb_bbbb_bbbb_bbbb);
    }

    proptest! {
        #[test]
        fn prop_hex_reads_back(bytes: [u8; 16], short: [u8; 8]) {
            let (trace, span) = (TraceId(bytes), SpanId(short));
            prop_assert_eq!(TraceId::from_hex(&trace.to_string()), Ok(trace));
            prop_assert_eq!(TraceId::from_hex(&trace.to_string().to_uppercase()), Ok(trace));
            prop_assert_eq!(SpanId::from_hex(&span.to_string()), Ok(span));
        }
    }
}
