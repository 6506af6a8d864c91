//! Long random workloads: many lives of one log, each of which ends at any call.

use fastrand::Rng;

use super::{
    explore::live_on,
    history::Batch,
    life::Life,
    oracle::Oracle,
    seeds::{Runs, runs, with_seeds},
    sim::{CacheAfter, Call, Cut, Fault, How, State, Stop},
    subject::DISK_BOUND,
};
use crate::{position::LogTime, record::RecordKind, topic::TopicName};

/// Logs in the test suite, for each seed.
const LOGS: u64 = 60;

/// Lives of each.
const LIVES: u32 = 8;

/// Calls to the disk in the longest life.
const CALLS: u64 = 150;

/// A life in which anything happens, up to `calls` calls.
pub(super) fn live(life: &mut Life, random: &mut Rng, calls: u64) -> Result<(), String> {
    let at = life.disk.calls() + random.u64(1..calls);
    life.disk.stop(if random.bool() { Stop::Before(at) } else { Stop::Within(at) });
    for (call, how, one_in) in [
        (Call::Write, How::Short, 3),
        (Call::Write, How::Error(rustix::io::Errno::INTR), 3),
        (Call::Read, How::Error(rustix::io::Errno::INTR), 3),
        (Call::Sync, How::Error(rustix::io::Errno::IO), 8),
        (Call::Write, How::Error(rustix::io::Errno::IO), 16),
        (Call::Create, How::Error(rustix::io::Errno::NOSPC), 3),
    ] {
        if random.u32(..one_in) == 0 {
            life.disk.fail(Fault { call, skip: random.u64(..calls / 4), times: 1, how });
        }
    }
    let after = if random.bool() { CacheAfter::New } else { CacheAfter::Old };
    life.disk.change(|state| state.cache_after = after);
    if random.bool() {
        life.run(|log| log.fill_reserve())?;
    }
    while life.log.is_some() && !life.disk.has_stopped() {
        act(life, random)?;
        let used = life.disk.state().used();
        if used > DISK_BOUND {
            return Err(format!("{used} bytes are on the disk, {DISK_BOUND} is the bound"));
        }
    }
    Ok(())
}

/// Does anything.
fn act(life: &mut Life, random: &mut Rng) -> Result<(), String> {
    match random.u32(..100) {
        0..60 => {
            let records = (0..random.usize(1..4)).map(|_| any_record(life, random)).collect();
            let mut batch = Batch { records, ..Batch::default() };
            if random.u32(..4) == 0 {
                batch.checkpoints.push(life.finished(random.u32(..2), random.u64(..5)));
            }
            life.send(batch)?;
        }
        60..72 => {
            life.finish(random.u64(..3))?;
        }
        72..84 => life.free()?,
        84..90 => life.seal()?,
        90..94 => life.run(|log| log.give_back().map(|_| ()).or(Ok(())))?,
        94..97 => life.open()?,
        97..99 => life.now = life.now.plus(random.u64(..20_000)),
        _ => life.now = life.now.minus(random.u64(..20_000)),
    }
    Ok(())
}

fn any_record(life: &mut Life, random: &mut Rng) -> super::history::Sent {
    let (topic, kind) = *random
        .choice(&[
            (TopicName::Spans, RecordKind::Spans),
            (TopicName::Spans, RecordKind::Spans),
            (TopicName::Spans, RecordKind::Tick),
            (TopicName::Decisions, RecordKind::Decisions),
            (TopicName::DeadLetters, RecordKind::DeadLetter),
        ])
        .expect("there are some");
    let len = match random.u32(..3) {
        _ if kind == RecordKind::Tick => 0,
        0 => random.usize(..200),
        1 => random.usize(..5_000),
        _ => random.usize(6_000..7_500),
    };
    life.record(topic, random.u32(..2), kind, len)
}

/// How a life ends: a kill, or a power cut of any kind.
pub(super) fn any_end(life: &Life, random: &mut Rng) -> Option<Cut> {
    let unsynced = life.disk.state().unsynced().max(1);
    Some(match random.u32(..10) {
        0..3 => return None,
        3 => Cut::None,
        4 => Cut::All,
        5 => Cut::Without(random.usize(..unsynced)),
        6 => Cut::Alone(random.usize(..unsynced)),
        _ => Cut::Scattered(random.u64(..)),
    })
}

/// Lives `lives` lives of one log; gives the last one.
pub(super) fn lives(state: State, seed: u64, lives: u32, calls: u64) -> Result<Life, String> {
    let mut random = Rng::with_seed(seed);
    let mut life = Life::start(state, Oracle::default(), 0, LogTime(100_000), false)?;
    for number in 0..lives {
        let at = |what| format!("life {number}: {what}");
        live(&mut life, &mut random, calls).map_err(at)?;
        let end = any_end(&life, &mut random);
        let next = life.again(end).map_err(|what| {
            let last = life.events.len().saturating_sub(4);
            at(format!("{what}\n  {end:?} after {:#?}", &life.events[last..]))
        });
        life = next?;
    }
    Ok(life)
}

/// An empty disk that does more or less by itself.
fn any_disk(seed: u64) -> State {
    let mut state = State::new(seed);
    state.restless = [0, 16, 128][usize::try_from(seed % 3).unwrap_or_default()];
    state
}

/// L1 to L9 hold through many lives.
#[test]
fn long_workloads_survive_a_stop_at_any_call() {
    let times = match runs() {
        Runs::Times(times) => times,
        Runs::All => 100,
    };
    with_seeds(|seed| {
        for number in 0..LOGS * times {
            let own = seed.wrapping_mul(1_000_003).wrapping_add(number);
            let mut last = lives(any_disk(own), own, LIVES, CALLS)
                .map_err(|what| format!("log {number}: {what}"))?;
            live_on(&mut last).map_err(|what| format!("log {number}: {what}"))?;
        }
        Ok(())
    });
}

/// Power-cut and killed 1,000 times, nothing acknowledged is lost, and it opens each time.
#[test]
fn a_log_lives_a_thousand_lives() {
    with_seeds(|seed| lives(any_disk(seed), seed, 1_000, CALLS).map(|_| ()));
}
