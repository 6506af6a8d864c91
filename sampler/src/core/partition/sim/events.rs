//! What happened in a world, for the oracle.

use wholetrace_spanlog::Position;

/// Something that cannot be undone.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A backend took a piece, or it became durable in the dead letters.
    Finished {
        owner: usize,
        exporter: usize,
        position: Position,
        spans: Vec<u64>,
        trace_ids: Vec<u128>,
    },
    /// The dead letter of an undecodable frame became durable.
    DeadLettered { position: Position },
    /// An owner came into being, going on at these positions, the last one by exporter.
    Started { owner: usize, position: Position, exporters: Vec<Position> },
    /// An owner committed that all is finished below these positions.
    Committed { owner: usize, position: Position, exporters: Vec<Position> },
}

/// How often the things happened that the simulation is for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Met {
    pub(super) crashes: u64,
    pub(super) zombies: u64,
    pub(super) refetches: u64,
    pub(super) ticks: u64,
    pub(super) refused: u64,
    pub(super) late: u64,
    pub(super) forgotten: u64,
    pub(super) reloads: u64,
    pub(super) rewinds: u64,
    pub(super) superseded: u64,
    pub(super) ghosts: u64,
    pub(super) damaged: u64,
    pub(super) fell_behind: u64,
    /// Records read for exporters that were behind, and spans whose decision they did not find.
    pub(super) fetched_behind: u64,
    pub(super) unknown: u64,
    pub(super) set_clocks: u64,
    pub(super) rogue_times: u64,
    pub(super) metadata_lost: u64,
    pub(super) bounds: u64,
    pub(super) trimmed: u64,
    pub(super) scanned: u64,
    pub(super) repeated: u64,
}

impl Met {
    pub(super) fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.zombies += other.zombies;
        self.refetches += other.refetches;
        self.ticks += other.ticks;
        self.refused += other.refused;
        self.late += other.late;
        self.forgotten += other.forgotten;
        self.reloads += other.reloads;
        self.rewinds += other.rewinds;
        self.superseded += other.superseded;
        self.ghosts += other.ghosts;
        self.damaged += other.damaged;
        self.fell_behind += other.fell_behind;
        self.fetched_behind += other.fetched_behind;
        self.unknown += other.unknown;
        self.set_clocks += other.set_clocks;
        self.rogue_times += other.rogue_times;
        self.metadata_lost += other.metadata_lost;
        self.bounds += other.bounds;
        self.trimmed += other.trimmed;
        self.scanned += other.scanned;
        self.repeated += other.repeated;
    }
}
