//! All the way from what the user gave to checked sections.

use serde_json::Value;
use wholetrace_runtime::{
    problems::{Problem, Problems},
    units::ByteSize,
};

use super::{
    collector,
    cost::{Cost, OPEN_TRACE_IN_ALL},
    expand::{Expansions, expand},
    foreign,
    path::KeyPath,
    report::Refused,
    sections::{Config, memory_limit},
    sources::{Inputs, Sources, read},
    typed,
};
use crate::role::Role;

/// A configuration that can be used.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// The roles that it was checked for.
    pub(crate) roles: Vec<Role>,
    /// What the user should know.
    pub(crate) warnings: Vec<Problem>,
    expansions: Expansions,
}

impl Loaded {
    /// The configuration as it is used, as YAML. Secrets, and values that came from variables or
    /// files, are not shown.
    ///
    /// # Errors
    /// When it cannot be written as YAML, which is a defect.
    pub(crate) fn effective(&self) -> anyhow::Result<String> {
        Ok(serde_saphyr::to_string(&self.tree()?)?)
    }

    /// The same as a tree.
    ///
    /// # Errors
    /// When it cannot be written as one, which is a defect.
    pub(crate) fn tree(&self) -> anyhow::Result<Value> {
        let mut config = self.config.clone();
        let cache = &mut config.tail_sampling.decision_cache;
        cache.max_entries = Some(cache.entries(config.memory.open_traces));
        let mut tree = serde_json::to_value(&config)?;
        self.expansions.restore(&mut tree);
        leave_out_nothing(&mut tree);
        Ok(tree)
    }
}

/// Takes the keys without a value out of `tree`.
fn leave_out_nothing(tree: &mut Value) {
    match tree {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(leave_out_nothing);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_nothing),
        _ => {}
    }
}

/// Loads and checks the configuration of a process of this role, or for all roles that it can be
/// used by. Sections that a role does not use are checked all the same.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(inputs: &Inputs, role: Option<Role>) -> Result<Loaded, Refused> {
    let mut problems = Problems::new();
    let sources = read(inputs, &starters(), &mut problems);
    let mut tree = sources.tree.clone();
    let environment = |name: &str| inputs.variables.get(name).cloned();
    let expansions = expand(&mut tree, &environment, &mut problems);
    name_the_log(&mut tree);
    foreign::refuse_sections(&mut tree, &mut problems);
    foreign::refuse_components(&mut tree, &mut problems);
    collector::translate(&mut tree, &mut problems);
    let mut config: Config = typed::deserialize(&mut tree, &expansions, &sources, &mut problems);
    if !given(&sources, "tail_sampling") {
        config.tail_sampling = Config::starter().tail_sampling;
        if given(&sources, "exporters") {
            problems.warn(
                "tail_sampling",
                "no policies are configured: of traces without an error 90 % are dropped",
                "configure `tail_sampling.policies`; one of the type `always_sample` keeps everything",
            );
        }
    }
    if !given(&sources, "exporters") {
        config.export_to_file();
    }
    if !problems.has_errors() {
        fit(&mut config, &sources);
    }
    config.log.settle();
    let roles = role.map_or_else(|| config.roles().to_vec(), |role| vec![role]);
    check(&config, &roles, &sources, &mut problems);
    match problems.into_result() {
        Ok(warnings) => Ok(Loaded { config, roles, warnings, expansions }),
        Err(problems) => Err(Refused::new(&problems, &sources, &expansions)),
    }
}

/// A log that is named and not configured (`kafka:`) is meant, with its defaults.
fn name_the_log(tree: &mut Value) {
    let Some(Value::Object(logs)) = tree.get_mut("log") else { return };
    for log in logs.values_mut().filter(|log| log.is_null()) {
        *log = Value::Object(serde_json::Map::new());
    }
}

