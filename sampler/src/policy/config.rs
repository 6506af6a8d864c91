//! The `tail_sampling` section of the configuration: the block of the Collector's processor of
//! that name, and a few keys of our own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::units::HumanDuration;

use crate::policy::{
    compatibility::Compatibility,
    lenient::one_or_many,
    policies::PolicyConfig,
    types::{probabilistic::ProbabilisticConfig, status_code::StatusCodeConfig},
};

/// Which traces are kept, and when that is decided. A block that a Collector's `tail_sampling`
/// processor has today loads unchanged; keys that are not needed here are accepted with a warning.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TailSamplingConfig {
    /// A trace is kept if one of these wants it and no `drop` policy among them discards it. At
    /// least one.
    #[serde(deserialize_with = "one_or_many")]
    pub policies: Vec<PolicyConfig>,
    /// Time from the first span of a trace to the decision about it. Spans that come later follow
    /// the decision. Longer waits cost log, not memory beyond the window cache. 0s to 24h.
    pub decision_wait: HumanDuration,
    /// Time from a span without parent to the decision, when that is earlier than
    /// `decision_wait` says; 0s for no such haste. 0s to 24h.
    pub decision_wait_after_root_received: HumanDuration,
    /// For how long late spans find the decision about their trace.
    pub decision_cache: DecisionCacheConfig,
    /// What in a span keeps its trace whatever the policies say, unless a `drop` policy discards
    /// it. `debug`: the sender set the debug flag of a format that has one (Zipkin, Jaeger).
    /// `jaeger_debug_id`: the attribute `jaeger-debug-id`. `sampling_priority`: the attribute
    /// `sampling.priority` above 0. The Collector knows none of them; the default honours only
    /// what plain OTLP cannot say. An empty list for none.
    pub keep_signals: Vec<KeepSignal>,
    /// What in a span discards its trace whatever the policies say, unless one of the `keep_signals`
    /// keeps it. `sampling_priority`: the attribute `sampling.priority` of 0. Any sender can discard
    /// whole traces with it, so none is obeyed unless it is listed here.
    pub drop_signals: Vec<DropSignal>,
    /// Which traces `probabilistic` policies without a `hash_salt` keep. `consistent`: by the
    /// randomness in the ids, as all samplers that follow OpenTelemetry do. `collector`: the very
    /// traces that a Collector keeps, by its hash with its default salt.
    pub compatibility: Compatibility,
    /// Where kept spans are told why: the attribute `tailsampling.policy` has the name of the first
    /// policy that kept the trace, `tailsampling.composite_policy` the name of the policy within a
    /// `composite` one that did, and `tailsampling.cached_decision` is true for spans that came after the
    /// decision. `scope`: on the instrumentation scope, as a Collector does behind its gate
    /// `recordpolicy`; `span`: on each span; `none`: nowhere.
    pub record_policy: RecordPolicy,
    /// The attribute in which each kept span is told why in one text, as Refinery does in
    /// `meta.refinery.reason`: `rules/trace/` and the name of the first policy that kept the trace; if
    /// that is a `composite` one, `:` and the name of the policy in it that did; for a span that came
    /// after the decision ` - late arriving span`. There is one text for each policy, by which spans can
    /// be grouped. Unset: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_reason: Option<String>,
    /// Whether each kept span is told how many it stands for, as whole number in the attribute
    /// `SampleRate`, for backends that do not read the threshold in the tracestate. Where the
    /// probability is not known there is none.
    pub record_adjusted_count: bool,

    /// Not needed: traces are not bounded by number, but the bytes in memory are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_traces: Option<u64>,
    /// Not needed: nothing is allocated by expectation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_new_traces_per_sec: Option<u64>,
    /// Not needed: an undecided trace is never evicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_on_overflow: Option<bool>,
    /// Not needed: the decision is the same, and all policies together cost one pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_on_first_match: Option<bool>,
    /// `trace-complete`, and nothing else happens with `span-ingest`: decisions see the whole trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling_strategy: Option<String>,
    /// Not needed: undecided traces are in the log when the process stops, and are decided whole
    /// when it, or another, goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_pending_traces_on_shutdown: Option<bool>,
    /// Traces whose spans have more bytes than this together are discarded when they are decided, as
    /// by a `drop` policy; 0 or unset for no such bound. Here a giant trace takes no more memory than
    /// a small one. Heads of resources and scopes do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_trace_size_bytes: Option<u64>,
    /// Not needed: the span log is the storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail_storage: Option<String>,
    /// Not needed: the partitions of the span log are the shards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_shards: Option<u32>,
}

