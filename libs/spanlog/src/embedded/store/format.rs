//! What stands on the disk: slot headers, group heads and record heads.
//!
//! All numbers are little-endian. A slot holds one segment at a time:
//! ```text
//! slot    header page · groups … · the header page once more, as the last page
//! header  sum (8) · magic (8) · version (4) · stream (4) · log id (16) · segment (8) · salt (8)
//!         · of the segment before: salt (8), end (8), last group (8)
//!         · oldest living segment (8) · time (8) · jump (8) · partitions (8) · next positions (8 each)
//! group   head (64) · next positions (8 each) · zeros to 64 · records · zeros to 4,096
//! head    sum (8) · magic (4) · records (4) · segment (8) · number (8) · durable group (8)
//!         · own offset (4) · length with padding (4) · oldest living segment (8) · time (8)
//! record  head (64) · payload · zeros to 64
//! head    sum (8) · magic (2) · kind (1) · codec (1) · partition (4) · position (8) · time (8)
//!         · epoch (4) · stored length (4) · raw length (4) · group (4) · own offset (4)
//!         · offset of its group (4) · sum of the payload (8)
//! ```
//! Sums are XXH3-64. Those of groups and records are seeded with the salt of the slot's use, which
//! is random and secret: neither what an earlier use left nor bytes that a sender put into a
//! payload ever pass for a group or a record.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::{
    position::{LogTime, Partition},
    record::RecordKind,
    topic::TopicName,
};

/// The version of the folder and of everything in it.
pub(super) const FORMAT_VERSION: u32 = 2;

/// Groups begin and end on pages, so that no acknowledged byte shares one with a write in flight.
pub(super) const PAGE: u64 = 4_096;

/// Records begin on multiples of this.
pub(super) const ALIGN: u64 = 64;

/// Bytes of a record's or a group's head.
pub(super) const HEAD: usize = 64;

/// The most partitions that a header page has room for.
pub(super) const MAX_PARTITIONS: usize = 64;

const HEADER_MAGIC: u64 = u64::from_le_bytes(*b"wt-slot\n");
const GROUP_MAGIC: u32 = u32::from_le_bytes(*b"grup");
const RECORD_MAGIC: u16 = u16::from_le_bytes(*b"rc");
const HEADER_TABLE: usize = 120;
const PAGE_BYTES: usize = 4_096;

/// Set in a record's codec when every group below its own was durable before it was written.
const PROVEN: u8 = 0x80;

/// `bytes` rounded up to a multiple of `unit`, a power of two.
pub(super) const fn round_up(bytes: u64, unit: u64) -> u64 {
    (bytes + unit - 1) & !(unit - 1)
}

/// Bytes that the head of a group takes with its table of positions.
pub(super) const fn group_head_bytes(partitions: usize) -> u64 {
    HEAD as u64 + round_up(partitions as u64 * 8, ALIGN)
}

/// Bytes that a record with `stored` bytes of payload takes.
pub(super) const fn record_bytes(stored: usize) -> u64 {
    HEAD as u64 + round_up(stored as u64, ALIGN)
}

/// `N` bytes of `bytes` from `at` on; zeros where there are none.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(field(bytes, at))
}

fn small(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(field(bytes, at))
}

/// Offsets and lengths within a slot fit 32 bits: slots are bounded.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The segment before a segment, as its successor remembers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Previous {
    pub(super) salt: u64,
    /// Offset behind its last group.
    pub(super) end: u64,
    /// The number of that group.
    pub(super) group: u64,
    /// The latest time of a record in it.
    pub(super) time: LogTime,
}

/// What a slot is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SlotHeader {
    pub(super) log_id: u128,
    pub(super) stream: TopicName,
    pub(super) segment: u64,
    pub(super) salt: u64,
    pub(super) previous: Previous,
    /// Segments below this one are finished: their slots may have been used again.
    pub(super) oldest: u64,
    /// The time of the segment's first group.
    pub(super) time: LogTime,
    /// How far all positions jumped between the segment before and this one.
    pub(super) jump: u64,
    /// The position of each partition's first record in this segment.
    pub(super) next: Vec<u64>,
}

/// What a header page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HeaderPage {
    Valid(SlotHeader),
    /// Written in another version of the format.
    Version(u32),
    /// Nothing that can be relied on.
    Invalid,
}

