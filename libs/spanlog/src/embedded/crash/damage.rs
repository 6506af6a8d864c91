//! Latent damage anywhere: what it hits is told, everything else is there.

use fastrand::Rng;

use super::{
    history::Sent,
    life::Life,
    oracle::Harm,
    seeds::with_seeds,
    seen::{Item, Seen},
    sim::{Cut, Damage, SECTOR, SimDisk, State},
    subject::{SLOT, Subject, refusal},
    workload::{Step, prepared},
};
use crate::{embedded::disk::Disk, record::RecordKind, topic::TopicName};

/// A log with several segments, the last group of which is proven.
fn sealed(seed: u64) -> Result<Life, String> {
    let mut life = prepared(seed)?;
    for step in [Step::Roll, Step::Commit, Step::Small, Step::Pages, Step::Small, Step::Roll] {
        step.run(&mut life)?;
    }
    for len in [50, 3_000, 90] {
        let records = vec![
            life.record(TopicName::Decisions, 0, RecordKind::Decisions, len),
            life.record(TopicName::DeadLetters, 1, RecordKind::DeadLetter, len),
            life.spans(1, len),
        ];
        life.send_records(records)?;
    }
    life.seal()?;
    // A clean start leaves nothing in memory that the disk lacks.
    life.again(Some(Cut::None))
}

fn bytes_of(state: &State, slot: u32) -> Vec<u8> {
    let disk = SimDisk::start(state.clone());
    let file = disk.open_slot(slot).unwrap();
    let mut bytes = vec![0; usize::try_from(SLOT).unwrap()];
    disk.read_at(&file, &mut bytes, 0).unwrap();
    bytes
}

/// The sectors that the record takes in `bytes`, its head included.
fn place(bytes: &[u8], sent: &Sent) -> Option<std::ops::Range<usize>> {
    let payload = sent.payload();
    let at = (4_096..bytes.len() - payload.len()).step_by(64);
    let mut found = at.filter(|&at| bytes[at..].starts_with(&payload));
    let at = found.next()?;
    Some((at - 64) / SECTOR..(at + payload.len()).div_ceil(SECTOR))
}

/// Damage of any kind, and the sectors that it hits.
fn any_damage(random: &mut Rng) -> (Damage, Vec<usize>) {
    let sectors = usize::try_from(SLOT).unwrap() / SECTOR;
    let first = random.usize(..sectors);
    let count = if random.bool() { 1 } else { 8 };
    let first = if count == 8 { first & !7 } else { first };
    let hit: Vec<usize> = (first..first + count).collect();
    match random.u32(..5) {
        0 => {
            let offset = random.usize(..sectors * SECTOR);
            (Damage::Flip { offset, mask: 1 << random.u32(..8) }, vec![offset / SECTOR])
        }
        1 => (Damage::Zeros { first, count }, hit),
        2 => {
            let other = random.usize(..sectors);
            (Damage::Swap { one: first, other }, vec![first, other])
        }
        3 => (Damage::Shift { first, count }, hit),
        // The whole page cannot be read then.
        _ => {
            (Damage::Unreadable { first: first & !7, count: 8 }, ((first & !7)..).take(8).collect())
        }
    }
}

/// Whether both copies of the header are hit: only `marks` could tell then.
fn loses_the_slot(hit: &[usize]) -> bool {
    let last = usize::try_from(SLOT).unwrap() / SECTOR - 8;
    hit.iter().any(|&sector| sector < 8) && hit.iter().any(|&sector| sector >= last)
}

