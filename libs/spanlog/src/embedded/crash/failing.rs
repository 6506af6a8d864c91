//! Calls that fail: nothing is answered after an error, and what was answered before is there.

use rustix::io::Errno;

use super::{
    explore::live_on,
    history::{Answer, Batch},
    life::Life,
    sim::{CacheAfter, Call, Cut, Fault, How, SimDisk},
    subject::{Subject, refusal},
    workload::{Step, prepared},
};

const STEPS: [Step; 9] = [
    Step::Small,
    Step::Pages,
    Step::Seal,
    Step::Roll,
    Step::Commit,
    Step::Reuse,
    Step::Free,
    Step::Roll,
    Step::Small,
];

/// Runs the steps until something fails.
fn run(life: &mut Life) {
    for step in STEPS {
        if step.run(life).is_err() {
            return;
        }
    }
}

/// A life on a prepared log, with a fault.
fn with_fault(seed: u64, fault: Fault, after: CacheAfter) -> Result<Life, String> {
    let life = prepared(seed)?;
    let life = life.again(None)?;
    life.disk.change(|state| state.cache_after = after);
    life.disk.fail(fault);
    Ok(life)
}

/// How many calls of a kind the steps make.
fn calls(call: Call) -> u64 {
    let mut life = prepared(1).and_then(|life| life.again(None)).unwrap();
    let before = life.disk.calls_of(call);
    for step in STEPS {
        step.run(&mut life).unwrap();
    }
    life.disk.calls_of(call) - before
}

/// The log says no from now on, and leaves the disk alone.
fn check_broken(life: &mut Life) -> Result<(), String> {
    let records = vec![life.spans(0, 10)];
    let Some(log) = &mut life.failed else { return Err("the log did not fail".to_owned()) };
    let before = life.disk.calls();
    let answer = log.send(&Batch { records, ..Batch::default() }, life.now);
    let refused = matches!(&answer, Answer::Failed(told) if told.contains("restart"))
        && log.seal(life.now).is_err();
    let calm = life.disk.calls() == before;
    if refused && calm { Ok(()) } else { Err(format!("it goes on after an error: {answer:?}")) }
}

/// The process starts again, after a kill or a power cut; then the power goes.
fn check_restarts(life: &Life, seed: u64) -> Result<(), String> {
    let ends = [None, Some(Cut::None), Some(Cut::All), Some(Cut::Scattered(seed))];
    for end in ends {
        let mut next = life.again(end).map_err(|what| format!("{end:?}: {what}"))?;
        for cut in [Cut::None, Cut::All, Cut::Scattered(seed + 1)] {
            next.again(Some(cut)).map_err(|what| format!("{end:?}, then {cut:?}: {what}"))?;
        }
        live_on(&mut next)?;
    }
    Ok(())
}

#[test]
fn an_error_of_any_sync_or_write_ends_the_log_and_costs_nothing_answered() {
    for (call, errno) in
        [(Call::Sync, Errno::IO), (Call::Write, Errno::IO), (Call::Write, Errno::ROFS)]
    {
        let count = calls(call);
        assert!(count > 10, "{call:?} {count}");
        for skip in 0..count {
            for after in [CacheAfter::New, CacheAfter::Old] {
                let fault = Fault { call, skip, times: 1, how: How::Error(errno) };
                let mut life = with_fault(skip, fault, after).unwrap();
                run(&mut life);
                assert_eq!(life.disk.struck(), 1);
                let at = |what| panic!("{errno} at {call:?} {skip}, cache {after:?}: {what}");
                check_broken(&mut life).unwrap_or_else(at);
                check_restarts(&life, skip).unwrap_or_else(at);
            }
        }
    }
}

#[test]
fn an_error_that_was_met_in_the_background_ends_the_log() {
    for seed in 0..20 {
        let mut life = prepared(seed).unwrap();
        life.disk.change(|state| {
            for slot in state.list() {
                state.fail_later(slot.number);
            }
        });
        let record = life.spans(0, 100);
        let answer = life.send_records(vec![record]).unwrap();
        assert!(matches!(answer, Some(Answer::Failed(_))), "{answer:?}");
        // Each opening is told of one of them.
        let disk = SimDisk::start(life.left(None));
        let slots = disk.state().list().len();
        let refused = (0..slots).take_while(|_| Subject::open(&disk).is_err()).count();
        assert!(refused > 0 && refused < slots, "{refused} of {slots}");
        Life::start(disk.state(), life.known(), life.ids, life.latest, false).unwrap();
    }
}

#[test]
fn an_error_while_opening_refuses_and_changes_nothing_that_counts() {
    let life = prepared(7).unwrap();
    let mut torn = life.again(None).unwrap();
    let last = torn.spans(0, 3_000);
    torn.disk.fail(Fault { call: Call::Sync, skip: 0, times: 1, how: How::Error(Errno::IO) });
    torn.send_records(vec![last]).unwrap();
    for call in [Call::List, Call::Open, Call::Read, Call::Sync, Call::DropCache, Call::ReadFile] {
        for skip in 0..60 {
            let known = torn.known();
            let disk = SimDisk::start(torn.left(None));
            disk.fail(Fault { call, skip, times: 1, how: How::Error(Errno::IO) });
            let opened = Subject::open(&disk);
            if disk.struck() == 0 {
                opened.map_err(refusal).unwrap();
                break;
            }
            let told = opened.err().expect("an error is told").to_string();
            assert!(told.contains("cannot "), "{told}");
            let state = disk.state().cut(Cut::None);
            Life::start(state, known, torn.ids, torn.latest, false)
                .unwrap_or_else(|what| panic!("{call:?} {skip}: {what}"));
        }
    }
}

#[test]
fn no_room_for_a_slot_refuses_spans_and_nothing_else() {
    let count = calls(Call::Create);
    for skip in 0..count.max(1) {
        let fault = Fault { call: Call::Create, skip, times: 3, how: How::Error(Errno::NOSPC) };
        let mut life = with_fault(skip, fault, CacheAfter::New).unwrap();
        run(&mut life);
        assert!(life.log.is_some(), "a full disk is no failure");
        life.disk.heal();
        let record = life.spans(0, 100);
        let answer = life.send_records(vec![record]).unwrap();
        assert!(answer.is_some_and(|answer| answer.is_complete()), "it goes on by itself");
        check_restarts(&life, skip).unwrap();
    }
}
