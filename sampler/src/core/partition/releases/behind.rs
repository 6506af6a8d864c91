//! Exporters that are far behind the others.
//!
//! One window serves all exporters that keep up with each other: a frame is read once, and leaves the
//! window when the slowest exporter has passed it. A backend that is away for hours must neither stop the
//! other exporters nor let memory grow. So its exporter falls behind when the window is full and another
//! exporter waits for more of the log. From then on it has a [reader of its own](CatchUp), which stops
//! while the exporter does, and the window serves the others. When the reader reaches the start of the
//! window, the exporter goes on from the window.
//!
//! A commit stores a resume point for each exporter that is behind and one for the others, so a new
//! owner reads an outage again only for the exporter that had it. The committed position is the lowest of
//! all: the log keeps what any exporter still needs.

use wholetrace_exporter::contract::ExporterIndex;
use wholetrace_spanlog::{Position, TopicName};

use crate::core::{
    checkpoint::ResumePoint,
    decision::claims::Claims,
    partition::{
        catch_up::{Ahead, CatchUp},
        effect::{DeadLetterId, Effect},
        input::Found,
        releases::{RELEASE_BYTES, ReleaseContext, Releases},
        settings::Settings,
        stats::Stats,
    },
    release::Release,
    window::{WINDOW_FRAMES, Window},
};

impl Releases {
    /// Whether an exporter waits for more of the log, while a slower one has not passed what is read.
    pub(in crate::core::partition) fn starves(&self, window: &Window) -> bool {
        let fastest = self.keeping_up().map(Release::next).max().unwrap_or_default();
        fastest > self.slowest() && window.get(fastest).is_none_or(|frame| frame.awaited > 0)
    }

    /// Where each exporter stands, and whether it is behind. `here` is the end of what was read.
    ///
    /// An exporter whose oldest unfinished frame is older than `read_ahead` counts as behind: a new owner
    /// need not read everything since then again for the others.
    pub(in crate::core::partition) fn resume_points(
        &self,
        window: &Window,
        here: ResumePoint,
        read_ahead: u64,
    ) -> Vec<(ResumePoint, bool)> {
        let point = |(release, reader): (&Release, &Option<Box<CatchUp>>)| {
            let next = || match reader {
                Some(reader) => reader.resume_point(),
                None => window.get(release.next()).map_or(here, |frame| {
                    let (position, clock) = (frame.position.0, frame.clock);
                    ResumePoint { position, clock, ..here }
                }),
            };
            let point = release.oldest_under_way().unwrap_or_else(next);
            let is_old = here.clock.now().since(point.clock.now()) > read_ahead;
            (point, reader.is_some() || is_old)
        };
        self.releases.iter().zip(&self.behind).map(point).collect()
    }

    /// Takes in what was read for an exporter that is behind.
    pub(in crate::core::partition) fn found_for(
        &mut self,
        exporter: ExporterIndex,
        from: (TopicName, Position),
        found: Found,
        (settings, claims): (&Settings, &Claims),
    ) {
        if let Some(Some(reader)) = self.behind.get_mut(usize::from(exporter.0)) {
            reader.found(from, found, claims, settings.many_decisions());
        }
    }

    /// Lets exporters fall behind where others would have to wait for them.
    pub(super) fn let_fall_behind(
        &mut self,
        window: &Window,
        context: &ReleaseContext<'_>,
        stats: &mut Stats,
    ) {
        let ReleaseContext { settings, here, decided, .. } = context;
        while self.starves(window) {
            let slowest = self.slowest();
            let Some(frame) = window.get(slowest) else { return };
            let is_full = window.len() >= WINDOW_FRAMES
                || decided.len() >= settings.many_decisions()
                || here.clock.now().since(frame.clock.now()) > settings.read_ahead;
            if frame.awaited > 0 || !is_full {
                return;
            }
            let is_stuck = |index: &usize| {
                let release = &self.releases[*index];
                self.behind[*index].is_none()
                    && release.next() == slowest
                    && release.unfinished_bytes() >= settings.bounds.max_unfinished_bytes
            };
            let Some(index) = (0..self.releases.len()).find(is_stuck) else { return };
            let point = ResumePoint { position: frame.position.0, clock: frame.clock, ..*here };
            self.releases[index].go_on_at(slowest, Position(0));
            self.behind[index] = Some(Box::new(CatchUp::new(point, settings)));
            stats.fell_behind += 1;
        }
    }

    /// Releases to the exporters that are behind, up to `RELEASE_BYTES` each. Gives whether there is more
    /// to release.
    pub(super) fn catch_up(
        &mut self,
        window: &Window,
        context: &ReleaseContext<'_>,
        stats: &mut Stats,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if !context.is_serving {
            return false;
        }
        let begin = window.begin().unwrap_or(Position(context.here.position));
        let mut more = false;
        for index in 0..self.releases.len() {
            let mut given = 0;
            while given < RELEASE_BYTES
                && let Some(size) = self.catch_up_by_one(index, begin, context, stats, effects)
            {
                given += size;
            }
            more |= given >= RELEASE_BYTES;
            if let Some(Some(reader)) = self.behind.get_mut(index) {
                reader.evict();
                if reader.is_there(begin) {
                    let at = Position(reader.resume_point().position);
                    // Frames wait for the traces that were first seen in them, so none is skipped.
                    self.releases[index].go_on_at(window.begin_number(), at);
                    self.behind[index] = None;
                    stats.caught_up += 1;
                }
            }
        }
        more
    }

    /// Passes one record for one exporter. Gives its size; `None` when it has to wait.
    fn catch_up_by_one(
        &mut self,
        index: usize,
        begin: Position,
        context: &ReleaseContext<'_>,
        stats: &mut Stats,
        effects: &mut Vec<Effect>,
    ) -> Option<usize> {
        let settings = context.settings;
        let release = &mut self.releases[index];
        let Some(Some(reader)) = self.behind.get_mut(index) else { return None };
        let exporter = ExporterIndex(u16::try_from(index).ok()?);
        if release.unfinished_bytes() >= settings.bounds.max_unfinished_bytes {
            return None;
        }
        match reader.next((begin, &context.here), context.decided_to, settings) {
            Ahead::Wait => None,
            Ahead::Read(topic, from) => {
                let max_bytes = settings.bounds.refetch_bytes;
                effects.push(Effect::FetchFor { exporter, topic, from, max_bytes });
                None
            }
            Ahead::Passed => Some(1),
            Ahead::Filtered { point, filtered, size } => {
                stats.spans_unknown += filtered.undecided;
                let pieces = u32::try_from(filtered.pieces.len()).unwrap_or(u32::MAX);
                release.give(point, pieces, filtered.bytes);
                let position = Position(point.position);
                super::hand_over(&filtered, exporter, position, settings, effects);
                Some(size.max(1))
            }
            Ahead::Unreadable { point, detail } => {
                stats.frames_unreadable += 1;
                release.give(point, 1, 0);
                let name = settings.exporters.get(index).map_or("", String::as_str);
                let position = Position(point.position);
                let id = DeadLetterId { exporter: Some(exporter), position };
                let time = point.clock.now();
                effects.push(id.write(settings.partition, time, name, &detail, &[]));
                Some(1)
            }
        }
    }
}
