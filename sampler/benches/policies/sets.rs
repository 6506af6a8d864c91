//! The policy sets that the benches measure.

use std::path::PathBuf;

use wholetrace_runtime::problems::Problems;
use wholetrace_sampler::policy::{PolicySet, TailSamplingConfig};

/// The first so many policies of a file beside this one, which has the keys of a Collector's
/// `tail_sampling`, so that a Collector reads the same.
#[derive(Clone, Copy)]
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    pub(crate) policies: usize,
}

/// What looks at nothing comes first: the others are more by what their policies do.
pub(crate) const SETS: [Set; 6] = [
    Set { name: "always_sample", file: "nothing.yaml", policies: 1 },
    Set { name: "3 policies", file: "starter.yaml", policies: 3 },
    Set { name: "5 policies, 2 keys", file: "keys.yaml", policies: 5 },
    Set { name: "1 with a text", file: "many.yaml", policies: 1 },
    Set { name: "10 with texts and conditions", file: "many.yaml", policies: 10 },
    Set { name: "50 with texts and conditions", file: "many.yaml", policies: 50 },
];

impl Set {
    pub(crate) fn path(self) -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "benches", "policies", self.file].iter().collect()
    }

    /// Compiles it, changed by `change`.
    pub(crate) fn compile(self, change: impl Fn(&mut TailSamplingConfig)) -> PolicySet {
        let text = std::fs::read_to_string(self.path()).expect("a file of the repository");
        let mut config: TailSamplingConfig =
            serde_saphyr::from_str(&text).expect("a configuration");
        assert!(config.policies.len() >= self.policies, "{} has fewer policies", self.file);
        config.policies.truncate(self.policies);
        change(&mut config);
        PolicySet::compile(&config, "tail_sampling", &mut Problems::new()).expect("it compiles")
    }
}
