//! A record as it is stored: keys, and values that are compressed and say when they are damaged.
//!
//! ```text
//! key    topic (1) · partition (4, big-endian) · position (8, big-endian)
//! value  checksum (8) · kind (1) · codec (1) · 0 (2) · epoch (4) · time (8) · length (4) · payload
//! ```
//! Numbers of the value are little-endian. `length` is that of the uncompressed payload. The
//! checksum is XXH3-64 of all that follows it, seeded with that of the key, so that a value that
//! turns up under another key is noticed too.

use std::cell::RefCell;

use bytes::Bytes;
use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::{
    position::{LogTime, Partition, Position},
    record::{Frame, Record, RecordKind},
    topic::TopicName,
};

/// Bytes in front of the stored payload.
pub(super) const HEADER: usize = 28;

/// Bytes of a key.
pub(super) const KEY: usize = 13;

/// Payloads below this are stored as they are.
const WORTH_COMPRESSING: usize = 128;

const PLAIN: u8 = 0;
const LZ4: u8 = 1;

thread_local! {
    /// Room to compress into: appends come from few threads, and what is kept is copied out at
    /// its exact size.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The key of a record.
pub(super) fn key(topic: TopicName, partition: Partition, position: u64) -> [u8; KEY] {
    let mut key = [0; KEY];
    // Topics are numbered below 3.
    key[0] = u8::try_from(topic.index()).unwrap_or_default();
    key[1..5].copy_from_slice(&partition.0.to_be_bytes());
    key[5..].copy_from_slice(&position.to_be_bytes());
    key
}

/// The position in a key.
pub(super) fn position_of(key: &[u8]) -> Option<u64> {
    let bytes = key.get(5..KEY)?.try_into().ok()?;
    Some(u64::from_be_bytes(bytes))
}

/// The value of `record`, complete but for the time and the checksum, which [`seal`] writes.
pub(super) fn encode(record: &Record) -> Vec<u8> {
    let payload = record.payload.as_ref();
    if payload.len() < WORTH_COMPRESSING {
        return assemble(record, PLAIN, payload);
    }
    SCRATCH.with_borrow_mut(|scratch| {
        let most = get_maximum_output_size(payload.len());
        if scratch.len() < most {
            scratch.resize(most, 0);
        }
        match compress_into(payload, scratch) {
            Ok(length) if length < payload.len() => assemble(record, LZ4, &scratch[..length]),
            _ => assemble(record, PLAIN, payload),
        }
    })
}

fn assemble(record: &Record, codec: u8, stored: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER + stored.len());
    value.extend_from_slice(&[0; 8]);
    value.extend_from_slice(&[kind_number(record.kind), codec, 0, 0]);
    value.extend_from_slice(&record.epoch.to_le_bytes());
    value.extend_from_slice(&[0; 8]);
    // A payload is bounded far below 4 GiB.
    let length = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
    value.extend_from_slice(&length.to_le_bytes());
    value.extend_from_slice(stored);
    value
}

/// Writes the append time and the checksum into an encoded value.
pub(super) fn seal(key: &[u8; KEY], value: &mut [u8], time: LogTime) {
    if value.len() < HEADER {
        return;
    }
    value[16..24].copy_from_slice(&time.0.to_le_bytes());
    let checksum = checksum(key, &value[8..]);
    value[..8].copy_from_slice(&checksum.to_le_bytes());
}

fn checksum(key: &[u8], covered: &[u8]) -> u64 {
    xxh3_64_with_seed(covered, xxh3_64(key))
}

/// What stands in front of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) time: LogTime,
    /// Bytes of the uncompressed payload.
    pub(super) length: usize,
    kind: RecordKind,
    compressed: bool,
    epoch: u32,
}