/// How long decisions are remembered, so that late spans follow them. Both bounds hold.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DecisionCacheConfig {
    /// Stream time for which a decision is remembered. A span that comes after it starts a new
    /// trace. 0s to 168h.
    pub max_age: HumanDuration,
    /// Decisions remembered for late spans in the process, over all its partitions: about 45 bytes
    /// each, and 9 more for a kept one; beyond them the oldest goes. Unset: as many as
    /// `memory.open_traces`, 1,000,000, or what the two sizes below come to, whichever is most. 0 to
    /// 1,000,000,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_entries: Option<u64>,
    /// The Collector's bound for kept traces. Kept and other traces share one table here: see
    /// `max_entries`.
    pub sampled_cache_size: u64,
    /// The Collector's bound for traces that were not kept. See `max_entries`.
    pub non_sampled_cache_size: u64,
}

/// Something in a span that asks for its trace to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeepSignal {
    /// The debug flag of the format that the span came in.
    Debug,
    /// The attribute `jaeger-debug-id`.
    JaegerDebugId,
    /// The attribute `sampling.priority` above 0.
    SamplingPriority,
}

/// Something in a span that asks for its trace to be discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DropSignal {
    /// The attribute `sampling.priority` of 0.
    SamplingPriority,
}

/// Where kept spans are told which policy kept them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordPolicy {
    /// Nowhere.
    #[default]
    None,
    /// On the instrumentation scope.
    Scope,
    /// On each span.
    Span,
}

impl Default for TailSamplingConfig {
    /// The Collector's defaults, and no policies.
    fn default() -> Self {
        Self {
            policies: Vec::new(),
            decision_wait: HumanDuration::from_secs(30),
            decision_wait_after_root_received: HumanDuration::from_secs(0),
            decision_cache: DecisionCacheConfig::default(),
            keep_signals: vec![KeepSignal::Debug],
            drop_signals: Vec::new(),
            compatibility: Compatibility::Consistent,
            record_policy: RecordPolicy::None,
            record_reason: None,
            record_adjusted_count: false,
            num_traces: None,
            expected_new_traces_per_sec: None,
            block_on_overflow: None,
            sample_on_first_match: None,
            sampling_strategy: None,
            drop_pending_traces_on_shutdown: None,
            maximum_trace_size_bytes: None,
            tail_storage: None,
            num_shards: None,
        }
    }
}

impl TailSamplingConfig {
    /// What is done when nothing is configured: errors and a tenth of the rest are kept, ten
    /// seconds after their first span.
    #[must_use]
    pub fn starter() -> Self {
        let errors = PolicyConfig {
            name: "errors".to_owned(),
            kind: "status_code".to_owned(),
            status_code: Some(StatusCodeConfig {
                status_codes: vec!["ERROR".to_owned()],
                ..StatusCodeConfig::default()
            }),
            ..PolicyConfig::default()
        };
        let share = PolicyConfig {
            name: "ten-percent".to_owned(),
            kind: "probabilistic".to_owned(),
            probabilistic: Some(ProbabilisticConfig {
                sampling_percentage: 10.0,
                ..ProbabilisticConfig::default()
            }),
            ..PolicyConfig::default()
        };
        Self {
            policies: vec![errors, share],
            decision_wait: HumanDuration::from_secs(10),
            ..Self::default()
        }
    }
}

impl DecisionCacheConfig {
    /// Decisions remembered when nothing is said, at least.
    const ENTRIES: u64 = 1_000_000;

    /// How many decisions are remembered at most in a process that may have `open_traces` traces
    /// undecided.
    #[must_use]
    pub fn entries(&self, open_traces: u64) -> u64 {
        let collectors = self.sampled_cache_size.saturating_add(self.non_sampled_cache_size);
        self.max_entries.unwrap_or_else(|| collectors.max(Self::ENTRIES).max(open_traces))
    }
}

impl Default for DecisionCacheConfig {
    fn default() -> Self {
        Self {
            max_age: HumanDuration::from_secs(3600),
            max_entries: None,
            sampled_cache_size: 0,
            non_sampled_cache_size: 0,
        }
    }
}
