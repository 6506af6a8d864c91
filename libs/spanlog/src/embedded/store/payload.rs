//! Payloads as they are stored: compressed where it is worth it, with their sum.

use std::cell::RefCell;

use bytes::Bytes;
use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use xxhash_rust::xxh3::xxh3_64;

use super::format::{Codec, Kind, RecordHead};
use crate::record::Record;

/// Payloads below this are stored as they are.
const WORTH_COMPRESSING: usize = 128;

thread_local! {
    /// Room to compress into: appends come from few threads, and what is kept is copied out at
    /// its exact size.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A record in its stored form, but for what is known only when it is written.
#[derive(Clone, Debug)]
pub(in crate::embedded) struct Encoded {
    pub(super) kind: Kind,
    pub(super) codec: Codec,
    pub(super) epoch: u32,
    /// Bytes of the uncompressed payload.
    pub(super) raw: u32,
    pub(super) sum: u64,
    pub(super) stored: Bytes,
}

impl Encoded {
    /// Compresses the payload of `record` and sums it up. Done by whoever appends, so that the
    /// writer thread stays free for the disk.
    pub(in crate::embedded) fn new(record: &Record) -> Self {
        let payload = &record.payload;
        let compressed = (payload.len() >= WORTH_COMPRESSING).then(|| compress(payload)).flatten();
        let (codec, stored) = match compressed {
            Some(stored) => (Codec::Lz4, stored),
            None => (Codec::Plain, payload.clone()),
        };
        Self {
            codec,
            ..Self::plain(Kind::Record(record.kind), record.epoch, payload.len(), stored)
        }
    }

    /// A checkpoint's metadata.
    pub(super) fn checkpoint(metadata: &str) -> Self {
        let stored = Bytes::copy_from_slice(metadata.as_bytes());
        Self::plain(Kind::Checkpoint, 0, stored.len(), stored)
    }

    fn plain(kind: Kind, epoch: u32, raw: usize, stored: Bytes) -> Self {
        // Payloads are bounded far below 4 GiB.
        let raw = u32::try_from(raw).unwrap_or(u32::MAX);
        Self { kind, codec: Codec::Plain, epoch, raw, sum: xxh3_64(&stored), stored }
    }

    /// Bytes of the payload as it is stored.
    pub(in crate::embedded) fn stored_bytes(&self) -> u64 {
        self.stored.len() as u64
    }
}

fn compress(payload: &[u8]) -> Option<Bytes> {
    SCRATCH.with_borrow_mut(|scratch| {
        let most = get_maximum_output_size(payload.len());
        if scratch.len() < most {
            scratch.resize(most, 0);
        }
        let length = compress_into(payload, scratch).ok()?;
        scratch.get(..length).filter(|_| length < payload.len()).map(Bytes::copy_from_slice)
    })
}

/// Whether `stored` is what `head` says.
pub(super) fn is_intact(head: &RecordHead, stored: &[u8]) -> bool {
    xxh3_64(stored) == head.payload_sum
}

/// The payload of the record with `head`, of which `stored` was read.
///
/// # Errors
/// What is wrong with it.
pub(super) fn decode(head: &RecordHead, stored: Vec<u8>) -> Result<Bytes, String> {
    let found = xxh3_64(&stored);
    if found != head.payload_sum {
        return Err(format!("its checksum is {found:016x}, {:016x} was stored", head.payload_sum));
    }
    let raw = usize::try_from(head.raw).unwrap_or(usize::MAX);
    let payload = match head.codec {
        Codec::Plain => stored,
        Codec::Lz4 => {
            let mut payload = vec![0; raw];
            let length = decompress_into(&stored, &mut payload)
                .map_err(|error| format!("its payload does not decompress: {error}"))?;
            payload.truncate(length);
            payload
        }
    };
    if payload.len() != raw {
        return Err(format!("its payload has {} bytes, {raw} were stored", payload.len()));
    }
    Ok(Bytes::from(payload))
}
