//! Other files than the configuration of a process, read as it is: every problem is told with its
//! line, and variables are filled in.

use std::path::Path;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use wholetrace_runtime::problems::Problems;
use wholetrace_sampler::policy::TailSamplingConfig;

use super::{
    expand::{Expansions, expand},
    load::add_news,
    report::Refused,
    sources::{Inputs, Sources, read},
    typed,
};

/// The policies of a configuration, whatever else stands in it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Policies {
    pub(crate) tail_sampling: TailSamplingConfig,
}

/// What stands in a file, as far as it could be read.
#[derive(Debug)]
pub(crate) struct Read<T> {
    pub(crate) value: T,
    name: String,
    sources: Sources,
    expansions: Expansions,
    problems: Problems,
}

impl<T> Read<T> {
    /// # Errors
    /// What is wrong with the file, and all that was `found` in it since, but for what follows
    /// from the first.
    pub(crate) fn check(&self, found: &Problems) -> Result<(), Refused> {
        let mut problems = self.problems.clone();
        let known: Vec<String> = problems.errors().iter().map(|known| known.path.clone()).collect();
        add_news(found, &known, &mut problems);
        match problems.into_result() {
            Ok(_) => Ok(()),
            Err(problems) => Err(Refused::new(&problems, &self.sources, &self.expansions)
                .of(format!("`{}`", self.name))),
        }
    }
}

/// Reads `file`. What does not fit is told by [`Read::check`].
pub(crate) fn read_as<T: DeserializeOwned + Default>(file: &Path) -> Read<T> {
    typed(file, |_, _| ())
}

/// Reads the policies of the configuration `file`. What stands beside them is not looked at: where
/// policies are tested, nobody has the secrets of the exporters.
pub(crate) fn read_policies(file: &Path) -> Read<Policies> {
    const KEY: &str = "tail_sampling";
    typed(file, |tree, problems| {
        let policies = tree.get_mut(KEY).map(Value::take);
        let is_collector = tree.get("processors").is_some();
        *tree = Value::Object(Map::new());
        match policies {
            Some(policies) if !policies.is_null() => tree[KEY] = policies,
            _ if problems.has_errors() => {}
            _ => {
                let hint = if is_collector {
                    "this is a Collector's file: put its block `tail_sampling` at the top"
                } else {
                    "name a configuration with policies"
                };
                problems.error(KEY, "there are no policies in this file", hint);
            }
        }
    })
}

/// Reads what `cut` leaves of `file`.
fn typed<T: DeserializeOwned + Default>(
    file: &Path,
    cut: impl FnOnce(&mut Value, &mut Problems),
) -> Read<T> {
    let mut problems = Problems::new();
    let inputs = Inputs::of_process(vec![file.to_owned()], Vec::new());
    // The settings of a process in variables are not for this file.
    let files = Inputs { variables: std::collections::BTreeMap::new(), ..inputs.clone() };
    let sources = read(&files, &[], &mut problems);
    let mut tree = sources.tree.clone();
    cut(&mut tree, &mut problems);
    let environment = |name: &str| inputs.variables.get(name).cloned();
    let expansions = expand(&mut tree, &environment, &mut problems);
    let value = typed::deserialize(&mut tree, &expansions, &sources, &mut problems);
    Read { value, name: file.display().to_string(), sources, expansions, problems }
}
