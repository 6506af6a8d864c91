//! Has the policies decide, and compares with what is expected.

use std::{fs, path::Path};

use prost::Message as _;
use serde::Serialize;
use wholetrace_proto::{id::TraceId, otlp::TracesData, otlp_json, translated::Limits};
use wholetrace_runtime::problems::{Problem, Problems, did_you_mean, join};
use wholetrace_sampler::policy::{
    PolicyIndex, PolicySet,
    offline::{Answer, Examined, examine},
};

use crate::{
    budgets::Allowed,
    notation::{Expect, Probability, TestCase, TestFile, Verdict},
    trace,
    values::probability_of,
};

/// How a test went.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// What is not as expected, of the first trace of which something is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What is not as expected.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// What differs.
    pub differences: Vec<Difference>,
    /// What to do about it; may be empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub hint: &'static str,
    /// The trace.
    pub trace: Summary,
    /// What each policy says of it.
    pub policies: Vec<Said>,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The key below `expect`.
    pub what: &'static str,
    /// What is expected.
    pub expected: String,
    /// What is decided.
    pub got: String,
}

/// A trace in a few words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its id, in hexadecimal digits.
    pub id: String,
    /// How many spans it has.
    pub spans: usize,
    /// Those with the status ERROR.
    pub errors: usize,
    /// From its earliest start to its latest end.
    pub milliseconds: u64,
    /// Its services.
    pub services: Vec<String>,
}

/// What a policy says of a trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Said {
    /// Its name.
    pub policy: String,
    /// What it says.
    pub says: String,
    /// What it does, in words.
    pub does: String,
    /// Whether that is yes.
    pub yes: bool,
}

/// Runs the tests of `file`, which stands in `folder`, with its `policies`, of which `words` say what
/// each does.
///
/// # Errors
/// Everything that is wrong with the file; then nothing has run.
pub fn run(
    file: &TestFile,
    policies: &PolicySet,
    words: &[String],
    folder: &Path,
) -> Result<Vec<Outcome>, Problems> {
    let mut problems = Problems::new();
    if file.tests.is_empty() {
        let hint = "give at least one: `- { name: …, trace: […], expect: kept }`";
        problems.error("tests", "there are none", hint);
    }
    let mut outcomes = Vec::with_capacity(file.tests.len());
    for (index, test) in file.tests.iter().enumerate() {
        let path = format!("tests[{index}]");
        if test.name.is_empty() {
            problems.error(join(&path, "name"), "the test has no name", "say what it shows");
        } else if file.tests.iter().take(index).any(|other| other.name == test.name) {
            let problem = Problem::new(join(&path, "name"), "another test has this name");
            problems.push_error(problem.value(&test.name));
        }
        let mut reading = Reading { policies, words, folder, path: &path, problems: &mut problems };
        if let Some(outcome) = reading.run(test) {
            outcomes.push(outcome);
        }
    }
    problems.into_result().map(|_| outcomes)
}

/// A test that is being read.
struct Reading<'a> {
    policies: &'a PolicySet,
    words: &'a [String],
    folder: &'a Path,
    path: &'a str,
    problems: &'a mut Problems,
}

