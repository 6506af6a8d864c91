//! All the way from what the user gave to checked sections.

use serde_json::Value;
use wholetrace_gateway::LimitsConfig;
use wholetrace_runtime::{
    problems::{Problem, Problems, did_you_mean},
    units::ByteSize,
};

use super::{
    cost::Cost,
    expand::{Expansions, expand},
    path::KeyPath,
    report::Refused,
    sections::{Config, memory_limit},
    sources::{Inputs, Sources, read},
    typed,
};

/// What comes before the `/` in the names of components, by section.
const COMPONENTS: [(&str, &[&str]); 2] = [
    ("receivers", &["otlp", "zipkin"]),
    ("exporters", &["otlp", "otlphttp", "otlp_grpc", "otlp_http", "file", "debug", "logging"]),
];

/// A configuration that can be used.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
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
        let mut tree = serde_json::to_value(&self.config)?;
        self.expansions.restore(&mut tree);
        Ok(serde_saphyr::to_string(&tree)?)
    }
}

/// Loads and checks the configuration.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(inputs: &Inputs) -> Result<Loaded, Refused> {
    let mut problems = Problems::new();
    let sources = read(inputs, &mut problems);
    let mut tree = sources.tree.clone();
    let environment = |name: &str| inputs.variables.get(name).cloned();
    let expansions = expand(&mut tree, &environment, &mut problems);
    refuse_unknown_components(&mut tree, &mut problems);
    let mut config: Config = typed::deserialize(&mut tree, &expansions, &mut problems);
    let given = |section: &str| sources.tree.get(section).is_some_and(|value| !value.is_null());
    if !given("tail_sampling") {
        config.tail_sampling = Config::starter().tail_sampling;
    }
    if !given("exporters") {
        config.export_to_file();
    }
    if !problems.has_errors() {
        fit(&mut config, &sources);
    }
    check(&config, &mut problems);
    match problems.into_result() {
        Ok(warnings) => Ok(Loaded { config, warnings, expansions }),
        Err(problems) => Err(Refused::new(&problems, &sources, &expansions)),
    }
}

/// Adds what the sections say of themselves, unless it follows from what is said already: a
/// value that does not fit was taken out, and is missing now.
fn check(config: &Config, problems: &mut Problems) {
    let known: Vec<String> = problems.errors().iter().map(|known| known.path.clone()).collect();
    let mut found = Problems::new();
    config.check(&mut found);
    if known.is_empty() {
        Cost::of(config).check(memory_limit(config), &mut found);
    }
    for problem in found.errors() {
        if !known.iter().any(|known| known.starts_with(&problem.path)) {
            problems.push_error(problem.clone());
        }
    }
    for warning in found.warnings() {
        problems.push_warning(warning.clone());
    }
}

/// Names the components that nobody knows here, one by one: the sections refuse themselves whole.
fn refuse_unknown_components(tree: &mut Value, problems: &mut Problems) {
    for (section, types) in COMPONENTS {
        let Some(Value::Object(components)) = tree.get_mut(section) else { continue };
        components.retain(|name, _| {
            let kind = name.split('/').next().unwrap_or_default();
            let known = types.contains(&kind);
            if !known {
                let hint = did_you_mean(kind, types.iter().copied()).map_or_else(
                    || format!("there are: {}", types.join(", ")),
                    |meant| format!("did you mean `{meant}`?"),
                );
                let path = KeyPath::default().key(section).key(name);
                let message = "no component of this type";
                problems.push_error(Problem::new(path.to_string(), message).hint(hint));
            }
            known
        });
    }
}

/// Where the machine is small and the user has said nothing of it, smaller defaults of what is
/// only there for speed: a process without a configuration runs everywhere.
fn fit(config: &mut Config, sources: &Sources) {
    let Some(limit) = memory_limit(config) else { return };
    let given = |path: &str| {
        KeyPath::parse(path)
            .is_some_and(|path| path.of(&sources.tree).is_some_and(|v| !v.is_null()))
    };
    if !given("memory.window_cache") {
        let most = config.memory.window_cache.get();
        config.memory.window_cache = ByteSize::bytes(most.min(limit / 4));
    }
    if !given("limits.in_flight") && !given("receivers") {
        let most = LimitsConfig::default().in_flight.get();
        // The largest request must fit.
        config.limits.in_flight = ByteSize::bytes(most.min(limit / 8).max(64 << 20));
    }
}

#[cfg(test)]
mod tests;
