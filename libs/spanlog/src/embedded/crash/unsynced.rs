//! A log that does not wait for the disk: a power cut leaves a beginning of what was sent, and
//! never holes.

use fastrand::Rng;

use super::{
    history::{Batch, Sent},
    seeds::with_seeds,
    seen::{Item, Seen},
    sim::{Cut, SimDisk, State},
    subject::{Subject, refusal},
};
use crate::{
    position::{LogTime, Partition},
    record::RecordKind,
    topic::TopicName,
};

/// Logs for each seed.
const LOGS: u64 = 30;

/// Records of each.
const RECORDS: u32 = 24;

fn span(id: u32, len: usize) -> Sent {
    let partition = Partition(id % 2);
    Sent { id, topic: TopicName::Spans, partition, kind: RecordKind::Spans, len }
}

/// Writes records of which some are synced; gives the disk, and how many surely are.
fn written(random: &mut Rng) -> Result<(SimDisk, u32), String> {
    let mut state = State::new(random.u64(..));
    state.restless = random.u8(..);
    let disk = SimDisk::start(state);
    let mut log = Subject::open_with(&disk, |options| options.sync = false).map_err(refusal)?;
    let mut synced = 0;
    for id in 1..=RECORDS {
        let records = vec![span(id, random.usize(..6_000))];
        let answer =
            log.send(&Batch { records, ..Batch::default() }, LogTime(1_000 + u64::from(id)));
        if !answer.is_complete() {
            return Err(format!("not taken: {answer:?}"));
        }
        if random.u32(..8) == 0 {
            log.sync()?;
            synced = id;
        }
    }
    Ok((disk, synced))
}

/// How many records are there, which must be the first ones.
fn count(seen: &Seen) -> Result<u32, String> {
    let items = seen.items.values().flatten();
    let mut ids: Vec<u32> = items
        .map(|item| match item {
            Item::Frame(frame) => Ok(frame.epoch),
            Item::Damaged(position, detail) => Err(format!("{position} is told lost: {detail}")),
        })
        .collect::<Result<_, _>>()?;
    ids.sort_unstable();
    let there = u32::try_from(ids.len()).map_err(|error| error.to_string())?;
    let whole = ids.iter().copied().eq(1..=there) && seen.told.is_empty();
    if whole { Ok(there) } else { Err(format!("{ids:?} are there, {:?} is told", seen.told)) }
}

#[test]
fn a_power_cut_leaves_a_beginning_of_what_was_not_synced() {
    with_seeds(|seed| {
        let mut random = Rng::with_seed(seed);
        for _ in 0..LOGS {
            let (disk, synced) = written(&mut random)?;
            let state = disk.state();
            for cut in Cut::all(state.unsynced(), 4, random.u64(..)) {
                let at = |what| format!("{cut:?}: {what}");
                let disk = SimDisk::start(state.cut(cut));
                let first = count(&Subject::open(&disk).map_err(refusal)?.seen()?).map_err(at)?;
                if first < synced {
                    return Err(format!("{cut:?}: {first} of {synced} are there"));
                }
                let mut log = Subject::open(&disk).map_err(refusal)?;
                let records = vec![span(first + 1, 100)];
                let answer = log.send(&Batch { records, ..Batch::default() }, LogTime(5_000));
                drop(log);
                let disk = SimDisk::start(disk.state().cut(Cut::None));
                let then = count(&Subject::open(&disk).map_err(refusal)?.seen()?).map_err(at)?;
                if !answer.is_complete() || then != first + 1 {
                    return Err(format!("{cut:?}: {then} after {first} and another: {answer:?}"));
                }
            }
        }
        Ok(())
    });
}