/// Opens a damaged log. What is lost must have been hit, and each loss is told.
fn check(life: &Life, slot: u32, damage: Damage, hit: &[usize]) -> Result<(), String> {
    let mut state = life.left(Some(Cut::None));
    let bytes = bytes_of(&state, slot);
    state.damage(slot, damage);
    let disk = SimDisk::start(state);
    let log = match Subject::open(&disk) {
        // A header or the newest segment that cannot be read is refused: it may pass.
        Err(fault) if matches!(damage, Damage::Unreadable { .. }) => {
            let told = fault.to_string();
            return if told.contains("cannot read") { Ok(()) } else { Err(told) };
        }
        opened => opened.map_err(refusal)?,
    };
    let seen = Seen { now: life.latest, ..log.seen()? };
    let mut oracle = life.known();
    let before: Vec<_> = oracle.stored().collect();
    oracle.check(&seen, Harm::Damage)?;
    let lost = before.into_iter().filter(|(position, sent)| {
        let items = &seen.items[&(sent.topic, sent.partition)];
        items.iter().any(|item| matches!(item, Item::Damaged(at, _) if at == position))
    });
    for (_, sent) in lost {
        // Payloads that compress are not found byte for byte.
        if let Some(place) = place(&bytes, &sent).filter(|_| sent.len > 0)
            && !hit.iter().any(|sector| place.contains(sector))
        {
            return Err(format!("{sent:?} is lost, which lies in {place:?}"));
        }
    }
    drop(log);
    goes_on(life, disk.state(), oracle)
}

/// The log takes more, at positions that were never given, and has it after a power cut.
fn goes_on(life: &Life, state: State, oracle: super::oracle::Oracle) -> Result<(), String> {
    let disk = SimDisk::start(state);
    let mut log = Subject::open(&disk).map_err(refusal)?;
    let mut oracle = oracle;
    let records = (0..2).map(|partition| Sent {
        id: life.ids + 1 + partition,
        topic: TopicName::Spans,
        partition: crate::position::Partition(partition),
        kind: RecordKind::Spans,
        len: 100,
    });
    let batch = super::history::Batch { records: records.collect(), ..Default::default() };
    let answer = log.send(&batch, life.latest);
    if !answer.is_complete() {
        return Err(format!("it takes no more: {answer:?}"));
    }
    oracle.take(&super::history::Event::Sent(batch))?;
    oracle.take(&super::history::Event::Answered(answer))?;
    drop(log);
    let disk = SimDisk::start(disk.state().cut(Cut::None));
    let log = Subject::open(&disk).map_err(refusal)?;
    oracle.check(&Seen { now: life.latest, ..log.seen()? }, Harm::Damage)
}

#[test]
fn damage_anywhere_costs_what_it_hits_and_is_told() {
    with_seeds(|seed| {
        let mut random = Rng::with_seed(seed);
        for _ in 0..10 {
            let life = sealed(random.u64(..))?;
            let slots = life.disk.state().list();
            for _ in 0..60 {
                let slot = random.choice(&slots).expect("there are slots").number;
                let (damage, hit) = any_damage(&mut random);
                if loses_the_slot(&hit) {
                    continue;
                }
                check(&life, slot, damage, &hit)
                    .map_err(|what| format!("slot {slot} {damage:?}: {what}"))?;
            }
        }
        Ok(())
    });
}

#[test]
fn a_segment_without_headers_is_known_by_the_one_behind_it() {
    let life = sealed(3).unwrap();
    let last = usize::try_from(SLOT).unwrap() / SECTOR - 8;
    let mut mended = 0;
    for slot in life.disk.state().list() {
        let mut state = life.left(Some(Cut::None));
        for first in [0, last] {
            state.damage(slot.number, Damage::Zeros { first, count: 8 });
        }
        let disk = SimDisk::start(state);
        let Ok(log) = Subject::open(&disk) else { continue };
        let seen = Seen { now: life.latest, ..log.seen().unwrap() };
        mended += usize::from(life.known().check(&seen, Harm::None).is_ok());
    }
    // The free slots, and all segments but the newest of each stream.
    let slots = life.disk.state().list().len();
    assert!(mended >= slots - 3, "{mended} of {slots}");
}

/// A device that says Ok and keeps nothing: what is left is true, whatever it is.
#[test]
fn nothing_false_is_read_from_a_device_that_lied() {
    for seed in 0..40 {
        let life = sealed(seed).unwrap();
        let mut life = life.again(None).unwrap();
        life.disk.change(|state| state.lying = true);
        for step in [Step::Small, Step::Roll, Step::Pages, Step::Free, Step::Roll] {
            step.run(&mut life).unwrap();
        }
        let disk = SimDisk::start(life.left(Some(Cut::Scattered(seed))));
        if let Ok(log) = Subject::open(&disk) {
            let seen = Seen { now: life.latest, ..log.seen().unwrap() };
            life.known().check(&seen, Harm::Lies).unwrap();
        }
    }
}
