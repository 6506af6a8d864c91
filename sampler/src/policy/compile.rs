//! From the configuration to a policy set.

use std::collections::HashMap;

use wholetrace_proto::{record::POLICIES_MAX, translated::KEEP_ATTRIBUTE};
use wholetrace_runtime::{
    problems::{Problems, did_you_mean},
    units::HumanDuration,
};

use crate::policy::{
    attributes::ValueTest,
    config::{KeepSignal, TailSamplingConfig},
    kind::{self, Kind, Named},
    leaf::{
        Leaf, always_sample::AlwaysSample, latency::Latency, probabilistic::Probabilistic,
        status_code::StatusCode, string_attribute::StringAttribute,
    },
    observations::{KEEP_SIGNAL, Observations, fixed},
    policies::{AndConfig, DropConfig, PolicyConfig},
    report::{Report, Unknown, list},
    scan::Scan,
    set::{PolicySet, Rule},
};

/// What traces are said to be kept by that their spans asked for.
const KEEP_SIGNALS: &str = "keep_signals";

/// The most policies at the top: two more names are needed where decisions are recorded.
const RULES_MAX: usize = POLICIES_MAX - 2;

/// The longest time that a trace may wait.
const WAIT_MAX: HumanDuration = HumanDuration::from_secs(24 * 3600);
/// The longest time that decisions may be remembered for.
const CACHE_AGE_MAX: HumanDuration = HumanDuration::from_secs(168 * 3600);
/// The most decisions that may be remembered.
const CACHE_ENTRIES_MAX: u64 = 1_000_000_000;

impl PolicySet {
    /// Compiles a configuration, which stands at the key `path`.
    ///
    /// All that is wrong with it is added to `problems`, and so is a warning for each key that is
    /// not needed; `None` if anything is wrong.
    #[must_use]
    pub fn compile(
        config: &TailSamplingConfig,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let errors = problems.errors().len();
        let mut report = Report::new(path, problems);
        check_times(config, &mut report);
        warn_of_useless(config, &mut report);
        check_strategy(config, &mut report);

        let mut observations = Observations::default();
        ask_for_signals(&config.keep_signals, &mut observations);
        let rules = compile_rules(config, &mut observations, &mut report);

        if problems.errors().len() > errors {
            return None;
        }
        let names = config.policies.iter().map(|policy| policy.name.clone());
        let after_root = config.decision_wait_after_root_received.get();
        Some(Self {
            scan: Scan::new(observations),
            rules,
            names: names.chain([KEEP_SIGNALS.to_owned()]).collect(),
            decision_wait: config.decision_wait.get(),
            decision_wait_after_root: (!after_root.is_zero()).then_some(after_root),
            decision_cache: config.decision_cache.clone(),
        })
    }
}

fn check_times(config: &TailSamplingConfig, report: &mut Report<'_>) {
    let (none, after_root) = (HumanDuration::default(), config.decision_wait_after_root_received);
    report.within("decision_wait", config.decision_wait, none, WAIT_MAX);
    report.within("decision_wait_after_root_received", after_root, none, WAIT_MAX);
    let (cache, mut report) = (&config.decision_cache, report.under("decision_cache"));
    report.within("max_age", cache.max_age, none, CACHE_AGE_MAX);
    report.within("max_entries", cache.entries(0), 0, CACHE_ENTRIES_MAX);
}

/// One warning for each key that is given and not needed here.
fn warn_of_useless(config: &TailSamplingConfig, report: &mut Report<'_>) {
    let mut useless = |key, given, why: &str| {
        if given {
            report.warn(key, "not needed", why);
        }
    };
    let bytes = "the bytes in memory are bounded, not the number of traces";
    useless("num_traces", config.num_traces.is_some(), bytes);
    let rate = config.expected_new_traces_per_sec.is_some();
    useless("expected_new_traces_per_sec", rate, "nothing is allocated by expectation");
    let block = config.block_on_overflow.is_some();
    useless("block_on_overflow", block, "no undecided trace is ever evicted");
    let first = "the decision is the same, and all policies together cost one pass over a span";
    useless("sample_on_first_match", config.sample_on_first_match.is_some(), first);
    let pending = "undecided traces are in the log, and are decided whole after a restart";
    let given = config.drop_pending_traces_on_shutdown.is_some();
    useless("drop_pending_traces_on_shutdown", given, pending);
    let giant = "a giant trace takes no more memory than a small one; it is not discarded";
    useless("maximum_trace_size_bytes", config.maximum_trace_size_bytes.is_some(), giant);
    useless("tail_storage", config.tail_storage.is_some(), "the span log is the storage");
    let shards = "the partitions of the span log are the shards";
    useless("num_shards", config.num_shards.is_some(), shards);
}

