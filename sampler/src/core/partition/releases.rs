//! The releases of all exporters over one window.

mod behind;

use std::collections::BTreeMap;

use bytes::Bytes;
use wholetrace_exporter::contract::{ExporterIndex, KeptSpans, Ticket};
use wholetrace_runtime::invariant::Invariant;
use wholetrace_spanlog::{Frame, LogTime, Position};

use crate::core::{
    checkpoint::ResumePoint,
    decision::{policy_names::PolicyNumber, table::DecisionTable},
    filter::{Filtered, KeptBy, filter},
    partition::{
        catch_up::CatchUp,
        effect::Effect,
        settings::Settings,
        stats::{Levels, Stats},
    },
    recent_spans::RecentSpans,
    release::Release,
    watermark::Watermark,
    window::Window,
};

/// Bytes of payload that are released in one go before other partitions go on.
const RELEASE_BYTES: usize = 2 << 20;

/// What a release depends on.
pub(super) struct ReleaseContext<'s> {
    pub(super) settings: &'s Settings,
    pub(super) decided: &'s DecisionTable,
    /// The end of what was read.
    pub(super) here: ResumePoint,
    /// The position up to which the decision log is read.
    pub(super) decided_to: Position,
    /// Whether the own claim is read back, and so all decisions from before the ownership.
    pub(super) is_serving: bool,
}

/// A frame that turned out to be malformed when it was released.
pub(super) struct Undecodable {
    pub(super) position: Position,
    pub(super) reason: String,
    pub(super) payload: Bytes,
}

/// How a release ended.
pub(super) enum ReleaseResult {
    /// No exporter can take more for now.
    Done,
    /// There is more to do.
    More,
    /// A frame cannot be decoded.
    Undecodable(Undecodable),
}

/// What a release can do with its next frame.
enum ReleaseStep {
    /// It has to wait.
    Wait,
    /// Nothing of the frame is for this exporter.
    Pass,
    /// The frame is to be filtered.
    Filter { position: Position, clock: Watermark, payload: Bytes, cached: bool },
}

/// The releases of all exporters, each at its own frame.
#[derive(Debug)]
pub(super) struct Releases {
    releases: Vec<Release>,
    /// The reader of each that is behind.
    behind: Vec<Option<Box<CatchUp>>>,
    /// The kept spans of the frame of this number, during one release: exporters that keep up with each
    /// other share them.
    last_filtered: Option<(u64, Filtered)>,
    /// Number of the first frame that no exporter has passed.
    fresh: u64,
    /// What was released last to the exporters that keep up.
    recent: RecentSpans,
    /// Spans released since they were last taken, by the policy that kept them: those of a number in the
    /// place of the number.
    kept_by: Vec<KeptBy>,
}

impl Releases {
    /// One release for each exporter, which passes over what `done` says it has finished, or
    /// begins at a point `behind` the others.
    pub(super) fn new(
        settings: &Settings,
        done: &BTreeMap<String, u64>,
        behind: &[Option<ResumePoint>],
    ) -> Self {
        let done = |name| Position(done.get(name).copied().unwrap_or_default());
        let reader = |index| {
            let point: Option<ResumePoint> = behind.get(index).copied().flatten();
            point.map(|point| Box::new(CatchUp::new(point, settings)))
        };
        Self {
            releases: settings.exporters.iter().map(|name| Release::new(done(name))).collect(),
            behind: (0..settings.exporters.len()).map(reader).collect(),
            last_filtered: None,
            fresh: 0,
            recent: RecentSpans::new(settings.bounds.max_recent_spans, settings.hash_seed),
            kept_by: Vec::new(),
        }
    }

    /// Spans released to exporters that keep up since the last call, by the policy that kept them.
    pub(super) fn take_kept_by(&mut self) -> Vec<KeptBy> {
        std::mem::take(&mut self.kept_by)
    }

