//! The releases of all exporters over one window.

use std::collections::BTreeMap;

use bytes::Bytes;
use wholetrace_spanlog::{Frame, LogTime, Position};

use crate::{
    cut::{Cut, cut},
    decision::table::DecisionTable,
    exporter::contract::{ExporterIndex, Kept, Ticket},
    partition::{
        effect::Effect,
        settings::Settings,
        stats::{Levels, Stats},
    },
    release::Release,
    watermark::Watermark,
    window::Window,
};

/// Bytes of payload that are released in one go before others get their turn.
const TURN_BYTES: usize = 2 << 20;

/// A frame that turned out to be malformed when it was released.
pub(super) struct Undecodable {
    pub(super) position: Position,
    pub(super) reason: String,
    pub(super) payload: Bytes,
}

/// How a turn ended.
pub(super) enum Turn {
    /// No exporter can be given more for now.
    Done,
    /// There is more to do.
    More,
    /// A frame cannot be decoded.
    Undecodable(Undecodable),
}

/// What a release can do with its next frame.
enum Next {
    /// It has to wait.
    Wait,
    /// Nothing of the frame is for this exporter.
    Pass,
    /// The frame is to be cut.
    Cut { position: Position, clock: Watermark, payload: Bytes, cached: bool },
}

/// The releases of all exporters, each at its own frame.
#[derive(Debug)]
pub(super) struct Releases {
    releases: Vec<Release>,
    /// What the frame of this number has left: exporters that keep up with each other share it.
    last_cut: Option<(u64, Cut)>,
    /// Number of the first frame that no exporter has passed.
    fresh: u64,
}

impl Releases {
    /// One release for each of `exporters`, which passes over what `done` says it has finished.
    pub(super) fn new(exporters: &[String], done: &BTreeMap<String, u64>) -> Self {
        let done = |name| Position(done.get(name).copied().unwrap_or_default());
        let releases = exporters.iter().map(|name| Release::new(done(name))).collect();
        Self { releases, last_cut: None, fresh: 0 }
    }

    /// Number of the oldest frame that some exporter has not passed.
    pub(super) fn slowest(&self) -> u64 {
        self.releases.iter().map(Release::next).min().unwrap_or_default()
    }

    /// The oldest unfinished frame of any exporter, with the watermark behind it.
    pub(super) fn oldest_unfinished(&self, window: &Window) -> Option<(Position, Watermark)> {
        let unfinished = self.releases.iter().filter_map(|one| one.oldest_unfinished(window));
        unfinished.min_by_key(|(position, _)| *position)
    }

    /// Where the decisions about the oldest frame stand whose spans are with an exporter.
    pub(super) fn origin(&self) -> Option<Position> {
        self.releases.iter().filter_map(Release::origin).min()
    }

    /// The position below which each exporter has finished everything; `head` if that is all.
    pub(super) fn positions(&self, window: &Window, head: Position) -> Vec<Position> {
        let position = |release: &Release| {
            release.oldest_unfinished(window).map_or(head, |(position, _)| position)
        };
        self.releases.iter().map(position).collect()
    }

    /// A piece is delivered, or durable in the dead letters.
    pub(super) fn settle(&mut self, exporter: ExporterIndex, position: Position) {
        if let Some(release) = self.releases.get_mut(usize::from(exporter.0)) {
            release.settle(position);
        }
    }

    pub(super) fn refetched(&mut self, from: Position, frames: &[Frame]) {
        for release in &mut self.releases {
            release.refetched(from, frames);
        }
    }

    pub(super) fn stop_refetching(&mut self) {
        for release in &mut self.releases {
            release.stop_refetching();
        }
    }

    pub(super) fn levels(&self, levels: &mut Levels) {
        levels.unfinished_bytes = self.releases.iter().map(Release::unfinished_bytes).sum();
    }