fn check_strategy(config: &TailSamplingConfig, report: &mut Report<'_>) {
    match config.sampling_strategy.as_deref() {
        None | Some("trace-complete") => {}
        Some(strategy) => report.under("sampling_strategy").bad_value(
            strategy,
            "is not supported",
            "take `trace-complete`: every decision sees the whole trace",
        ),
    }
}

fn ask_for_signals(signals: &[KeepSignal], observations: &mut Observations) {
    for signal in signals {
        let (key, test) = match signal {
            KeepSignal::Debug => (KEEP_ATTRIBUTE, ValueTest::Present),
            KeepSignal::JaegerDebugId => ("jaeger-debug-id", ValueTest::Present),
            KeepSignal::SamplingPriority => ("sampling.priority", ValueTest::Positive),
        };
        observations.attributes.ask(key, test, fixed(KEEP_SIGNAL));
    }
}

fn compile_rules(
    config: &TailSamplingConfig,
    observations: &mut Observations,
    report: &mut Report<'_>,
) -> Vec<Rule> {
    const KEY: &str = "policies";
    let count = config.policies.len();
    if count == 0 {
        let message = "there are none, so no trace would be kept";
        report.under(KEY).error(message, "give at least one policy");
    }
    if count > RULES_MAX {
        let message = format!("has `{count}` policies, at most `{RULES_MAX}` are possible");
        report.under(KEY).error(message, "join values of one key in one policy where you can");
    }
    let mut named: HashMap<&str, usize> = HashMap::new();
    let mut rules = Vec::with_capacity(count);
    for (index, policy) in config.policies.iter().enumerate() {
        let mut report = report.item(KEY, index);
        let mut at_name = report.under("name");
        if policy.name.is_empty() {
            at_name.error("the policy has no name", "give it one");
        } else if let Some(other) = named.insert(&policy.name, index) {
            let message = format!("is the name of {KEY}[{other}] already");
            at_name.bad_value(&policy.name, message, "give each policy a name of its own");
        }
        rules.extend(compile_rule(policy, observations, &mut report));
    }
    rules
}

fn compile_rule(
    policy: &PolicyConfig,
    observations: &mut Observations,
    report: &mut Report<'_>,
) -> Option<Rule> {
    let kind = kind_of(policy, false, report)?;
    match kind {
        Kind::And => {
            let AndConfig { and_sub_policy, unknown } = body(policy.and.as_ref(), kind, report)?;
            let why = "a Collector would keep every trace by it";
            compile_group(and_sub_policy, "and_sub_policy", unknown, why, observations, report)
                .map(Rule::And)
        }
        Kind::Drop => {
            let DropConfig { drop_sub_policy, unknown } = body(policy.drop.as_ref(), kind, report)?;
            let why = "a Collector would discard every trace by it";
            compile_group(drop_sub_policy, "drop_sub_policy", unknown, why, observations, report)
                .map(Rule::Drop)
        }
        _ => compile_leaf(kind, policy, observations, report).map(Rule::Leaf),
    }
}