/// What options change a part of: receivers and policies as they are without a configuration.
/// Exporters that are named are all there are: a user that names a backend wants no file beside it.
fn starters() -> [(&'static str, Value); 2] {
    let starter = Config::starter();
    [
        ("receivers", serde_json::to_value(starter.receivers).unwrap_or_default()),
        ("tail_sampling", serde_json::to_value(starter.tail_sampling).unwrap_or_default()),
    ]
}

/// Adds what the sections say of themselves, unless it follows from what is said already: a
/// value that does not fit was taken out, and is missing now.
fn check(config: &Config, roles: &[Role], sources: &Sources, problems: &mut Problems) {
    let known: Vec<String> = problems.errors().iter().map(|known| known.path.clone()).collect();
    let mut found = Problems::new();
    config.check(&mut found);
    if known.is_empty() {
        // Who bounds memory is held to it; a machine that is too small for the defaults is told.
        let strict = BOUNDS.iter().any(|path| given(sources, path));
        for role in roles {
            let mut unfit = Problems::new();
            config.check_role(*role, &mut unfit);
            for problem in unfit.errors() {
                // A file for all roles may lack what only another one needs.
                match roles {
                    [_] => found.push_error(problem.clone()),
                    _ => found.push_warning(problem.clone()),
                }
            }
            Cost::of(config, *role).check(memory_limit(config), strict, &mut found);
        }
    }
    add_news(&found, &known, problems);
}

/// Adds what is `found`, unless it follows from what is `known` to be wrong at these paths.
pub(super) fn add_news(found: &Problems, known: &[String], problems: &mut Problems) {
    for problem in found.errors() {
        if !known.iter().any(|known| known.starts_with(&problem.path)) {
            problems.push_error(problem.clone());
        }
    }
    for warning in found.warnings() {
        problems.push_warning(warning.clone());
    }
}

/// Settings that bound memory.
const BOUNDS: [&str; 7] = [
    "memory",
    "limits.in_flight",
    "log.kafka.consumer",
    "log.kafka.producer.max_pending_bytes",
    "log.embedded.tail_cache",
    "log.embedded.max_waiting",
    "tail_sampling.decision_cache",
];

/// Whether something stands at `path`.
fn given(sources: &Sources, path: &str) -> bool {
    let value = KeyPath::parse(path).and_then(|path| path.of(&sources.tree));
    value.is_some_and(|value| !value.is_null())
}

/// Where the machine is small and the user has said nothing of it, smaller defaults of what is
/// only there for speed: a process without a configuration runs everywhere.
fn fit(config: &mut Config, sources: &Sources) {
    let Some(limit) = memory_limit(config) else { return };
    let lower = |path: &str, value: &mut ByteSize, share: u64, least: ByteSize| {
        if !given(sources, path) {
            *value = (*value).min(ByteSize::bytes(limit / share).max(least));
        }
    };
    let (none, mib) = (ByteSize::bytes(0), ByteSize::mib);
    lower("memory.window_cache", &mut config.memory.window_cache, 8, none);
    if !given(sources, "memory.open_traces") {
        let open = &mut config.memory.open_traces;
        *open = (*open).min((limit / 6 / OPEN_TRACE_IN_ALL).max(10_000));
    }
    if !given(sources, "receivers") {
        // The largest request must fit.
        lower("limits.in_flight", &mut config.limits.in_flight, 8, mib(64));
    }
    // Half of what the log lets wait.
    lower("limits.log_in_flight", &mut config.limits.log_in_flight, 32, mib(8));
    #[cfg(feature = "kafka")]
    if let Some(kafka) = &mut config.log.kafka {
        let queues = 16 * u64::from(kafka.spans.partitions.max(1));
        let consumer = &mut kafka.consumer;
        let (queue, piece) = (&mut consumer.queue_bytes, &mut consumer.max_partition_fetch_size);
        let least = ByteSize::kib(256);
        lower("log.kafka.consumer.queue_bytes", queue, queues, least);
        lower("log.kafka.consumer.max_partition_fetch_size", piece, queues, least);
        let pending = &mut kafka.producer.max_pending_bytes;
        lower("log.kafka.producer.max_pending_bytes", pending, 16, mib(16));
        return;
    }
    let embedded = config.log.embedded.get_or_insert_default();
    lower("log.embedded.tail_cache", &mut embedded.tail_cache, 16, none);
    lower("log.embedded.max_waiting", &mut embedded.max_waiting, 16, mib(16));
}

#[cfg(test)]
mod tests;
