//! Folds the spans of one frame into the summaries of their traces.

use std::borrow::Cow;

use wholetrace_proto::{
    id::TraceKey,
    spans::{Head, ScopeRef, SpanRef, Visitor},
};
use wholetrace_spanlog::LogTime;

use crate::{
    core::{
        decision::table::DecisionTable,
        measured_traces::MeasuredTraces,
        open_traces::{NewTrace, OpenTrace, OpenTraces, Slot},
        policy_versions::PolicyVersions,
    },
    policy::{Heads, NearTimes},
};

/// What was found in a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Folded {
    /// Spans with a trace id.
    pub(crate) spans: u64,
    /// Traces first seen in it.
    pub(crate) opened: u32,
    /// Spans that came after the decision of their trace.
    pub(crate) late: u64,
    /// Spans without a trace id of 16 bytes: they belong to no trace.
    pub(crate) invalid_trace_ids: u64,
    /// Spans whose bytes are malformed further on.
    pub(crate) malformed: u64,
    /// Spans with times that do not count, or that end before they start.
    pub(crate) odd_times: u64,
    /// Times that a condition had no answer.
    pub(crate) condition_errors: u64,
}

/// Folds the spans of one frame.
pub(crate) struct Fold<'s, 'f> {
    open: &'s mut OpenTraces,
    decided: &'s DecisionTable,
    policy_versions: &'s mut PolicyVersions,
    measured: &'s mut MeasuredTraces,
    time: LogTime,
    near: NearTimes,
    /// The low bits of the frame's number in the window.
    frame: u32,
    /// Whether traces may be opened.
    opening: bool,
    head: Option<Cow<'f, [u8]>>,
    scope: Option<ScopeRef<'f>>,
    /// What the heads tell the newest set of policies.
    heads: Heads,
    /// What they tell an older one that open traces still use.
    older: Option<(u8, Heads)>,
    /// The trace of the last span: spans of a trace often come together.
    last: Option<(TraceKey, Lookup)>,
    folded: Folded,
}

#[derive(Clone, Copy, Debug)]
enum Lookup {
    Open(Slot),
    /// Spans are late by so many milliseconds, or stood in the log when it was decided.
    Decided {
        late_by: Option<u64>,
    },
}

impl<'s, 'f> Fold<'s, 'f> {
    /// A fold of the frame of time `time`, whose number in the window ends in `frame`.
    pub(crate) fn new(
        open: &'s mut OpenTraces,
        decided: &'s DecisionTable,
        (policy_versions, measured): (&'s mut PolicyVersions, &'s mut MeasuredTraces),
        time: LogTime,
        frame: u32,
    ) -> Self {
        Self {
            open,
            decided,
            policy_versions,
            measured,
            time,
            near: NearTimes::to(time.0),
            frame,
            opening: true,
            head: None,
            scope: None,
            heads: Heads::default(),
            older: None,
            last: None,
            folded: Folded::default(),
        }
    }

    /// Leaves alone what is not of an open trace.
    pub(crate) const fn of_known_traces(mut self) -> Self {
        self.opening = false;
        self
    }

    /// What was found.
    pub(crate) const fn folded(&self) -> Folded {
        self.folded
    }

    fn look_up(&mut self, key: TraceKey) -> Lookup {
        let (now, retention) = (self.time, self.decided.retention());
        // What is due gets no more spans, also where its decision has to wait for a threshold. What this
        // frame has opened may be due at once.
        let is_due = |trace: &OpenTrace| {
            trace.is_decided() || trace.deadline() <= now && trace.first_frame() != self.frame
        };
        let obeyed = |trace: &OpenTrace| !is_due(trace) || now <= trace.deadline().plus(retention);
        if let Some(slot) = self.open.find(key, obeyed) {
            let trace = self.open.get(slot);
            return if is_due(&trace) {
                Lookup::Decided { late_by: now.0.checked_sub(trace.deadline().0) }
            } else {
                Lookup::Open(slot)
            };
        }
        if let Some((_, decided_at)) = self.decided.find(key, self.time) {
            return Lookup::Decided { late_by: self.time.0.checked_sub(decided_at.0) };
        }
        if !self.opening {
            return Lookup::Decided { late_by: None };
        }
        let policy_version = self.policy_versions.current();
        let Some(policies) = self.policy_versions.get(policy_version) else {
            return Lookup::Decided { late_by: None };
        };
        let (first_seen, first_frame) = (self.time, self.frame);
        let blank = policies.blank_record();
        let slot =
            self.open.open(&NewTrace { key, first_seen, first_frame, policy_version, blank });
        self.policy_versions.opened(policy_version);
        self.folded.opened += 1;
        Lookup::Open(slot)
    }

    fn observe(&mut self, slot: Slot, body: &[u8]) {
        let policy_version = self.open.policy_version(slot);
        let Some(policies) = self.policy_versions.get(policy_version) else { return };
        let heads = if policy_version == self.policy_versions.current() {
            &mut self.heads
        } else {
            let head = self.head.as_deref().unwrap_or_default();
            let older = self.older.take().filter(|(of, _)| *of == policy_version);
            let older = older.unwrap_or_else(|| {
                let mut heads = Heads::default();
                policies.resource(head, &mut heads);
                if let (true, Some(scope)) = (policies.wants_scopes(), self.scope) {
                    policies.scope(&scope.head().bytes(), &mut heads);
                }
                (policy_version, heads)
            });
            &mut self.older.insert(older).1
        };
        let record = self.open.record_mut(slot);
        let observed = policies.observe_near(body, self.near, heads, record);
        self.folded.condition_errors += heads.take_failures();
        self.folded.malformed += u64::from(observed.malformed);
        self.folded.odd_times += u64::from(observed.odd_times);
        if observed.root {
            self.open.root_seen(slot, self.time);
        }
    }
}

impl<'f> Visitor<'f> for Fold<'_, 'f> {
    fn resource(&mut self, head: Head<'f>) {
        let head = head.bytes();
        if let Some(policies) = self.policy_versions.get(self.policy_versions.current()) {
            policies.resource(&head, &mut self.heads);
        }
        self.older = None;
        self.head = Some(head);
    }

    fn scope(&mut self, scope: ScopeRef<'f>) {
        if let Some(policies) = self.policy_versions.get(self.policy_versions.current())
            && policies.wants_scopes()
        {
            policies.scope(&scope.head().bytes(), &mut self.heads);
        }
        self.older = None;
        self.scope = Some(scope);
    }

    fn span(&mut self, span: SpanRef<'f>) {
        let Some(key) = span.key() else {
            self.folded.invalid_trace_ids += 1;
            return;
        };
        self.folded.spans += 1;
        let found = match self.last {
            Some((last, found)) if last == key => found,
            _ => self.look_up(key),
        };
        self.last = Some((key, found));
        match found {
            Lookup::Open(slot) => {
                self.measured.add(key, span.body, self.near);
                self.observe(slot, span.body);
            }
            Lookup::Decided { late_by } => {
                if let Some(millis) = late_by {
                    self.folded.late += 1;
                    self.measured.add_late(key, millis);
                }
            }
        }
    }
}