fn compile_group(
    policies: &[PolicyConfig],
    key: &str,
    unknown: &Unknown,
    why_not_empty: &str,
    observations: &mut Observations,
    report: &mut Report<'_>,
) -> Option<Box<[Leaf]>> {
    let (block, _) = key.split_once('_')?;
    let mut report = report.under(block);
    report.refuse(unknown, &[key]);
    if policies.is_empty() {
        report.under(key).error("there are no policies in it", why_not_empty);
        return None;
    }
    // All are compiled before one that fails ends it, so that all problems are told.
    let leaves: Vec<Option<Leaf>> = (0..)
        .zip(policies)
        .map(|(index, policy)| {
            let mut report = report.item(key, index);
            let kind = kind_of(policy, true, &mut report)?;
            compile_leaf(kind, policy, observations, &mut report)
        })
        .collect();
    leaves.into_iter().collect()
}

/// The type of a policy, if it is one that may stand here.
fn kind_of(policy: &PolicyConfig, leaves_only: bool, report: &mut Report<'_>) -> Option<Kind> {
    let (name, kind) = (&policy.name, policy.kind.as_str());
    let usable = kind::supported(leaves_only);
    let hint = format!("supported here are {}", list(&usable));
    let (message, hint) = match Kind::of(kind) {
        Named::Supported(kind) if !leaves_only || kind.is_leaf() => {
            check_keys(policy, kind, &usable, report);
            return Some(kind);
        }
        Named::Supported(_) => ("of a type that cannot stand inside another", hint),
        Named::NotYet => ("of a type that is not supported yet", hint),
        Named::Unknown => {
            let meant = did_you_mean(kind, kind::all());
            ("of an unknown type", meant.map_or(hint, |meant| format!("did you mean `{meant}`?")))
        }
    };
    report.under("type").bad_value(kind, format!("policy `{name}` is {message}"), hint);
    None
}

/// Refuses keys that no policy has, and warns of settings for another type of policy.
fn check_keys(policy: &PolicyConfig, kind: Kind, usable: &[&str], report: &mut Report<'_>) {
    let mut known = vec!["name", "type"];
    known.extend(usable.iter().filter(|name| **name != Kind::AlwaysSample.name()));
    let not_ours = |key: &String| !matches!(Kind::of(key), Named::Unknown);
    let (others, unknown): (Unknown, Unknown) =
        policy.unknown.clone().into_iter().partition(|(key, _)| not_ours(key));
    report.refuse(&unknown, &known);
    let others = others.keys().map(String::as_str);
    let blocks: Vec<&str> = policy.blocks().chain(others).collect();
    for block in blocks.into_iter().filter(|block| *block != kind.name()) {
        report.warn(block, "not looked at", format!("the type of the policy is `{}`", kind.name()));
    }
}

/// The block of settings of a policy of type `kind`.
fn body<'a, T>(body: Option<&'a T>, kind: Kind, report: &mut Report<'_>) -> Option<&'a T> {
    if body.is_none() {
        let kind = kind.name();
        let message = format!("a policy of type `{kind}` without its settings");
        report.error(message, format!("give them under `{kind}`"));
    }
    body
}

fn compile_leaf(
    kind: Kind,
    policy: &PolicyConfig,
    observations: &mut Observations,
    report: &mut Report<'_>,
) -> Option<Leaf> {
    match kind {
        Kind::AlwaysSample => Some(Leaf::AlwaysSample(AlwaysSample)),
        Kind::Latency => {
            let config = body(policy.latency.as_ref(), kind, report)?;
            Some(Leaf::Latency(Latency::compile(config, &mut report.under(kind.name()))))
        }
        Kind::Probabilistic => {
            let config = body(policy.probabilistic.as_ref(), kind, report)?;
            let compiled = Probabilistic::compile(config, &mut report.under(kind.name()))?;
            Some(Leaf::Probabilistic(compiled))
        }
        Kind::StatusCode => {
            let config = body(policy.status_code.as_ref(), kind, report)?;
            let compiled = StatusCode::compile(config, &mut report.under(kind.name()))?;
            Some(Leaf::StatusCode(compiled))
        }
        Kind::StringAttribute => {
            let config = body(policy.string_attribute.as_ref(), kind, report)?;
            let report = &mut report.under(kind.name());
            Some(Leaf::StringAttribute(StringAttribute::compile(config, observations, report)?))
        }
        Kind::And | Kind::Drop => None,
    }
}