impl Reading<'_> {
    /// Runs the test; `None` if anything is wrong with it.
    fn run(&mut self, test: &TestCase) -> Option<Outcome> {
        let before = self.problems.errors().len();
        let expect = self.expectation(test);
        let budgets = join(self.path, "budgets");
        let budgets = Allowed::of(&test.budgets, self.policies.budgets(), &budgets, self.problems);
        let traces = self.traces(test);
        if self.problems.errors().len() > before {
            return None;
        }
        let expect = expect?;
        // A verdict about a trace that is drawn follows from its id: somebody must have chosen it.
        let chosen = |index: usize| match (&test.traces, &test.otlp) {
            (_, Some(_)) => true,
            (Some(traces), _) => traces
                .get(index)
                .is_some_and(|trace| trace.id.is_some() || trace.randomness.is_some()),
            _ => test.id.is_some() || test.randomness.is_some(),
        };
        let mut failure = None;
        for (index, bytes) in traces.iter().enumerate() {
            let examined = match examine(self.policies, bytes, &budgets) {
                Ok(examined) => examined,
                Err(error) => {
                    self.problems.error(self.path, format!("a trace cannot be read: {error}"), "");
                    return None;
                }
            };
            for examined in &examined {
                if test.otlp.is_some()
                    && test.id.is_some_and(|id| TraceId(id.0.to_be_bytes()).key() != examined.key)
                {
                    continue;
                }
                let found = Found::new(self.policies, examined);
                let compared = found.compare(expect, chosen(index));
                if let Some((differences, hint)) = compared
                    && failure.is_none()
                {
                    let policies = examined.answers.iter();
                    let policies = policies.map(|answer| self.said(answer, examined));
                    failure = Some(Failure {
                        differences,
                        hint,
                        trace: summary(bytes, examined),
                        policies: policies.collect(),
                    });
                }
            }
        }
        Some(Outcome { name: test.name.clone(), failure })
    }

    /// What the test expects; `None`, and problems, if that says nothing, or names no policy.
    fn expectation<'t>(&mut self, test: &'t TestCase) -> Option<&'t Expect> {
        let path = join(self.path, "expect");
        let Some(expect) = &test.expect else {
            let hint = "say `expect: kept`, `dropped`, `not_sampled` or `{ probability: 10% }`";
            self.problems.error(path, "the test expects nothing", hint);
            return None;
        };
        let Expect { verdict, policy, matched, probability, threshold } = expect;
        let says_nothing = verdict.is_none()
            && policy.is_none()
            && matched.is_none()
            && probability.is_none()
            && threshold.is_none();
        if says_nothing {
            let hint = "give a `verdict`, a `policy`, `matched` policies or a `probability`";
            self.problems.error(&path, "the test expects nothing", hint);
        }
        let names = self.policies.policy_names();
        let named = policy.iter().map(|name| (name, join(&path, "policy")));
        let matched = matched.iter().flatten().enumerate();
        let matched = matched.map(|(index, name)| (name, format!("{path}.matched[{index}]")));
        for (name, path) in named.chain(matched) {
            if names.contains(name) {
                continue;
            }
            let hint = did_you_mean(name, names.iter().map(String::as_str)).map_or_else(
                || format!("there are: {}", names.join(", ")),
                |meant| format!("did you mean `{meant}`?"),
            );
            self.problems
                .push_error(Problem::new(path, "no policy is called so").value(name).hint(hint));
        }
        Some(expect)
    }

    /// The traces of the test, as OTLP: each for itself, or those of a file together.
    fn traces(&mut self, test: &TestCase) -> Vec<Vec<u8>> {
        let TestCase { name, trace, traces, otlp, id, randomness, .. } = test;
        let given =
            [trace.is_some(), traces.is_some(), otlp.is_some()].iter().filter(|is| **is).count();
        if given != 1 {
            let message =
                if given == 0 { "the test has no trace" } else { "the traces are there twice" };
            let hint = "give one of `trace` (a list of spans), `traces` and `otlp` (a file)";
            self.problems.error(self.path, message, hint);
            return Vec::new();
        }
        if id.is_some() && randomness.is_some() || (otlp.is_some() && randomness.is_some()) {
            self.both();
        }
        if trace.is_none() && traces.is_some() && (id.is_some() || randomness.is_some()) {
            let hint = "put it beside the `spans` of one of them";
            self.problems.error(self.path, "`id` and `randomness` are of one trace", hint);
        }
        if let Some(spans) = trace {
            let id = id.unwrap_or_else(|| trace::id(name, 0, *randomness));
            return vec![trace::encode(spans, id, &join(self.path, "trace"), self.problems)];
        }
        if let Some(file) = otlp {
            return self.read(file).into_iter().collect();
        }
        let traces = traces.iter().flatten().enumerate();
        let mut all = Vec::new();
        for (index, text) in traces {
            if text.id.is_some() && text.randomness.is_some() {
                self.both();
            }
            let id = text.id.unwrap_or_else(|| trace::id(name, index, text.randomness));
            let path = format!("{}.traces[{index}].spans", self.path);
            all.push(trace::encode(&text.spans, id, &path, self.problems));
        }
        if all.is_empty() {
            let hint = "give at least one: `- spans: [{ name: GET / }]`";
            self.problems.error(join(self.path, "traces"), "there are none", hint);
        }
        all
    }

    fn both(&mut self) {
        let hint = "the randomness is in the id: leave one of them out";
        self.problems.error(self.path, "`randomness` is for a trace without an id", hint);
    }

    /// The spans in a file of OTLP/JSON: one document, or one in each line.
    fn read(&mut self, file: &Path) -> Option<Vec<u8>> {
        let path = join(self.path, "otlp");
        let mut wrong = |message: String| {
            let hint = "OTLP/JSON is wanted, as a Collector's file exporter writes it";
            let problem = Problem::new(&path, message).value(file.display());
            self.problems.push_error(problem.hint(hint));
        };
        let text = match fs::read(self.folder.join(file)) {
            Ok(text) => text,
            Err(error) => {
                wrong(format!("cannot be read: {error}"));
                return None;
            }
        };
        let mut spans = Vec::new();
        let whole = otlp_json::to_protobuf(&text, &mut Limits::default());
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let documents: Vec<_> = match whole {
            Err(_) if lines.clone().count() > 1 => {
                lines.map(|line| otlp_json::to_protobuf(line, &mut Limits::default())).collect()
            }
            whole => vec![whole],
        };
        let mut count = 0;
        for document in documents {
            match document {
                Ok(read) => {
                    if let Some(reject) = read.rejected.first() {
                        wrong(format!("a span cannot be read: {reject}"));
                        return None;
                    }
                    count += read.spans;
                    spans.extend(read.bytes);
                }
                Err(error) => {
                    wrong(format!("is no OTLP/JSON: {error}"));
                    return None;
                }
            }
        }
        if count == 0 {
            wrong("has no spans".to_owned());
        }
        Some(spans)
    }

    /// What a policy says of a trace.
    fn said(&self, answer: &Answer, Examined { decision, .. }: &Examined) -> Said {
        let word = match (answer.says_yes, answer.discards) {
            _ if decision.failed.iter().any(|failed| failed == answer.policy) => "failed",
            (true, true) => "yes: discard it",
            (true, false) => "yes",
            (false, _) => "no",
        };
        let how = match answer.probability {
            None => " (drawn by a hash)".to_owned(),
            Some(share) if share > 0.0 && share < 1.0 => {
                format!(" (by chance: {})", Probability(share))
            }
            Some(_) => String::new(),
        };
        let tried = if answer.shadow { " (tried only)" } else { "" };
        let does = self.words.get(usize::from(answer.policy)).cloned();
        Said {
            policy: self.policies.policy_name(answer.policy).unwrap_or_default().to_owned(),
            says: format!("{word}{how}{tried}"),
            does: does.unwrap_or_default(),
            yes: answer.says_yes,
        }
    }
}

