//! A file of tests, as it is written.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use wholetrace_runtime::units::HumanDuration;
use wholetrace_sampler::policy::TailSamplingConfig;

pub use crate::budgets::Share;
use crate::values::{FromText, maybe_text_or_map, text_or_map};
pub use crate::values::{Id, Kind, Probability, Randomness, StatusCode, ThresholdText, Verdict};

/// A file of tests: the policies, and what they are to make of traces.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TestFile {
    /// The configuration whose policies are tested, relative to the folder of this file.
    pub config: Option<PathBuf>,
    /// The policies themselves, instead.
    pub tail_sampling: Option<TailSamplingConfig>,
    /// The tests.
    pub tests: Vec<TestCase>,
}

/// One test: traces, and what is to become of each of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TestCase {
    /// What the test shows. Ids of traces are made from it, so that they stay the same.
    pub name: String,
    /// The spans of a trace. The first one is its root; the others are its children, unless they
    /// stand under `children` of another one, or say who their parent is.
    pub trace: Option<Vec<SpanText>>,
    /// Traces, of each of which the same is expected, instead.
    pub traces: Option<Vec<TraceText>>,
    /// A file of OTLP/JSON, relative to the folder of this file, instead: of each trace in it the
    /// same is expected. One document, or one in each line.
    pub otlp: Option<PathBuf>,
    /// The id of the trace under `trace`; of a file of OTLP/JSON, the only one that is looked at.
    pub id: Option<Id>,
    /// The randomness of the trace under `trace`: the least if nothing is said, so that policies that
    /// keep a share say no.
    pub randomness: Option<Randomness>,
    /// How much of what asks the budgets of policies keep, by their names or by those of the policies
    /// that they stand in. One of which nothing is said keeps all.
    pub budgets: BTreeMap<String, Share>,
    /// What is to become of it: a verdict, or more than that.
    #[serde(deserialize_with = "maybe_text_or_map")]
    pub expect: Option<Expect>,
}

/// One of several traces of a test.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceText {
    /// Its id; made from the name of the test if there is none.
    pub id: Option<Id>,
    /// Its randomness: the low 56 bits of the id that is made for it.
    pub randomness: Option<Randomness>,
    /// Its spans.
    pub spans: Vec<SpanText>,
}

/// A span, and the ones below it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpanText {
    /// Its name.
    pub name: String,
    /// `service.name` of its resource. Without it and `resource` the resource is the parent's.
    pub service: Option<String>,
    /// Other attributes of its resource.
    pub resource: Option<Map<String, Value>>,
    /// Its instrumentation scope; the parent's if there is none.
    #[serde(deserialize_with = "maybe_text_or_map")]
    pub scope: Option<ScopeText>,
    /// Its kind: `internal` if nothing is said.
    pub kind: Option<Kind>,
    /// Its status: `ERROR`, or `{ code: ERROR, message: … }`.
    #[serde(deserialize_with = "maybe_text_or_map")]
    pub status: Option<StatusText>,
    /// When it starts, from the start of the trace; with its parent if nothing is said.
    pub start: Option<HumanDuration>,
    /// How long it lasts.
    pub duration: HumanDuration,
    /// Its attributes.
    pub attributes: Map<String, Value>,
    /// Its events: names, or `{ name: …, at: …, attributes: … }`.
    pub events: Vec<EventItem>,
    /// Its W3C tracestate.
    pub tracestate: String,
    /// Its flags: 1 for sampled.
    pub flags: u32,
    /// The name of its parent, the id of one that is not there (16 hexadecimal digits), or `none`.
    pub parent: Option<String>,
    /// How many times it is there, with the ones below it.
    pub times: Option<u32>,
    /// The spans below it.
    pub children: Vec<Self>,
}

/// The instrumentation scope of a span.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScopeText {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its attributes.
    pub attributes: Map<String, Value>,
}

/// The status of a span.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StatusText {
    /// Which one.
    pub code: StatusCode,
    /// What its developer said.
    pub message: String,
}

/// An event of a span.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventText {
    /// Its name.
    pub name: String,
    /// When it was, from the start of the trace; when its span starts if nothing is said.
    pub at: Option<HumanDuration>,
    /// Its attributes.
    pub attributes: Map<String, Value>,
}

/// An event in its short or its long form.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct EventItem {
    #[serde(deserialize_with = "text_or_map")]
    pub(crate) event: EventText,
}

/// What is to become of a trace: a verdict, or more than that.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// The policy that it is attributed to: the first one that said yes.
    pub policy: Option<String>,
    /// All policies that said yes.
    pub matched: Option<Vec<String>>,
    /// How probable it is that a trace with these contents is kept.
    pub probability: Option<Probability>,
    /// The same as a threshold.
    pub threshold: Option<ThresholdText>,
}

impl FromText for Expect {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self { verdict: Some(Verdict::from_text(text)?), ..Self::default() })
    }
}

impl FromText for ScopeText {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self { name: text.to_owned(), ..Self::default() })
    }
}

impl FromText for StatusText {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self { code: StatusCode::from_text(text)?, message: String::new() })
    }
}

impl FromText for EventText {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self { name: text.to_owned(), ..Self::default() })
    }
}