    fn count_kept_by(&mut self, kept: &[KeptBy]) {
        for kept in kept {
            let place = usize::from(kept.policy.0);
            for number in self.kept_by.len()..=place {
                let policy = PolicyNumber(u16::try_from(number).unwrap_or(kept.policy.0));
                self.kept_by.push(KeptBy { policy, spans: 0, bytes: 0 });
            }
            if let Some(sum) = self.kept_by.get_mut(place) {
                sum.spans += kept.spans;
                sum.bytes += kept.bytes;
            }
        }
    }

    /// The exporters that keep up: the window serves them.
    fn keeping_up(&self) -> impl Iterator<Item = &Release> {
        let all = self.releases.iter().zip(&self.behind);
        all.filter(|(_, behind)| behind.is_none()).map(|(release, _)| release)
    }

    /// Number of the oldest frame that some exporter has not passed.
    pub(super) fn slowest(&self) -> u64 {
        self.keeping_up().map(Release::next).min().unwrap_or_default()
    }

    /// The watermark at the oldest frame that an exporter has not passed.
    pub(super) fn slowest_clock(&self, window: &Window) -> Option<Watermark> {
        window.get(self.slowest()).map(|frame| frame.clock)
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

    /// A record cannot be read again, or not any more: what some exporters have had of it has not
    /// reached all of them.
    pub(super) fn stop_refetching(&mut self) {
        self.recent.forget();
        for release in &mut self.releases {
            release.stop_refetching();
        }
    }

    pub(super) fn levels(&self, levels: &mut Levels) {
        levels.table_bytes += self.recent.memory();
        levels.unfinished_bytes = self.releases.iter().map(Release::unfinished_bytes).sum();
        for reader in self.behind.iter().flatten() {
            levels.behind += 1;
            levels.behind_decisions += reader.decisions();
            levels.table_bytes += reader.memory();
        }
    }

    /// Releases to every exporter as much as it can take.
    pub(super) fn release(
        &mut self,
        window: &mut Window,
        context: &ReleaseContext<'_>,
        stats: &mut Stats,
        effects: &mut Vec<Effect>,
    ) -> ReleaseResult {
        let result = self.release_to_all(window, context, stats, effects);
        // Between releases nothing is held that has no lease.
        self.last_filtered = None;
        window.pass(self.slowest());
        result
    }

    fn release_to_all(
        &mut self,
        window: &Window,
        context: &ReleaseContext<'_>,
        stats: &mut Stats,
        effects: &mut Vec<Effect>,
    ) -> ReleaseResult {
        let ReleaseContext { decided, settings, .. } = context;
        let more = self.catch_up(window, context, stats, effects);
        let mut bytes = 0;
        let mut waiting = vec![false; self.releases.len()];
        // The exporter that is furthest behind goes first, so that a frame is filtered once for all.
        while let Some(index) = self.furthest_behind(&waiting) {
            match self.next(index, window, context, effects) {
                ReleaseStep::Wait => waiting[index] = true,
                ReleaseStep::Pass => self.releases[index].pass(),
                ReleaseStep::Filter { position, clock, payload, cached } => {
                    bytes += payload.len();
                    if self.releases[index].next() >= self.fresh {
                        stats.frames_from_cache += u64::from(cached);
                        stats.frames_from_log += u64::from(!cached);
                    }
                    let of = (position, clock.now());
                    if let Err(error) = self.filter(index, &payload, of, decided, settings, stats) {
                        self.recent.forget();
                        let reason = error.to_string();
                        return ReleaseResult::Undecodable(Undecodable {
                            position,
                            reason,
                            payload,
                        });
                    }
                    let point = ResumePoint { position: position.0, clock, ..context.here };
                    self.export(index, point, settings, effects);
                }
            }
            if bytes >= RELEASE_BYTES {
                return ReleaseResult::More;
            }
        }
        self.let_fall_behind(window, context, stats);
        if more { ReleaseResult::More } else { ReleaseResult::Done }
    }

    fn furthest_behind(&self, waiting: &[bool]) -> Option<usize> {
        let all = self.releases.iter().zip(&self.behind).zip(waiting).enumerate();
        let ready = all.filter(|(_, ((_, behind), wait))| !**wait && behind.is_none());
        ready.min_by_key(|(_, ((release, _), _))| release.next()).map(|(index, _)| index)
    }

    fn next(
        &mut self,
        index: usize,
        window: &Window,
        ReleaseContext { settings, here, .. }: &ReleaseContext<'_>,
        effects: &mut Vec<Effect>,
    ) -> ReleaseStep {
        let release = &mut self.releases[index];
        let Some(frame) = window.get(release.next()) else {
            release.forget_refetched(Position(here.position));
            return ReleaseStep::Wait;
        };
        release.forget_refetched(frame.position);
        if frame.awaited > 0 {
            return ReleaseStep::Wait;
        }
        if frame.void || release.is_done(frame.position) {
            return ReleaseStep::Pass;
        }
        if release.unfinished_bytes() >= settings.bounds.max_unfinished_bytes {
            return ReleaseStep::Wait;
        }
        let (position, clock) = (frame.position, frame.clock);
        if let Some(cached) = &frame.cached {
            let payload = cached.bytes.clone();
            return ReleaseStep::Filter { position, clock, payload, cached: true };
        }
        if let Some(payload) = release.take_refetched(position) {
            return ReleaseStep::Filter { position, clock, payload, cached: false };
        }
        if !release.is_refetching() {
            release.await_refetch(position);
            effects
                .push(Effect::Fetch { from: position, max_bytes: settings.bounds.refetch_bytes });
        }
        ReleaseStep::Wait
    }

    fn filter(
        &mut self,
        index: usize,
        payload: &Bytes,
        (position, time): (Position, LogTime),
        decided: &DecisionTable,
        settings: &Settings,
        stats: &mut Stats,
    ) -> Result<(), wholetrace_proto::wire::WireError> {
        let number = self.releases[index].next();
        if self.last_filtered.as_ref().is_some_and(|(last, _)| *last == number) {
            return Ok(());
        }
        self.recent.remember(settings.bounds.max_recent_spans);
        let recent = Some((&mut self.recent, position));
        let filtered = filter(payload, time, decided, settings.pieces(), recent)?;
        debug_assert_eq!(filtered.undecided, 0, "{}", Invariant::I3);
        if number >= self.fresh {
            self.fresh = number + 1;
            stats.spans_kept += filtered.kept;
            stats.spans_not_sampled += filtered.not_sampled;
            stats.spans_repeated += filtered.repeated;
            stats.spans_undecided += filtered.undecided;
            stats.late_roots += filtered.late_roots;
            self.count_kept_by(&filtered.kept_by);
        }
        self.last_filtered = Some((number, filtered));
        Ok(())
    }

    /// Hands the last filtered frame to an exporter.
    fn export(
        &mut self,
        index: usize,
        point: ResumePoint,
        settings: &Settings,
        effects: &mut Vec<Effect>,
    ) {
        let release = &mut self.releases[index];
        let Some((_, filtered)) = &self.last_filtered else { return };
        let Ok(exporter) = u16::try_from(index).map(ExporterIndex) else { return };
        let pieces = u32::try_from(filtered.pieces.len()).unwrap_or(u32::MAX);
        release.pass();
        if pieces > 0 {
            release.give(point, pieces, filtered.bytes);
            hand_over(filtered, exporter, Position(point.position), settings, effects);
        }
    }
}

/// Hands the kept spans of the frame at `position` to an exporter.
fn hand_over(
    filtered: &Filtered,
    exporter: ExporterIndex,
    position: Position,
    settings: &Settings,
    effects: &mut Vec<Effect>,
) {
    for (piece, (bytes, spans)) in (0..).zip(&filtered.pieces) {
        let ticket = Ticket { partition: settings.partition.0, position: position.0, piece };
        let kept = KeptSpans { bytes: bytes.clone(), spans: *spans, ticket };
        effects.push(Effect::Export { exporter, kept });
    }
}