/// What is decided about a trace, in the words of tests.
struct Found<'a> {
    verdict: Verdict,
    policy: Option<&'a str>,
    matched: Vec<&'a str>,
    probability: Option<Probability>,
    threshold: u64,
}

impl<'a> Found<'a> {
    fn new(policies: &'a PolicySet, Examined { decision, .. }: &Examined) -> Self {
        let verdict = match (decision.kept, decision.policy) {
            (true, _) => Verdict::Kept,
            (false, Some(_)) => Verdict::Dropped,
            (false, None) => Verdict::NotSampled,
        };
        let name = |index: PolicyIndex| policies.policy_name(index);
        let known = decision.probability_known;
        Self {
            verdict,
            policy: decision.policy.and_then(name),
            matched: decision.matched.iter().filter_map(name).collect(),
            probability: known.then(|| probability_of(decision.threshold)),
            threshold: decision.threshold,
        }
    }

    /// Whether another trace with the same contents could be decided otherwise.
    fn is_by_chance(&self) -> bool {
        self.probability.is_none_or(|Probability(share)| share > 0.0 && share < 1.0)
    }

    /// What differs from `expect`, and what to do about it; `None` for nothing. `chosen`: the id of
    /// the trace is no accident.
    fn compare(&self, expect: &Expect, chosen: bool) -> Option<(Vec<Difference>, &'static str)> {
        let mut differences = Vec::new();
        let mut differs = |what, expected: String, got: String| {
            differences.push(Difference { what, expected, got });
        };
        let by_chance = self.probability.map_or_else(
            || "kept by a chance that no threshold tells".to_owned(),
            |share| format!("kept by chance: {share}"),
        );
        let accident = expect.verdict.is_some() && self.is_by_chance() && !chosen;
        if let Some(verdict) = expect.verdict {
            if accident {
                differs("verdict", verdict.to_string(), by_chance.clone());
            } else if verdict != self.verdict {
                differs("verdict", verdict.to_string(), self.verdict.to_string());
            }
        }
        if let Some(policy) = &expect.policy
            && self.policy != Some(policy)
        {
            differs("policy", policy.clone(), self.policy.unwrap_or("none").to_owned());
        }
        if let Some(matched) = &expect.matched {
            let sorted = |mut names: Vec<&str>| {
                names.sort_unstable();
                format!("[{}]", names.join(", "))
            };
            let expected = sorted(matched.iter().map(String::as_str).collect());
            let got = sorted(self.matched.clone());
            if expected != got {
                differs("matched", expected, got);
            }
        }
        if let Some(share) = expect.probability
            && !self.probability.is_some_and(|found| share.is(found.0))
        {
            let got = self.probability.map_or(by_chance, |found| found.to_string());
            differs("probability", share.to_string(), got);
        }
        if let Some(threshold) = expect.threshold
            && (self.threshold != threshold.0 || self.probability.is_none())
        {
            let hex = |threshold: u64| {
                let digits = format!("{threshold:014x}");
                let shown = digits.trim_end_matches('0');
                if shown.is_empty() { "0".to_owned() } else { shown.to_owned() }
            };
            differs("threshold", hex(threshold.0), hex(self.threshold));
        }
        let hint = if accident {
            "expect a `probability`, or say `randomness: most`, `least` or an `id`"
        } else {
            ""
        };
        (!differences.is_empty()).then_some((differences, hint))
    }
}

/// The trace that was examined, which is among those of `bytes`.
fn summary(bytes: &[u8], examined: &Examined) -> Summary {
    const ERROR: i32 = 2;
    let mut summary = Summary::default();
    let (mut start, mut end) = (u64::MAX, 0);
    for resource in TracesData::decode(bytes).unwrap_or_default().resource_spans {
        let attributes = resource.resource.unwrap_or_default().attributes;
        let service = attributes.iter().find(|attribute| attribute.key == "service.name");
        let service = service.and_then(|service| service.value.as_ref()?.value.clone());
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        for span in spans {
            let Ok(id) = TraceId::from_slice(&span.trace_id) else { continue };
            if id.key() != examined.key {
                continue;
            }
            summary.id = id.to_string();
            summary.spans += 1;
            summary.errors += usize::from(span.status.is_some_and(|status| status.code == ERROR));
            start = start.min(span.start_time_unix_nano);
            end = end.max(span.end_time_unix_nano);
            if let Some(wholetrace_proto::otlp::any_value::Value::StringValue(name)) = &service
                && !summary.services.contains(name)
            {
                summary.services.push(name.clone());
            }
        }
    }
    summary.milliseconds = end.saturating_sub(start) / 1_000_000;
    summary
}