    /// Gives every exporter what it can be given.
    pub(super) fn turn(
        &mut self,
        window: &mut Window,
        decided: &DecisionTable,
        settings: &Settings,
        stats: &mut Stats,
        effects: &mut Vec<Effect>,
    ) -> Turn {
        let mut bytes = 0;
        let mut waiting = vec![false; self.releases.len()];
        // Whoever is furthest behind goes first, so that frames are cut once for all.
        while let Some(index) = self.furthest_behind(&waiting) {
            match self.next(index, window, settings, effects) {
                Next::Wait => waiting[index] = true,
                Next::Pass => self.releases[index].pass(),
                Next::Cut { position, clock, payload, cached } => {
                    bytes += payload.len();
                    if self.releases[index].next() >= self.fresh {
                        stats.frames_from_cache += u64::from(cached);
                        stats.frames_from_log += u64::from(!cached);
                    }
                    if let Err(error) =
                        self.cut(index, &payload, clock.now(), decided, settings, stats)
                    {
                        let reason = error.to_string();
                        window.pass(self.slowest());
                        return Turn::Undecodable(Undecodable { position, reason, payload });
                    }
                    let known = (clock, decided.origin());
                    self.export(index, position, known, settings, effects);
                }
            }
            if bytes >= TURN_BYTES {
                window.pass(self.slowest());
                return Turn::More;
            }
        }
        window.pass(self.slowest());
        Turn::Done
    }

    fn furthest_behind(&self, waiting: &[bool]) -> Option<usize> {
        let ready = self.releases.iter().zip(waiting).enumerate().filter(|(_, (_, wait))| !**wait);
        ready.min_by_key(|(_, (release, _))| release.next()).map(|(index, _)| index)
    }

    fn next(
        &mut self,
        index: usize,
        window: &Window,
        settings: &Settings,
        effects: &mut Vec<Effect>,
    ) -> Next {
        let release = &mut self.releases[index];
        let Some(frame) = window.get(release.next()) else { return Next::Wait };
        if frame.awaited > 0 {
            return Next::Wait;
        }
        if frame.void || release.is_done(frame.position) {
            return Next::Pass;
        }
        if release.unfinished_bytes() >= settings.bounds.max_unfinished_bytes {
            return Next::Wait;
        }
        let (position, clock) = (frame.position, frame.clock);
        if let Some(cached) = &frame.cached {
            let payload = cached.bytes.clone();
            return Next::Cut { position, clock, payload, cached: true };
        }
        if let Some(payload) = release.take_refetched(position) {
            return Next::Cut { position, clock, payload, cached: false };
        }
        if !release.is_refetching() {
            release.await_refetch(position);
            effects.push(Effect::Fetch { from: position, max_bytes: settings.refetch_bytes });
        }
        Next::Wait
    }

    fn cut(
        &mut self,
        index: usize,
        payload: &Bytes,
        time: LogTime,
        decided: &DecisionTable,
        settings: &Settings,
        stats: &mut Stats,
    ) -> Result<(), wholetrace_proto::wire::WireError> {
        let number = self.releases[index].next();
        if self.last_cut.as_ref().is_some_and(|(last, _)| *last == number) {
            return Ok(());
        }
        let cut = cut(payload, time, decided, settings.max_piece_bytes)?;
        debug_assert_eq!(cut.undecided, 0, "I3: all traces of a released frame are decided");
        if number >= self.fresh {
            self.fresh = number + 1;
            stats.spans_kept += cut.kept;
            stats.spans_not_sampled += cut.not_sampled;
            stats.spans_undecided += cut.undecided;
            stats.late_roots += cut.late_roots;
        }
        self.last_cut = Some((number, cut));
        Ok(())
    }

    /// Hands the last cut to an exporter.
    fn export(
        &mut self,
        index: usize,
        position: Position,
        known: (Watermark, Option<Position>),
        settings: &Settings,
        effects: &mut Vec<Effect>,
    ) {
        let release = &mut self.releases[index];
        let Some((_, cut)) = &self.last_cut else { return };
        let Ok(exporter) = u16::try_from(index) else { return };
        let pieces = u32::try_from(cut.pieces.len()).unwrap_or(u32::MAX);
        if pieces == 0 {
            release.pass();
            return;
        }
        release.pass_exporting(position, known, pieces, cut.bytes);
        for (chunk, (bytes, spans)) in (0..).zip(&cut.pieces) {
            let ticket = Ticket { partition: settings.partition.0, position: position.0, chunk };
            let kept = Kept { bytes: bytes.clone(), spans: *spans, ticket };
            effects.push(Effect::Export { exporter: ExporterIndex(exporter), kept });
        }
    }
}
