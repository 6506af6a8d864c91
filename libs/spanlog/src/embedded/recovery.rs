//! What a store holds when it is opened.

use fjall::Keyspace;

use super::{
    checkpoints::{checkpoint_key, decode_checkpoint},
    codec,
    error::OpenError,
    settings::Settings,
    slices::{Slice, Slices, Span, join_spans, parse_slice_name},
    store::Store,
};
use crate::{
    position::{LogTime, Partition},
    reader::Checkpoint,
    topic::TopicName,
};

/// All that is known about a log that was just opened.
pub(super) struct Recovered {
    pub(super) slices: Slices,
    /// The next position of each partition, by topic.
    pub(super) next: [Vec<u64>; 3],
    pub(super) checkpoints: Vec<Option<Checkpoint>>,
    /// The newest append time.
    pub(super) newest: LogTime,
}

/// Where the newest slice of a topic begins, as stored with its first records: positions and
/// times go on from there when nothing else is left.
pub(super) struct Base {
    pub(super) time: LogTime,
    pub(super) next: Vec<u64>,
}

/// One slice as found: what it holds of each partition, and from when it is.
struct Found {
    id: u64,
    keyspace: Keyspace,
    spans: Vec<Option<Span>>,
    first_time: LogTime,
    last_time: LogTime,
}

/// Looks through `store`.
///
/// # Errors
/// [`OpenError::Damaged`] when records are missing or do not decode; with `accept_loss` only when
/// nothing can be read at all.
pub(super) fn recover(
    store: &Store,
    path: &std::path::Path,
    settings: &Settings,
) -> Result<Recovered, OpenError> {
    let damaged = |detail| OpenError::Damaged { path: path.to_owned(), detail };
    let count = usize::try_from(settings.partitions).unwrap_or(1);
    let mut found: [Vec<Found>; 3] = [const { Vec::new() }; 3];
    for name in store.names() {
        let Some((topic, id)) = parse_slice_name(&name) else { continue };
        let keyspace = store.keyspace(&name).map_err(|error| damaged(format!("{error:?}")))?;
        found[topic.index()].push(look_through(topic, id, keyspace, count).map_err(damaged)?);
    }
    let mut recovered = Recovered {
        slices: Slices::default(),
        next: [const { Vec::new() }; 3],
        checkpoints: read_checkpoints(store, settings.partitions).map_err(damaged)?,
        newest: LogTime(0),
    };
    for (topic, mut found) in TopicName::ALL.into_iter().zip(found) {
        found.sort_by_key(|slice| slice.id);
        let base = read_base(store, topic, count).map_err(damaged)?;
        let mut next = base.next;
        for slice in &found {
            for (next, span) in next.iter_mut().zip(&slice.spans) {
                *next = span.map_or(*next, |span| span.end.max(*next));
            }
            recovered.newest = recovered.newest.max(slice.last_time);
        }
        recovered.newest = recovered.newest.max(base.time);
        let spans: Vec<_> = found.iter().map(|slice| slice.spans.clone()).collect();
        let (spans, missing) = join_spans(&spans, &next);
        if let Some(missing) = missing.filter(|_| !settings.accept_loss) {
            return Err(damaged(format!("{missing} from {topic}")));
        }
        *recovered.slices.of_mut(topic) =
            found.into_iter().zip(spans).map(|(found, spans)| found.into_slice(spans)).collect();
        recovered.next[topic.index()] = next;
    }
    Ok(recovered)
}

impl Found {
    fn into_slice(self, spans: Vec<Span>) -> Slice {
        Slice {
            id: self.id,
            bytes: self.keyspace.disk_space(),
            // Whatever the journal gave back is in memory only.
            unflushed_since: Some(0),
            // A new slice is begun, so that what was there dies as soon as it is finished.
            sealed: true,
            keyspace: self.keyspace,
            spans,
            first_time: self.first_time,
            last_time: self.last_time,
        }
    }
}

/// The first and last record of each partition in a slice.
fn look_through(
    topic: TopicName,
    id: u64,
    keyspace: Keyspace,
    partitions: usize,
) -> Result<Found, String> {
    let mut spans = vec![None; partitions];
    let (mut first_time, mut last_time) = (LogTime(u64::MAX), LogTime(0));
    for (partition, span) in (0_u32..).map(Partition).zip(&mut spans) {
        let range = codec::key(topic, partition, 0)..codec::key(topic, partition, u64::MAX);
        let mut entries = keyspace.range(range);
        let Some(first) = entries.next() else { continue };
        let (first, time) = position_and_time(first)?;
        first_time = first_time.min(time);
        // An iterator from both ends gives the only record once.
        let (last, time) = entries.next_back().map_or(Ok((first, time)), position_and_time)?;
        last_time = last_time.max(time);
        *span = Some(Span { first, end: last + 1 });
    }
    Ok(Found { id, keyspace, spans, first_time, last_time })
}

fn position_and_time(entry: fjall::Guard) -> Result<(u64, LogTime), String> {
    let (key, value) =
        entry.into_inner().map_err(|error| format!("a record cannot be read ({error})"))?;
    let position = codec::position_of(&key).ok_or("a key is too short")?;
    let header = codec::header(&key, &value)
        .map_err(|detail| format!("record {position} is damaged: {detail}"))?;
    Ok((position, header.time))
}

fn read_checkpoints(store: &Store, partitions: u32) -> Result<Vec<Option<Checkpoint>>, String> {
    let read = |partition| match store.meta.get(checkpoint_key(partition)) {
        Ok(None) => Ok(None),
        Ok(Some(value)) => decode_checkpoint(&value)
            .map(Some)
            .ok_or_else(|| format!("the checkpoint of partition {partition} is too short")),
        Err(error) => Err(format!("checkpoints cannot be read ({error})")),
    };
    (0..partitions).map(Partition).map(read).collect()
}

/// The key of a topic's base in the store.
pub(super) fn base_key(topic: TopicName) -> Vec<u8> {
    format!("base/{topic}").into_bytes()
}

/// A base as it is stored: numbers of 8 bytes, little-endian.
pub(super) fn encode_base(base: &Base) -> Vec<u8> {
    std::iter::once(&base.time.0)
        .chain(&base.next)
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

fn read_base(store: &Store, topic: TopicName, partitions: usize) -> Result<Base, String> {
    let stored = store
        .meta
        .get(base_key(topic))
        .map_err(|error| format!("the positions of {topic} cannot be read ({error})"))?;
    let Some(stored) = stored else {
        return Ok(Base { time: LogTime(0), next: vec![0; partitions] });
    };
    let numbers: Vec<u64> =
        stored.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    match numbers.split_first() {
        Some((&time, next)) if next.len() == partitions => {
            Ok(Base { time: LogTime(time), next: next.to_vec() })
        }
        _ => Err(format!("the positions of {topic} are not those of {partitions} partitions")),
    }
}