/// Reads the header of the value under `key` and checks the checksum.
///
/// # Errors
/// What is wrong with the value.
pub(super) fn header(key: &[u8], value: &[u8]) -> Result<Header, String> {
    let Some((stored_sum, covered)) = value.split_first_chunk::<8>() else {
        return Err(format!("a value of {} bytes is too short", value.len()));
    };
    if covered.len() < HEADER - 8 {
        return Err(format!("a value of {} bytes is too short", value.len()));
    }
    let (stored, found) = (u64::from_le_bytes(*stored_sum), checksum(key, covered));
    if stored != found {
        return Err(format!("its checksum is {found:016x}, {stored:016x} was stored"));
    }
    let kind = kind_of(covered[0]).ok_or_else(|| format!("`{}` is no record kind", covered[0]))?;
    let compressed = match covered[1] {
        PLAIN => false,
        LZ4 => true,
        other => return Err(format!("`{other}` is no compression")),
    };
    Ok(Header {
        time: LogTime(u64::from_le_bytes(field(covered, 8))),
        length: usize::try_from(u32::from_le_bytes(field(covered, 16))).unwrap_or(usize::MAX),
        kind,
        compressed,
        epoch: u32::from_le_bytes(field(covered, 4)),
    })
}

/// `N` bytes of a header whose length was checked.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// The record that `value` holds, whose `header` was read before.
///
/// # Errors
/// What is wrong with the payload.
pub(super) fn decode(position: u64, header: Header, value: &Bytes) -> Result<Frame, String> {
    let stored = value.slice(HEADER..);
    let payload = if header.compressed {
        let mut payload = vec![0; header.length];
        let length = decompress_into(&stored, &mut payload)
            .map_err(|error| format!("its payload does not decompress: {error}"))?;
        payload.truncate(length);
        Bytes::from(payload)
    } else {
        stored
    };
    if payload.len() != header.length {
        let (found, stated) = (payload.len(), header.length);
        return Err(format!("its payload has {found} bytes, {stated} were stored"));
    }
    Ok(Frame {
        position: Position(position),
        time: header.time,
        kind: header.kind,
        epoch: header.epoch,
        payload,
    })
}

const fn kind_number(kind: RecordKind) -> u8 {
    match kind {
        RecordKind::Spans => 0,
        RecordKind::Tick => 1,
        RecordKind::Decisions => 2,
        RecordKind::DeadLetter => 3,
    }
}

const fn kind_of(number: u8) -> Option<RecordKind> {
    match number {
        0 => Some(RecordKind::Spans),
        1 => Some(RecordKind::Tick),
        2 => Some(RecordKind::Decisions),
        3 => Some(RecordKind::DeadLetter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stored(record: &Record) -> ([u8; KEY], Vec<u8>) {
        let key = key(TopicName::Spans, Partition(3), 77);
        let mut value = encode(record);
        seal(&key, &mut value, LogTime(1_234));
        (key, value)
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let record = Record::spans(9, Bytes::from(vec![b'x'; 300]));
        let (key, value) = stored(&record);
        assert!(value.len() < 100, "300 equal bytes take {} bytes", value.len());
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(header(&key, &damaged).is_err(), "bit {bit}");
        }
        for cut in 0..value.len() {
            assert!(header(&key, &value[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_value_under_another_key_is_noticed() {
        let (_, value) = stored(&Record::tick());
        let other = key(TopicName::Spans, Partition(3), 78);
        assert!(header(&other, &value).is_err());
    }

    #[test]
    fn keys_sort_by_position() {
        let (low, high) =
            (key(TopicName::Spans, Partition(1), 255), key(TopicName::Spans, Partition(1), 256));
        assert!(low < high);
        assert_eq!(position_of(&high), Some(256));
        assert_eq!(position_of(&high[..9]), None);
    }

    proptest! {
        #[test]
        fn prop_what_is_stored_comes_back(
            payload in proptest::collection::vec(any::<u8>(), 0..2_000),
            epoch: u32,
            repeat in 1..8_usize,
        ) {
            let record = Record::spans(epoch, Bytes::from(payload.repeat(repeat)));
            let (key, value) = stored(&record);
            let head = header(&key, &value).unwrap();
            let frame = decode(77, head, &Bytes::from(value)).unwrap();
            prop_assert_eq!(frame.payload, record.payload);
            prop_assert_eq!((frame.epoch, frame.time, frame.position), (epoch, LogTime(1_234), Position(77)));
            prop_assert_eq!(frame.kind, record.kind);
        }

        #[test]
        fn prop_arbitrary_values_are_refused(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let key = key(TopicName::Spans, Partition(0), 0);
            prop_assert!(header(&key, &value).is_err());
        }
    }
}
