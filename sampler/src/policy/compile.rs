//! From the configuration to a policy set.

use std::collections::HashMap;

use wholetrace_proto::{record::POLICIES_MAX, translated::KEEP_ATTRIBUTE};
use wholetrace_runtime::{problems::Problems, units::HumanDuration};

use crate::policy::{
    config::{DropSignal, KeepSignal, TailSamplingConfig},
    lower::{Lowering, SubPolicy},
    plan::{Fact, Planner, ValueTest},
    policy_hash::PolicyHash,
    recording::{Recording, check_reason},
    report::Report,
    set::{ByEffect, Effect, Policy, PolicySet, Tried},
};

/// What traces are said to be kept by that their spans asked for.
const KEEP_SIGNALS: &str = "keep_signals";
/// Name of what discards a trace because its spans ask for it.
const DROP_SIGNALS: &str = "drop_signals";

/// What traces are said to be discarded by that have too many bytes: the key of the bound.
const MOST_BYTES: &str = "maximum_trace_size_bytes";

/// The most policies at the top, and of those within composite ones that are recorded: three more names
/// are needed where decisions are recorded.
const RULES_MAX: usize = POLICIES_MAX - 3;

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

        check_reason(config, &mut report);
        let recording = Recording::of(config);
        let mut planner = Planner::default();
        let signal = ask_for_signals(&config.keep_signals, &mut planner);
        let drop_signal = ask_for_drops(&config.drop_signals, &mut planner);
        let told = recording.tells_sub_policies();
        let mut lowering = Lowering::new(&mut planner, config.compatibility, told);
        let policies = lower_policies(config, &mut lowering, &mut report);
        let (budgets, sub_policy_names) = (lowering.budgets, lowering.told.unwrap_or_default());
        let most_bytes = config.maximum_trace_size_bytes.filter(|most| *most > 0);
        if most_bytes.is_some() {
            planner.bytes();
        }
        let plan = planner.finish().map_err(|(key, error)| {
            let message = format!("the patterns for `{key}` are too large together: {error}");
            report.under("policies").error(message, "give fewer or shorter ones");
        });

        if problems.errors().len() > errors {
            return None;
        }
        if policies.len() < config.policies.len() {
            // What else can be wrong with a policy is told where it is.
            let message = format!("more than `{}` budgets", u16::MAX);
            problems.error(path, message, "let policies share budgets in a `composite`");
            return None;
        }
        let names = config.policies.iter().map(|policy| policy.name.clone());
        let after_root = config.decision_wait_after_root_received.get();
        Some(Self {
            plan: plan.ok()?,
            by_effect: ByEffect::of(&policies),
            policies,
            budgets,
            signal,
            drop_signal,
            most_bytes,
            names: names
                .chain([KEEP_SIGNALS.to_owned()])
                .chain(drop_signal.map(|_| DROP_SIGNALS.to_owned()))
                .chain(most_bytes.map(|_| MOST_BYTES.to_owned()))
                .collect(),
            sub_policy_names,
            hash: PolicyHash::of(config),
            recording,
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
    useless("tail_storage", config.tail_storage.is_some(), "the span log is the storage");
    let shards = "the partitions of the span log are the shards";
    useless("num_shards", config.num_shards.is_some(), shards);
}

fn check_strategy(config: &TailSamplingConfig, report: &mut Report<'_>) {
    match config.sampling_strategy.as_deref() {
        None | Some("trace-complete") => {}
        Some("span-ingest") => {
            let why = "every decision sees the whole trace, as with `trace-complete`";
            report.warn("sampling_strategy", "`span-ingest` is not needed", why);
        }
        Some(strategy) => report.under("sampling_strategy").bad_value(
            strategy,
            "is not supported",
            "take `trace-complete`: every decision sees the whole trace",
        ),
    }
}

fn ask_for_signals(signals: &[KeepSignal], planner: &mut Planner) -> Option<Fact> {
    let mut fact = None;
    for signal in signals {
        let (key, test) = match signal {
            KeepSignal::Debug => (KEEP_ATTRIBUTE, ValueTest::Present),
            KeepSignal::JaegerDebugId => ("jaeger-debug-id", ValueTest::Present),
            KeepSignal::SamplingPriority => ("sampling.priority", ValueTest::Positive),
        };
        // The first of all facts: there is room.
        fact = planner.keep_signal(key, test).ok();
    }
    fact
}

fn ask_for_drops(signals: &[DropSignal], planner: &mut Planner) -> Option<Fact> {
    let mut fact = None;
    for DropSignal::SamplingPriority in signals {
        // One of the first facts: there is room.
        fact = planner.value("sampling.priority", ValueTest::Zero).ok();
    }
    fact
}

fn lower_policies(
    config: &TailSamplingConfig,
    into: &mut Lowering<'_>,
    report: &mut Report<'_>,
) -> Vec<Policy> {
    const KEY: &str = "policies";
    let count = config.policies.len();
    if count == 0 {
        report.warn(KEY, "there are none, so no trace is kept", "give at least one policy");
    }
    if count > RULES_MAX {
        let message = format!("has `{count}` policies, at most `{RULES_MAX}` are possible");
        report.under(KEY).error(message, "join values of one key in one policy where you can");
    }
    let mut named: HashMap<&str, usize> = HashMap::new();
    let mut policies = Vec::with_capacity(count);
    for (index, policy) in config.policies.iter().enumerate() {
        let mut report = report.item(KEY, index);
        let mut at_name = report.under("name");
        if policy.name.is_empty() {
            at_name.error("the policy has no name", "give it one");
        } else if let Some(other) = named.insert(&policy.name, index) {
            let message = format!("is the name of {KEY}[{other}] already");
            at_name.bad_value(&policy.name, message, "give each policy a name of its own");
        }
        let effect = match (policy.kind == "drop", policy.shadow) {
            (false, false) => Effect::Keep,
            (true, false) => Effect::Drop,
            (false, true) => Effect::Shadow(Tried::Keep),
            (true, true) => Effect::Shadow(Tried::Drop),
        };
        policies.extend(policy.lower(into, &mut report).map(|rule| Policy { rule, effect }));
    }
    let told = into.told.as_ref().map_or(0, Vec::len);
    if count <= RULES_MAX && count + told > RULES_MAX {
        let message = format!(
            "has `{count}` policies and `{told}` within composite ones, at most `{RULES_MAX}` \
             together can be recorded"
        );
        report.under(KEY).error(message, "leave `record_policy` and `record_reason` out");
    }
    policies
}