impl SlotHeader {
    pub(super) fn encode(&self) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        page[8..16].copy_from_slice(&HEADER_MAGIC.to_le_bytes());
        page[16..20].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        // Topics are numbered below 3.
        page[20] = u8::try_from(self.stream.index()).unwrap_or_default();
        page[24..40].copy_from_slice(&self.log_id.to_le_bytes());
        let Previous { salt, end, group, time } = self.previous;
        let numbers = [
            self.segment,
            self.salt,
            salt,
            end,
            group,
            time.0,
            self.oldest,
            self.time.0,
            self.jump,
            self.next.len() as u64,
        ];
        let table = numbers.iter().chain(self.next.iter().take(MAX_PARTITIONS));
        for (place, value) in page[40..].chunks_exact_mut(8).zip(table) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        let sum = xxh3_64(&page[8..]);
        page[..8].copy_from_slice(&sum.to_le_bytes());
        page
    }

    pub(super) fn decode(page: &[u8]) -> HeaderPage {
        if page.len() != PAGE_BYTES
            || number(page, 8) != HEADER_MAGIC
            || number(page, 0) != xxh3_64(&page[8..])
        {
            return HeaderPage::Invalid;
        }
        let version = small(page, 16);
        if version != FORMAT_VERSION {
            return HeaderPage::Version(version);
        }
        let stream =
            TopicName::ALL.into_iter().find(|topic| topic.index() == usize::from(page[20]));
        let partitions = usize::try_from(number(page, 112)).unwrap_or(usize::MAX);
        let Some(stream) = stream.filter(|_| partitions <= MAX_PARTITIONS) else {
            return HeaderPage::Invalid;
        };
        HeaderPage::Valid(Self {
            log_id: u128::from_le_bytes(field(page, 24)),
            stream,
            segment: number(page, 40),
            salt: number(page, 48),
            previous: Previous {
                salt: number(page, 56),
                end: number(page, 64),
                group: number(page, 72),
                time: LogTime(number(page, 80)),
            },
            oldest: number(page, 88),
            time: LogTime(number(page, 96)),
            jump: number(page, 104),
            next: (0..partitions).map(|at| number(page, HEADER_TABLE + at * 8)).collect(),
        })
    }
}

/// What makes a group or record valid beside its own bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seal {
    pub(super) salt: u64,
    pub(super) segment: u64,
    pub(super) partitions: usize,
}

/// The head of a group: one write, durable with one sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupHead {
    pub(super) records: u32,
    pub(super) number: u64,
    /// The highest group known to be durable when this one was written.
    pub(super) durable: u64,
    pub(super) offset: u64,
    /// Bytes up to the next group.
    pub(super) length: u64,
    pub(super) oldest: u64,
    pub(super) time: LogTime,
    /// The next position of each partition before this group.
    pub(super) next: Vec<u64>,
}

impl GroupHead {
    /// Writes the head to the beginning of `group`, which has room for it.
    pub(super) fn write(&self, seal: Seal, group: &mut [u8]) {
        let length = usize::try_from(group_head_bytes(seal.partitions)).unwrap_or(usize::MAX);
        let Some(head) = group.get_mut(..length) else { return };
        head[8..12].copy_from_slice(&GROUP_MAGIC.to_le_bytes());
        head[12..16].copy_from_slice(&self.records.to_le_bytes());
        head[16..24].copy_from_slice(&seal.segment.to_le_bytes());
        head[24..32].copy_from_slice(&self.number.to_le_bytes());
        head[32..40].copy_from_slice(&self.durable.to_le_bytes());
        head[40..44].copy_from_slice(&narrow(self.offset).to_le_bytes());
        head[44..48].copy_from_slice(&narrow(self.length).to_le_bytes());
        head[48..56].copy_from_slice(&self.oldest.to_le_bytes());
        head[56..64].copy_from_slice(&self.time.0.to_le_bytes());
        for (place, next) in head[HEAD..].chunks_exact_mut(8).zip(&self.next) {
            place.copy_from_slice(&next.to_le_bytes());
        }
        let sum = xxh3_64_with_seed(&head[8..], seal.salt);
        head[..8].copy_from_slice(&sum.to_le_bytes());
    }

    /// The head at the beginning of `bytes`, which was read from `offset`, if there is one.
    pub(super) fn read(seal: Seal, offset: u64, bytes: &[u8]) -> Option<Self> {
        let length = usize::try_from(group_head_bytes(seal.partitions)).ok()?;
        let head = bytes.get(..length)?;
        let genuine = small(head, 8) == GROUP_MAGIC
            && u64::from(small(head, 40)) == offset
            && number(head, 16) == seal.segment
            && number(head, 0) == xxh3_64_with_seed(&head[8..], seal.salt);
        genuine.then(|| Self {
            records: small(head, 12),
            number: number(head, 24),
            durable: number(head, 32),
            offset,
            length: small(head, 44).into(),
            oldest: number(head, 48),
            time: LogTime(number(head, 56)),
            next: (0..seal.partitions).map(|at| number(head, HEAD + at * 8)).collect(),
        })
    }
}

