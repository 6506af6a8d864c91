//! Folds the spans of one frame into the summaries of their traces.

use std::borrow::Cow;

use wholetrace_proto::{
    id::TraceKey,
    spans::{Head, SpanRef, Visitor},
};
use wholetrace_spanlog::LogTime;

use crate::{
    core::{
        decision::table::DecisionTable,
        open_traces::{NewTrace, OpenTrace, OpenTraces, Slot},
        policy_versions::PolicyVersions,
    },
    policy::Bits,
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
}

/// Folds the spans of one frame.
pub(crate) struct Fold<'s, 'f> {
    open: &'s mut OpenTraces,
    decided: &'s DecisionTable,
    policy_versions: &'s mut PolicyVersions,
    time: LogTime,
    /// The low bits of the frame's number in the window.
    frame: u32,
    /// Whether traces may be opened.
    opening: bool,
    head: Option<Cow<'f, [u8]>>,
    /// What the resource tells the newest set of policies.
    resource: Bits,
    /// What it tells an older one that open traces still use.
    older: Option<(u8, Bits)>,
    /// The trace of the last span: spans of a trace often come together.
    last: Option<(TraceKey, Lookup)>,
    folded: Folded,
}

#[derive(Clone, Copy, Debug)]
enum Lookup {
    Open(Slot),
    Decided { late: bool },
}

impl<'s, 'f> Fold<'s, 'f> {
    /// A fold of the frame of time `time`, whose number in the window ends in `frame`.
    pub(crate) fn new(
        open: &'s mut OpenTraces,
        decided: &'s DecisionTable,
        policy_versions: &'s mut PolicyVersions,
        time: LogTime,
        frame: u32,
    ) -> Self {
        Self {
            open,
            decided,
            policy_versions,
            time,
            frame,
            opening: true,
            head: None,
            resource: Bits::NONE,
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
        let obeyed =
            |trace: &OpenTrace| !trace.is_decided() || now <= trace.deadline().plus(retention);
        if let Some(slot) = self.open.find(key, obeyed) {
            let trace = self.open.get(slot);
            return if trace.is_decided() {
                Lookup::Decided { late: trace.deadline() <= now }
            } else {
                Lookup::Open(slot)
            };
        }
        if let Some((_, decided_at)) = self.decided.find(key, self.time) {
            return Lookup::Decided { late: decided_at <= self.time };
        }
        if !self.opening {
            return Lookup::Decided { late: false };
        }
        let policy_version = self.policy_versions.current();
        self.policy_versions.opened(policy_version);
        self.folded.opened += 1;
        let (first_seen, first_frame) = (self.time, self.frame);
        Lookup::Open(self.open.open(&NewTrace { key, first_seen, first_frame, policy_version }))
    }

    fn observe(&mut self, slot: Slot, body: &[u8]) {
        let policy_version = self.open.get(slot).policy_version;
        let resource = if policy_version == self.policy_versions.current() {
            self.resource
        } else {
            self.older(policy_version)
        };
        let Some(policies) = self.policy_versions.get(policy_version) else { return };
        let trace = self.open.get_mut(slot);
        let observed = policies.observe(body, resource, &mut trace.summary);
        self.folded.malformed += u64::from(observed.malformed);
        if observed.root {
            self.open.root_seen(slot, self.time);
        }
    }

    fn older(&mut self, policy_version: u8) -> Bits {
        if let Some((known, bits)) = self.older
            && known == policy_version
        {
            return bits;
        }
        let (Some(policies), Some(head)) = (self.policy_versions.get(policy_version), &self.head)
        else {
            return Bits::NONE;
        };
        let bits = policies.resource_bits(head);
        self.older = Some((policy_version, bits));
        bits
    }
}

impl<'f> Visitor<'f> for Fold<'_, 'f> {
    fn resource(&mut self, head: Head<'f>) {
        let head = head.bytes();
        if let Some(policies) = self.policy_versions.get(self.policy_versions.current()) {
            self.resource = policies.resource_bits(&head);
        }
        self.older = None;
        self.head = Some(head);
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
            Lookup::Open(slot) => self.observe(slot, span.body),
            Lookup::Decided { late } => self.folded.late += u64::from(late),
        }
    }
}
