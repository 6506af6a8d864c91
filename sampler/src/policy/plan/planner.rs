//! Collects what the policies of a set want to know, so that one scan finds it out.

use std::collections::{BTreeMap, HashMap};

use wholetrace_ottl::{Condition, Path};

use crate::policy::plan::{
    conditions::{AskedCondition, Conditions, Sink},
    fact::Fact,
    fields::place_of,
    keys::{AskedKeys, KeyAsks, ValueTest},
    layout::{Contents, Counter, Layout, LeastHash},
    scan::{AskedHash, Scan, ScanParts},
};

/// How many fields all conditions together may name: a slot for each is looked at for each span.
pub(in crate::policy) const FIELDS_MAX: usize = 16_384;

/// The attribute of a resource that names its service.
const SERVICE_NAME: &str = "service.name";

/// The compiled plan of a policy set.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Plan {
    pub(in crate::policy) scan: Scan,
    pub(in crate::policy) layout: Layout,
}

/// There is no room for another fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Full;

/// A question about spans. Equal ones share a fact.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Question {
    /// A span has this status.
    Status(u8),
    /// Something asks for the trace to be kept.
    KeepSignal,
    /// The text under a key is one of these.
    Texts(String, Vec<String>),
    /// One of these patterns is found in the text under a key.
    Patterns(String, Vec<String>),
    /// The value under a key passes a test.
    Test(String, ValueTest),
    /// The tracestate of a span has one of these values under a key.
    TraceState(String, Vec<String>),
    /// A span has the sampled flag.
    SampledFlag,
    /// A condition, by its context and text, holds somewhere; on a span without a parent, if that is
    /// asked.
    Holds(&'static str, String, bool),
    /// A condition, by its context and text, does not hold somewhere.
    Excepted(&'static str, String),
    /// A span without a parent has come.
    Root,
    /// A condition, by its context and text, had no answer somewhere.
    Fails(&'static str, String),
}

/// What is asked for so far.
#[derive(Debug, Default)]
pub(in crate::policy) struct Planner {
    facts: HashMap<Question, Fact>,
    /// What is asked of attributes of resources and spans, by key.
    keys: BTreeMap<String, KeyAsks>,
    parts: ScanParts,
    contents: Contents,
    spans: Option<Counter>,
    errors: Option<Counter>,
    /// Fields that conditions name.
    fields: usize,
    /// Fields of which least hashes are asked, and whether on root spans only.
    hashed: Vec<(Vec<Path>, bool)>,
    /// Counters of conditions.
    counts: Vec<(Condition, Counter)>,
}

impl Planner {
    /// The fact that answers `question`, and whether it is new.
    fn fact(&mut self, question: Question) -> Result<(Fact, bool), Full> {
        if let Some(fact) = self.facts.get(&question) {
            return Ok((*fact, false));
        }
        let fact = Fact::new(self.contents.facts).ok_or(Full)?;
        self.contents.facts += 1;
        self.facts.insert(question, fact);
        Ok((fact, true))
    }

    /// Holds when a span has the status `code`: 0 unset, 1 OK, 2 ERROR.
    pub(in crate::policy) fn status(&mut self, code: u8) -> Result<Fact, Full> {
        let (fact, new) = self.fact(Question::Status(code))?;
        if new {
            self.parts.statuses.push((code, fact));
        }
        Ok(fact)
    }

    /// Holds when the value under `key`, on a resource or a span, passes `test`: a signal to keep
    /// the trace. All signals are one fact.
    pub(in crate::policy) fn keep_signal(
        &mut self,
        key: &str,
        test: ValueTest,
    ) -> Result<Fact, Full> {
        let (fact, _) = self.fact(Question::KeepSignal)?;
        self.keys.entry(key.to_owned()).or_default().test(test, fact);
        Ok(fact)
    }

    /// Holds when the text under `key`, on a resource or on a span, is one of `values`.
    pub(in crate::policy) fn text_is_one_of(
        &mut self,
        key: &str,
        values: &[&str],
    ) -> Result<Fact, Full> {
        let values = sorted(values);
        let (fact, new) = self.fact(Question::Texts(key.to_owned(), values.clone()))?;
        if new {
            let asks = self.keys.entry(key.to_owned()).or_default();
            values.iter().for_each(|value| asks.text(value, fact));
        }
        Ok(fact)
    }

    /// Holds when one of `patterns`, in the syntax of the `regex` crate, is found in the text under
    /// `key`.
    pub(in crate::policy) fn text_matches_one_of(
        &mut self,
        key: &str,
        patterns: &[String],
    ) -> Result<Fact, Full> {
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let patterns = sorted(&patterns);
        let (fact, new) = self.fact(Question::Patterns(key.to_owned(), patterns.clone()))?;
        if new {
            let asks = self.keys.entry(key.to_owned()).or_default();
            patterns.into_iter().for_each(|pattern| asks.pattern(pattern, fact));
        }
        Ok(fact)
    }

    /// Holds when the value under `key`, on a resource or on a span, passes `test`.
    pub(in crate::policy) fn value(&mut self, key: &str, test: ValueTest) -> Result<Fact, Full> {
        let (fact, new) = self.fact(Question::Test(key.to_owned(), test))?;
        if new {
            self.keys.entry(key.to_owned()).or_default().test(test, fact);
        }
        Ok(fact)
    }

    /// Holds when the tracestate of a span has one of `values` under `key`.
    pub(in crate::policy) fn trace_state(
        &mut self,
        key: &str,
        values: &[&str],
    ) -> Result<Fact, Full> {
        let values = sorted(values);
        let (fact, new) = self.fact(Question::TraceState(key.to_owned(), values.clone()))?;
        if new {
            self.parts.trace_states.push((key.to_owned(), values, fact));
        }
        Ok(fact)
    }

    /// Holds when the sampled flag of a span is set.
    pub(in crate::policy) fn sampled_flag(&mut self) -> Result<Fact, Full> {
        let (fact, _) = self.fact(Question::SampledFlag)?;
        self.parts.sampled_flag = Some(fact);
        Ok(fact)
    }

    /// Holds when `condition` does, somewhere in the trace; with `roots` on a span without a parent.
    /// With `failed`, that holds when it had no answer somewhere.
    pub(in crate::policy) fn condition(
        &mut self,
        condition: &Condition,
        roots: bool,
        failed: Option<Fact>,
    ) -> Result<Fact, Full> {
        let (context, text) = (condition.context().name(), condition.text().to_owned());
        let (fact, new) = self.fact(Question::Holds(context, text, roots))?;
        if new || failed.is_some() {
            let (condition, sink) = (condition.clone(), Sink::Fact(fact));
            self.ask(AskedCondition { condition, sink, roots, negated: false, failed })?;
        }
        Ok(fact)
    }

    /// Holds when `condition` had no answer somewhere.
    pub(in crate::policy) fn failure(&mut self, condition: &Condition) -> Result<Fact, Full> {
        let (context, text) = (condition.context().name(), condition.text().to_owned());
        self.fact(Question::Fails(context, text)).map(|(fact, _)| fact)
    }

    /// Holds when `condition` does not hold somewhere in the trace, or has no answer.
    pub(in crate::policy) fn exception(&mut self, condition: &Condition) -> Result<Fact, Full> {
        let (context, text) = (condition.context().name(), condition.text().to_owned());
        let (fact, new) = self.fact(Question::Excepted(context, text))?;
        if new {
            let (condition, sink) = (condition.clone(), Sink::Fact(fact));
            self.ask(AskedCondition {
                condition,
                sink,
                roots: false,
                negated: true,
                failed: None,
            })?;
        }
        Ok(fact)
    }

    /// Holds when a span without a parent has come.
    pub(in crate::policy) fn root(&mut self) -> Result<Fact, Full> {
        let (fact, _) = self.fact(Question::Root)?;
        self.parts.root = Some(fact);
        Ok(fact)
    }

    /// Counts for how many spans or events of the trace `condition` holds.
    pub(in crate::policy) fn count(&mut self, condition: &Condition) -> Result<Counter, Full> {
        if let Some((_, counter)) = self.counts.iter().find(|(counted, _)| counted == condition) {
            return Ok(*counter);
        }
        // Beside these only spans and errors are counted.
        if self.counts.len() >= Fact::MAX {
            return Err(Full);
        }
        let counter = self.counter();
        self.counts.push((condition.clone(), counter));
        let (condition, sink) = (condition.clone(), Sink::Count(counter));
        self.ask(AskedCondition { condition, sink, roots: false, negated: false, failed: None })?;
        Ok(counter)
    }

    fn ask(&mut self, asked: AskedCondition) -> Result<(), Full> {
        self.fields += asked.condition.paths().len();
        if self.fields > FIELDS_MAX {
            return Err(Full);
        }
        self.parts.conditions.push(asked);
        Ok(())
    }

    /// Counts the spans of a trace whose status is an error.
    pub(in crate::policy) fn errors(&mut self) -> Counter {
        if let Some(counter) = self.errors {
            return counter;
        }
        let counter = self.counter();
        self.errors = Some(counter);
        counter
    }

    /// The least hash of the values of `field`: the name of a span for `name`, else the attribute of
    /// that name of a span, or of its resource where the span has none; with `roots` of spans without a
    /// parent only.
    pub(in crate::policy) fn least_hash(
        &mut self,
        field: &str,
        roots: bool,
    ) -> Result<LeastHash, Full> {
        let paths = if field == "name" {
            vec![Path::SpanName]
        } else {
            vec![Path::SpanAttribute(field.into()), Path::ResourceAttribute(field.into())]
        };
        let asked = (paths, roots);
        let number = self.hashed.iter().position(|known| *known == asked).unwrap_or_else(|| {
            self.hashed.push(asked);
            self.hashed.len() - 1
        });
        let number = u16::try_from(number).ok().filter(|number| usize::from(*number) < Fact::MAX);
        let number = number.ok_or(Full)?;
        self.contents.least = self.contents.least.max(number + 1);
        Ok(LeastHash(number))
    }

    /// Counts the services of a trace, up to `up_to`.
    pub(in crate::policy) fn services(&mut self, up_to: u64) {
        let up_to = usize::try_from(up_to).unwrap_or(usize::MAX);
        self.contents.services = self.contents.services.max(up_to);
    }

    const fn counter(&mut self) -> Counter {
        let counter = Counter(self.contents.counters);
        self.contents.counters += 1;
        counter
    }

    /// Asks for the duration of traces.
    pub(in crate::policy) const fn duration(&mut self) {
        self.contents.start = true;
    }

    /// Asks for the explicit randomness of traces.
    pub(in crate::policy) const fn randomness(&mut self) {
        self.contents.randomness = true;
    }

    /// Asks for the least threshold that spans came with, and whether one is untrue.
    pub(in crate::policy) const fn incoming_threshold(&mut self) {
        self.contents.threshold = true;
    }

    /// Asks for the bytes of all spans of a trace.
    pub(in crate::policy) const fn bytes(&mut self) {
        self.contents.bytes = true;
    }

    /// Counts the spans of a trace.
    pub(in crate::policy) fn spans(&mut self) -> Counter {
        if let Some(counter) = self.spans {
            return counter;
        }
        let counter = self.counter();
        self.spans = Some(counter);
        counter
    }

    /// The plan for all that was asked.
    ///
    /// # Errors
    /// The key whose patterns are too large together, and why.
    pub(in crate::policy) fn finish(mut self) -> Result<Plan, (String, regex::Error)> {
        let mut conditions = Conditions::default();
        if self.contents.services > 0 {
            let path = Path::ResourceAttribute(SERVICE_NAME.into());
            self.parts.service = Some(slot(&path, &mut conditions, &mut self.keys));
        }
        for (number, (paths, roots)) in (0..).zip(std::mem::take(&mut self.hashed)) {
            let slots = paths.iter().map(|path| {
                (place_of(path.context()), slot(path, &mut conditions, &mut self.keys))
            });
            let slots = slots.collect();
            self.parts.hashed.push(AskedHash { number: LeastHash(number), slots, roots });
        }
        for asked in std::mem::take(&mut self.parts.conditions) {
            for path in asked.condition.paths() {
                slot(path, &mut conditions, &mut self.keys);
            }
            conditions.add(asked);
        }
        let keys = AskedKeys::new(&self.keys)?;
        let layout = Layout::new(&self.contents);
        Ok(Plan {
            scan: Scan::new(keys, conditions, self.parts, [self.spans, self.errors]),
            layout,
        })
    }
}

/// The slot of a field, which attributes fill where it is one.
fn slot(path: &Path, conditions: &mut Conditions, keys: &mut BTreeMap<String, KeyAsks>) -> u16 {
    let slot = conditions.fields.slot(path);
    if let Some(key) = path.attribute_key() {
        keys.entry(key.to_owned()).or_default().slot(path.context(), slot);
    }
    slot
}

fn sorted(values: &[&str]) -> Vec<String> {
    let mut values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
    values.sort_unstable();
    values.dedup();
    values
}
