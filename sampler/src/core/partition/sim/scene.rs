//! What a world is like.

use std::sync::Arc;

use fastrand::Rng;
use wholetrace_spanlog::Partition;

use crate::{
    core::partition::settings::{Bounds, Settings},
    policy::PolicySet,
    testing::{self, Span},
};

/// The time at which every world begins, in milliseconds.
pub(super) const BEGIN: u64 = 100_000_000;
/// The most that passes at a time while traffic comes in, in milliseconds.
pub(super) const PASSES: u64 = 500;

/// The budget of the policies.
pub(super) const LIMITED: &str = "limited";

/// How often things go wrong, in a thousand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    pub(super) crash: u32,
    pub(super) zombie: u32,
    pub(super) append: u32,
    pub(super) refuse: u32,
    pub(super) reload: u32,
    pub(super) outage: u32,
    /// Bounds change, and others take room in the window cache.
    pub(super) bounds: u32,
    /// The logs delete what is old, released or not.
    pub(super) trim: u32,
}

/// How the clock of the log is wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockFaults {
    /// How often it is set, in a thousand records, and how far ahead at most.
    pub(super) set: u32,
    pub(super) ahead: u64,
    /// How often a single record has another time, in a thousand, and how far ahead at most.
    pub(super) rogue: u32,
    pub(super) rogue_ahead: u64,
}

/// Bounds, traffic and faults of one world.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) settings: Settings,
    pub(super) cache: usize,
    pub(super) faults: Faults,
    pub(super) clock: ClockFaults,
    /// How often what a commit says beside its position is lost, in a hundred.
    pub(super) metadata_lost: u32,
    /// How many of the frames to come do so while one of several exporters is away for long.
    pub(super) in_outage: usize,
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
            decision_wait: *pick(rng, &[0, 1, 200, 1000, 1000, 1000, 4000]),
            decision_wait_after_root: *pick(rng, &[0, 0, 1, 300, 2000]),
            decision_retention: *pick(rng, &[0, 700, 5000, 1_000_000]),
            bounds: Bounds {
                max_decisions: if forgetful { *pick(rng, &[0, 4, 16]) } else { 10_000 },
                max_open_traces: *pick(rng, &[1, 4, 10_000, 10_000]),
                max_recent_spans: *pick(rng, &[0, 1, 20, 10_000]),
                max_unfinished_bytes: *pick(rng, &[1, 300, 1 << 20]),
                refetch_bytes: *pick(rng, &[1, 300, 1 << 20]),
            },
            read_ahead: *pick(rng, &[0, 500, 3000, 100_000]),
            max_piece_bytes: *pick(rng, &[1, 200, 1 << 20]),
            stopwatch: None,
            recording: crate::policy::Recording::default(),
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
            bounds: rate(&[0, 0, 0, 20]),
            trim: rate(&[0, 0, 0, 0, 5, 20]),
        };
        let clock = ClockFaults {
            set: rate(&[0, 0, 30, 10]),
            rogue: rate(&[0, 0, 20, 60]),
            ahead: *pick(rng, &[3, 50, 1_500, 40_000, 10_800_000]),
            rogue_ahead: *pick(rng, &[2_000, 3_600_000]),
        };
        let metadata_lost = if calm { 0 } else { *pick(rng, &[0, 0, 0, 0, 30, 100]) };
        let cache = *pick(rng, &[0, 400, 4000, 1 << 20]);
        let frames = traffic(rng);
        let lasting = settings.exporters.len() > 1 && rng.bool();
        let in_outage = if lasting { rng.usize(..=frames.len()) } else { 0 };
        Self {
            in_outage,
            settings,
            cache,
            faults,
            clock,
            metadata_lost,
            frames,
            forgetful,
            quarrel,
        }
    }
}

impl Scene {
    /// What it is like, for people.
    pub(super) fn described(&self) -> String {
        let Self { settings, cache, faults, clock, metadata_lost, forgetful, quarrel, .. } = self;
        format!(
            "{settings:?} {faults:?} {clock:?} cache {cache}, metadata lost {metadata_lost}, \
             forgetful {forgetful}, quarrel {quarrel}"
        )
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
    // Senders whose answers are lost, in some worlds: some of what they send comes again.
    let copied = *pick(rng, &[0, 0, 5, 40]);
    for trace in 0..traces {
        let key = rng.u64(..);
        let failing = rng.u8(..4) == 0;
        let old = rng.u8(..4) == 0;
        let of_its_kind = rng.u8(..12);
        // Of some traces a part has ids of 64 bits; few have ids that agree in the low half only.
        let (long, colliding) = (rng.u8(..3), rng.u8(..20) == 0);
        let high = rng.u64(1..);
        let begin = trace * 100;
        for number in 0..rng.usize(1..7) {
            id += 1;
            let when = begin + if rng.u8(..6) == 0 { rng.usize(..4000) } else { rng.usize(..300) };
            let (root, error) = (number == 0 && rng.bool(), failing && rng.u8(..3) == 0);
            let end_ms = if old { BEGIN - rng.u64(0..10_000) } else { 0 };
            let start_ms = end_ms.saturating_sub(rng.u64(0..600));
            // Some clocks are wrong.
            let end_ms = match rng.u8(..20) {
                0 => BEGIN + rng.u64(0..10_800_000),
                1 => u64::MAX / 1_000_000,
                2 => end_ms / 1000,
                _ => end_ms,
            };
            let (gold, noise, priority) = (of_its_kind == 0, of_its_kind == 1, of_its_kind == 2);
            let [gold, noise, priority] = [gold, noise, priority].map(|has| has && rng.bool());
            let id_high = match long {
                0 => high ^ u64::from(colliding && rng.bool()),
                1 if rng.bool() => high,
                _ => 0,
            };
            let span =
                Span { key, id_high, id, root, error, start_ms, end_ms, gold, noise, priority };
            spans.push((when, span));
            while rng.u8(..100) < copied {
                spans.push((when + rng.usize(..2000), span));
            }
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

/// Policies of every kind, one of which keeps some per cent.
pub(super) fn policies(percent: u32) -> Arc<PolicySet> {
    testing::many_policies(percent)
}
