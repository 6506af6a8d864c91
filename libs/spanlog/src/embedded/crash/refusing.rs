//! What is not opened, and the words for it. Nothing is deleted.

use super::{
    life::Life,
    sim::{Call, Cut, SimDisk, State},
    subject::{SLOT, Subject},
    workload::{Step, prepared},
};

fn log() -> Life {
    let mut life = prepared(5).unwrap();
    for step in [Step::Roll, Step::Roll, Step::Seal] {
        step.run(&mut life).unwrap();
    }
    life.again(Some(Cut::None)).unwrap()
}

/// Opens `state`; gives the words of the refusal.
fn refusal(state: State) -> String {
    let before = state.list();
    let disk = SimDisk::start(state);
    let told = Subject::open(&disk).err().map_or_else(String::new, |fault| fault.to_string());
    let changes = [Call::Write, Call::Create, Call::SetLen, Call::Unlink, Call::Replace];
    for call in changes.into_iter().filter(|_| !told.is_empty()) {
        assert_eq!(disk.calls_of(call), 0, "{call:?} by a log that does not open: {told}");
    }
    assert_eq!(disk.state().list(), before);
    told
}

#[track_caller]
fn assert_told(state: State, words: &[&str]) {
    let told = refusal(state);
    for word in words {
        assert!(told.contains(word), "`{told}` does not say `{word}`");
    }
    assert!(!told.is_empty());
}

/// The slot of each living segment but the newest ones: removing it alone is noticed.
fn refused_without(life: &Life, change: impl Fn(&mut State, u32)) -> usize {
    let state = life.left(Some(Cut::None));
    let mut refused = 0;
    for slot in state.list() {
        let mut changed = state.clone();
        change(&mut changed, slot.number);
        let told = refusal(changed.clone());
        if told.is_empty() {
            // Then nothing is missing that was acknowledged, unless it was the newest segment,
            // which only `marks` could tell.
            continue;
        }
        assert!(told.contains("missing or cut short") && told.contains("spans"), "{told}");
        refused += 1;
        let disk = SimDisk::start(changed);
        Subject::open_with(&disk, |options| options.accept_loss = true)
            .map_err(super::subject::refusal)
            .unwrap();
    }
    refused
}

#[test]
fn a_slot_that_is_removed_or_cut_short_is_missed() {
    let life = log();
    assert!(refused_without(&life, State::remove_slot) >= 3);
    for len in [0, 512, SLOT - 4_096] {
        assert!(refused_without(&life, |state, slot| state.truncate_slot(slot, len)) >= 3);
    }
}

#[test]
fn marks_miss_the_newest_segment() {
    let life = log();
    let state = life.left(Some(Cut::None));
    let marks = |newest: u64| {
        let text = format!("wholetrace marks\nspans {newest}\ndecisions 0\ndead_letters 0\nend\n");
        let mut state = state.clone();
        state.set_small_file("marks", Some(text.into_bytes()));
        state
    };
    assert_told(marks(1_000), &["missing or cut short", "spans"]);
    assert_eq!(refusal(marks(1)), "");
    let mut state = marks(1);
    state.set_small_file("marks", Some(b"nonsense".to_vec()));
    assert_eq!(refusal(state), "", "marks that cannot be read are no proof of anything");
}

#[test]
fn a_format_that_is_missing_or_strange_is_refused() {
    let life = log();
    let state = life.left(Some(Cut::None));
    let with = |content: Option<&[u8]>| {
        let mut state = state.clone();
        state.set_small_file("format", content.map(<[u8]>::to_vec));
        state
    };
    assert_told(with(None), &["`format` is missing", "slots"]);
    assert_told(with(Some(b"nonsense\n")), &["first line"]);
    let text = String::from_utf8(state.small_file("format").unwrap()).unwrap();
    let newer = text.replace("version 2", "version 77");
    assert_told(with(Some(newer.as_bytes())), &["77"]);
    let other = text.replace("partitions 2", "partitions 3");
    assert_told(with(Some(other.as_bytes())), &["3 partitions"]);
}

#[test]
fn a_slot_of_another_log_is_refused() {
    let (life, other) = (log(), prepared(99).unwrap());
    let (state, other) = (life.left(Some(Cut::None)), other.left(Some(Cut::None)));
    let mut refused = 0;
    for slot in state.list() {
        for from in other.list() {
            let mut swapped = state.clone();
            swapped.take_slot(slot.number, &other, from.number);
            let told = refusal(swapped);
            refused += usize::from(told.contains("belongs to another log"));
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn slots_that_change_places_are_still_found() {
    let life = log();
    let state = life.left(Some(Cut::None));
    let slots = state.list();
    let mut swapped = state.clone();
    swapped.take_slot(slots[0].number, &state, slots[1].number);
    swapped.take_slot(slots[1].number, &state, slots[0].number);
    Life::start(swapped, life.known(), life.ids, life.latest, false).unwrap();
}
