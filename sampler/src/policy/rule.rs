//! Policies as they are evaluated: a tree of rules over the record of a trace.

use std::{fmt::Debug, sync::Arc};

use wholetrace_proto::{id::TraceKey, tracestate::Threshold};

use crate::policy::{
    budget::{Asked, BudgetId, Budgets},
    evaluation::Evaluation,
    plan::{Counter, Fact, LeastHash, Record},
};

/// The trace that is being decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trace<'a> {
    pub(super) record: Record<'a>,
    pub(super) key: TraceKey,
    /// What thresholds of budgets come from.
    pub(super) budgets: &'a dyn Budgets,
}

impl Trace<'_> {
    /// What thresholds are compared with: the explicit randomness, else the low bits of the id.
    pub(super) fn randomness(&self) -> u64 {
        self.record.randomness().unwrap_or_else(|| self.key.randomness())
    }

    /// What the trace had to pass before it came here: the least threshold of its spans, unless its
    /// randomness is another than theirs. Whoever keeps a part of what arrives multiplies with it.
    pub(super) fn passed(&self) -> Threshold {
        let least = self.record.least_threshold();
        if least.keeps(self.randomness()) { least } else { Threshold::ALWAYS }
    }

    /// What a budget makes of the trace, of which `so_far` is made before.
    fn ask(&self, room: &Room, so_far: Evaluation) -> Evaluation {
        let randomness = self.randomness();
        if !so_far.says_yes(randomness) {
            return so_far;
        }
        let within = so_far.threshold.max(self.passed());
        let asked = Asked {
            budget: room.budget,
            key: self.record.key(&room.key),
            spans: u64::from(self.record.count(room.spans)),
            bytes: self.record.bytes(),
            randomness,
            within,
        };
        let threshold = self.budgets.ask(asked);
        // What was passed before is no threshold of ours.
        if threshold == within { so_far } else { so_far.and(Evaluation::of(threshold)) }
    }
}

/// What judges a trace by itself, from its record alone.
pub(super) trait Leaf: Debug + Send + Sync {
    /// What it makes of the trace.
    fn evaluate(&self, trace: &Trace<'_>) -> Evaluation;
}

/// Which budget is asked, and what for.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) budget: BudgetId,
    /// Counts the spans of the trace.
    pub(super) spans: Counter,
    /// What tells kinds of traces apart; empty where all are of one kind.
    pub(super) key: Box<[LeastHash]>,
}

/// Policies that share a budget.
#[derive(Clone, Debug)]
pub(super) struct Composite {
    /// Each with the room in its share and, where that is to be told, the number of its name.
    pub(super) parts: Box<[(Rule, Option<u16>)]>,
    /// What bounds all of them together, if anything does.
    pub(super) room: Option<Rule>,
}

impl Composite {
    /// What it makes of the trace, and the name of the first of its policies that keeps it.
    fn evaluate(&self, trace: &Trace<'_>) -> (Evaluation, Option<u16>) {
        let randomness = trace.randomness();
        let mut first = None;
        let any = self.parts.iter().fold(Evaluation::NEVER, |evaluation, (rule, name)| {
            let part = rule.evaluate(trace);
            if first.is_none() && name.is_some() && part.says_yes(randomness) {
                first = *name;
            }
            evaluation.or(part, randomness)
        });
        let all = match &self.room {
            None => any,
            Some(Rule::Budget(room)) => trace.ask(room, any),
            Some(rule) => any.and(rule.evaluate(trace)),
        };
        (all, first)
    }
}

/// A compiled policy.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// Keeps every trace.
    Always,
    /// Keeps what shows one of these facts.
    Any(Box<[Fact]>),
    /// Keeps what shows none of these facts.
    None(Box<[Fact]>),
    /// Keeps this share, by the randomness of the trace.
    Share(Threshold),
    /// Keeps what the budget has room for, by the randomness of the trace, and its spans.
    Budget(Box<Room>),
    /// Keeps what the leaf says yes to.
    Leaf(Arc<dyn Leaf>),
    /// Keeps what all say yes to.
    And(Box<[Self]>),
    /// Keeps what one of them says yes to.
    Or(Box<[Self]>),
    /// Keeps what the rule says no to.
    Not(Box<Self>),
    /// Keeps what one of several policies says yes to and has room for.
    Composite(Box<Composite>),
}

impl Rule {
    /// Keeps what shows the fact, or what does not.
    pub(super) fn matching(fact: Fact, invert: bool) -> Self {
        let facts = Box::new([fact]);
        if invert { Self::None(facts) } else { Self::Any(facts) }
    }

    pub(super) fn leaf(leaf: impl Leaf + 'static) -> Self {
        Self::Leaf(Arc::new(leaf))
    }

    pub(super) fn evaluate(&self, trace: &Trace<'_>) -> Evaluation {
        self.evaluate_telling(trace).0
    }

    /// The same, and the name of the policy within a composite one that keeps the trace, if that is to
    /// be told and the whole keeps it: of several composite ones side by side, of the first that does.
    pub(super) fn evaluate_telling(&self, trace: &Trace<'_>) -> (Evaluation, Option<u16>) {
        let any = |facts: &[Fact]| facts.iter().any(|fact| trace.record.has(*fact));
        let evaluation = match self {
            Self::Always => Evaluation::ALWAYS,
            Self::Any(facts) => Evaluation::by_contents(any(facts)),
            Self::None(facts) => Evaluation::by_contents(!any(facts)),
            Self::Share(threshold) => Evaluation::of(*threshold),
            Self::Budget(room) => trace.ask(room, Evaluation::ALWAYS),
            Self::Leaf(leaf) => leaf.evaluate(trace),
            Self::And(rules) => return all(rules, trace),
            Self::Or(rules) => return one(rules, trace),
            Self::Not(rule) => rule.evaluate(trace).not(trace.randomness()),
            Self::Composite(composite) => return composite.evaluate(trace),
        };
        (evaluation, None)
    }
}

/// What all of these keep.
fn all(rules: &[Rule], trace: &Trace<'_>) -> (Evaluation, Option<u16>) {
    let mut told = None;
    // Budgets are asked for what all others leave.
    let others = rules.iter().fold(Evaluation::ALWAYS, |evaluation, rule| match rule {
        Rule::Budget(..) => evaluation,
        rule => {
            let (part, name) = rule.evaluate_telling(trace);
            told = told.or(name);
            evaluation.and(part)
        }
    });
    let all = rules.iter().fold(others, |evaluation, rule| match rule {
        Rule::Budget(room) => trace.ask(room, evaluation),
        _ => evaluation,
    });
    (all, told)
}

/// What one of these keeps.
fn one(rules: &[Rule], trace: &Trace<'_>) -> (Evaluation, Option<u16>) {
    let randomness = trace.randomness();
    let mut told = None;
    let one = rules.iter().fold(Evaluation::NEVER, |evaluation, rule| {
        let (part, name) = rule.evaluate_telling(trace);
        told = told.or_else(|| name.filter(|_| part.says_yes(randomness)));
        evaluation.or(part, randomness)
    });
    (one, told)
}
