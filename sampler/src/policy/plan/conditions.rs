//! Conditions in the language of OTTL, evaluated on the fields that they name.

use wholetrace_ottl::{Condition, Context, Fields, Value};

use crate::policy::plan::{
    fact::{Fact, Facts},
    fields::{CONTEXTS, FieldSlots, Found, place_of},
    layout::{Counter, Layout},
};

/// What follows from a condition that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    /// The trace shows a fact.
    Fact(Fact),
    /// It is counted.
    Count(Counter),
}

/// A condition that is asked for.
#[derive(Clone, Debug)]
pub(super) struct AskedCondition {
    pub(super) condition: Condition,
    pub(super) sink: Sink,
    /// Whether only spans without a parent count.
    pub(super) roots: bool,
    /// Whether it is noted where the condition does not hold.
    pub(super) negated: bool,
    /// What the trace shows when the condition has no answer.
    pub(super) failed: Option<Fact>,
}

/// A condition, and where its fields are.
#[derive(Clone, Debug)]
struct Compiled {
    condition: Condition,
    /// By slot of the condition: the context, and the slot there.
    slots: Box<[(usize, u16)]>,
    sink: Sink,
    /// The fact of the sink.
    told: Facts,
    roots: bool,
    negated: bool,
    failed: Facts,
}

/// All conditions of a policy set.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    pub(super) fields: FieldSlots,
    /// By context.
    of: [Vec<Compiled>; CONTEXTS],
}

/// What was found of a span, or an event, and what is around it: by context, the bytes and the
/// places in them.
pub(super) type Surroundings<'v> = [(&'v [u8], &'v Found); CONTEXTS];

/// What a condition sees.
struct View<'v> {
    fields: &'v FieldSlots,
    slots: &'v [(usize, u16)],
    around: &'v Surroundings<'v>,
}

impl<'v> Fields<'v> for View<'v> {
    #[inline]
    fn get(&self, slot: usize) -> Value<'v> {
        let Some((context, slot)) = self.slots.get(slot) else { return Value::Nil };
        let Some((bytes, found)) = self.around.get(*context) else { return Value::Nil };
        self.fields.value(*context, *slot, &found.raws, bytes)
    }
}

impl Conditions {
    pub(super) fn add(&mut self, asked: AskedCondition) {
        let AskedCondition { condition, sink, roots, negated, failed } = asked;
        let slot = |path| (place_of(wholetrace_ottl::Path::context(path)), self.fields.slot(path));
        let slots = condition.paths().iter().map(slot).collect();
        let fact = if let Sink::Fact(fact) = sink { Some(fact) } else { None };
        self.of[place_of(condition.context())].push(Compiled {
            condition,
            slots,
            sink,
            told: fact.into_iter().collect(),
            roots,
            negated,
            failed: failed.into_iter().collect(),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.iter().all(Vec::is_empty)
    }

    /// Whether there are conditions on a context, or its fields are read by others.
    pub(super) fn looks_at(&self, context: Context) -> bool {
        !self.of[place_of(context)].is_empty() || self.fields.reads(context)
    }

    /// Whether there are conditions on a context.
    pub(super) fn judges(&self, context: Context) -> bool {
        !self.of[place_of(context)].is_empty()
    }

    /// Evaluates the conditions on a context, and adds to `facts` what they tell. What is known
    /// already is not found out again. Gives back how many had no answer.
    pub(super) fn tell(
        &self,
        context: Context,
        around: &Surroundings<'_>,
        is_root: bool,
        facts: &mut [u64],
        mut count: impl FnMut(Counter),
    ) -> u64 {
        let mut failures = 0;
        for compiled in &self.of[place_of(context)] {
            let is_known = matches!(compiled.sink, Sink::Fact(_)) && compiled.told.are_in(facts);
            if is_known || (compiled.roots && !is_root) {
                continue;
            }
            let view = View { fields: &self.fields, slots: &compiled.slots, around };
            let holds = compiled.condition.evaluate(&view);
            if holds.is_err() {
                compiled.failed.add_to(facts);
                failures += 1;
            }
            if holds.unwrap_or(false) != compiled.negated {
                match compiled.sink {
                    Sink::Fact(_) => compiled.told.add_to(facts),
                    Sink::Count(counter) => count(counter),
                }
            }
        }
        failures
    }

    /// Counts on the counters in `counts`.
    pub(super) fn count(layout: &Layout, record: &mut [u64], counts: &[Counter]) {
        for counter in counts {
            layout.count(record, *counter, 1);
        }
    }
}
