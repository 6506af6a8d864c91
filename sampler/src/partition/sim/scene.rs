//! What a world is like.

use std::sync::Arc;

use fastrand::Rng;
use wholetrace_spanlog::Partition;

use crate::{
    partition::settings::Settings,
    policy::PolicySet,
    testing::{self, Span},
};

pub(super) const WAIT: u32 = 1000;

/// How often things go wrong, in a thousand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    pub(super) crash: u32,
    pub(super) zombie: u32,
    pub(super) append: u32,
    pub(super) refuse: u32,
    pub(super) reload: u32,
    pub(super) outage: u32,
}

/// Bounds, traffic and faults of one world.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) settings: Settings,
    pub(super) cache: usize,
    pub(super) faults: Faults,
    /// The frames to come.
    pub(super) frames: Vec<Vec<Span>>,
    /// Whether decisions can be forgotten for want of room.
    pub(super) forgetful: bool,
    /// Whether every owner has policies of its own.
    pub(super) quarrel: bool,
}

impl Scene {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let forgetful = rng.u8(..4) == 0;
        let quarrel = rng.u8(..3) == 0;
        let settings = Settings {
            partition: Partition(3),
            owner: 0,
            epoch: 0,
            exporters: (0..rng.usize(1..=3)).map(|i| format!("e{i}")).collect(),
            decision_wait: WAIT,
            decision_wait_after_root: *pick(rng, &[0, 0, 1, 300, 2000]),
            decision_retention: *pick(rng, &[0, 700, 5000, 1_000_000]),
            max_decisions: if forgetful { *pick(rng, &[4, 16]) } else { 10_000 },
            max_open_traces: *pick(rng, &[1, 4, 10_000, 10_000]),
            read_ahead: *pick(rng, &[0, 500, 3000, 100_000]),
            max_unfinished_bytes: *pick(rng, &[1, 300, 1 << 20]),
            max_piece_bytes: *pick(rng, &[1, 200, 1 << 20]),
            refetch_bytes: *pick(rng, &[1, 300, 1 << 20]),
            hash_seed: rng.u64(..),
        };
        let calm = rng.u8(..5) == 0;
        let mut rate = |rates: &[u32]| if calm { 0 } else { *pick(rng, rates) };
        let faults = Faults {
            crash: rate(&[0, 2, 10, 60]),
            zombie: rate(&[0, 0, 2, 20]),
            append: rate(&[0, 100, 500]),
            refuse: rate(&[0, 0, 50]),
            reload: rate(&[0, 0, 10]),
            outage: rate(&[0, 0, 5]),
        };
        let cache = *pick(rng, &[0, 400, 4000, 1 << 20]);
        Self { settings, cache, faults, frames: traffic(rng), forgetful, quarrel }
    }
}

pub(super) fn pick<'a, T>(rng: &mut Rng, among: &'a [T]) -> &'a T {
    &among[rng.usize(..among.len())]
}

/// Spans of a few dozen traces in random order, near each other as a rule, and some late ones.
fn traffic(rng: &mut Rng) -> Vec<Vec<Span>> {
    let traces = rng.usize(1..40);
    let mut spans = Vec::new();
    let mut id = 0;
    for trace in 0..traces {
        let key = rng.u64(..);
        let failing = rng.u8(..4) == 0;
        let old = rng.u8(..4) == 0;
        let begin = trace * 100;
        for number in 0..rng.usize(1..7) {
            id += 1;
            let when = begin + if rng.u8(..6) == 0 { rng.usize(..4000) } else { rng.usize(..300) };
            let (root, error) = (number == 0 && rng.bool(), failing && rng.u8(..3) == 0);
            let end_ms = if old { rng.u64(990_000..1_000_000) } else { 0 };
            spans.push((when, Span { key, id, root, error, end_ms }));
        }
    }
    spans.sort_by_key(|(when, _)| *when);
    let mut frames = Vec::new();
    let mut rest = spans.iter().map(|(_, span)| *span).peekable();
    while rest.peek().is_some() {
        frames.push(rest.by_ref().take(rng.usize(1..8)).collect());
    }
    frames
}

/// Policies that keep all errors and some per cent of the rest.
pub(super) fn policies(percent: u32) -> Arc<PolicySet> {
    testing::policies("1s", percent)
}