/// What a stored record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A record of the topic.
    Record(RecordKind),
    /// How far a partition is finished: the position is what was committed, the payload its
    /// metadata. In the stream of spans only.
    Checkpoint,
}

impl Kind {
    const fn number(self) -> u8 {
        match self {
            Self::Record(RecordKind::Spans) => 0,
            Self::Record(RecordKind::Tick) => 1,
            Self::Record(RecordKind::Decisions) => 2,
            Self::Record(RecordKind::DeadLetter) => 3,
            Self::Checkpoint => 4,
        }
    }

    const fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Record(RecordKind::Spans)),
            1 => Some(Self::Record(RecordKind::Tick)),
            2 => Some(Self::Record(RecordKind::Decisions)),
            3 => Some(Self::Record(RecordKind::DeadLetter)),
            4 => Some(Self::Checkpoint),
            _ => None,
        }
    }
}

/// How a payload is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Plain,
    Lz4,
}

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHead {
    pub(super) kind: Kind,
    pub(super) codec: Codec,
    /// Whether every group below this one's was durable before it was written.
    pub(super) proven: bool,
    pub(super) partition: Partition,
    pub(super) position: u64,
    pub(super) time: LogTime,
    pub(super) epoch: u32,
    /// Bytes of the payload as stored.
    pub(super) stored: u32,
    /// Bytes of the payload, uncompressed.
    pub(super) raw: u32,
    /// The low half of the number of its group.
    pub(super) group: u32,
    pub(super) offset: u64,
    pub(super) group_offset: u64,
    /// Sum of the stored payload, not seeded: whoever compresses computes it.
    pub(super) payload_sum: u64,
}

impl RecordHead {
    pub(super) fn encode(&self, seal: Seal) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[8..10].copy_from_slice(&RECORD_MAGIC.to_le_bytes());
        head[10] = self.kind.number();
        let codec: u8 = match self.codec {
            Codec::Plain => 0,
            Codec::Lz4 => 1,
        };
        head[11] = codec | if self.proven { PROVEN } else { 0 };
        head[12..16].copy_from_slice(&self.partition.0.to_le_bytes());
        head[16..24].copy_from_slice(&self.position.to_le_bytes());
        head[24..32].copy_from_slice(&self.time.0.to_le_bytes());
        head[32..36].copy_from_slice(&self.epoch.to_le_bytes());
        head[36..40].copy_from_slice(&self.stored.to_le_bytes());
        head[40..44].copy_from_slice(&self.raw.to_le_bytes());
        head[44..48].copy_from_slice(&self.group.to_le_bytes());
        head[48..52].copy_from_slice(&narrow(self.offset).to_le_bytes());
        head[52..56].copy_from_slice(&narrow(self.group_offset).to_le_bytes());
        head[56..64].copy_from_slice(&self.payload_sum.to_le_bytes());
        let sum = xxh3_64_with_seed(&head[8..], seal.salt);
        head[..8].copy_from_slice(&sum.to_le_bytes());
        head
    }

    /// The head at the beginning of `bytes`, which was read from `offset`, if there is one.
    pub(super) fn read(seal: Seal, offset: u64, bytes: &[u8]) -> Option<Self> {
        let head: &[u8; HEAD] = bytes.first_chunk()?;
        let genuine = field(head, 8) == RECORD_MAGIC.to_le_bytes()
            && u64::from(small(head, 48)) == offset
            && number(head, 0) == xxh3_64_with_seed(&head[8..], seal.salt);
        if !genuine {
            return None;
        }
        let codec = match head[11] & !PROVEN {
            0 => Codec::Plain,
            1 => Codec::Lz4,
            _ => return None,
        };
        let partition = small(head, 12);
        let known = usize::try_from(partition).is_ok_and(|partition| partition < seal.partitions);
        known.then_some(Self {
            kind: Kind::of(head[10])?,
            codec,
            proven: head[11] & PROVEN != 0,
            partition: Partition(partition),
            position: number(head, 16),
            time: LogTime(number(head, 24)),
            epoch: small(head, 32),
            stored: small(head, 36),
            raw: small(head, 40),
            group: small(head, 44),
            offset,
            group_offset: small(head, 52).into(),
            payload_sum: number(head, 56),
        })
    }

    /// Bytes up to where the next record may begin.
    pub(super) fn space(&self) -> u64 {
        record_bytes(usize::try_from(self.stored).unwrap_or(usize::MAX))
    }
}
