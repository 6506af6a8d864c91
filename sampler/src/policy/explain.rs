//! What a configuration does, in words: for people who read it for the first time.

use std::fmt;

use wholetrace_runtime::problems::{Problem, Problems};

use crate::policy::{
    config::TailSamplingConfig, lower::SubPolicy, policies::PolicyConfig, set::PolicySet,
};

/// The key of the policies.
const KEY: &str = "policies";

/// What a configuration does, in words.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// When traces are decided, a sentence each.
    pub when: Vec<String>,
    /// The policies, in the order of the configuration.
    pub policies: Vec<Explained>,
    /// The bytes that are remembered of an undecided trace.
    pub record_bytes: usize,
    /// What one should know beside what is wrong with single policies.
    pub warnings: Vec<Problem>,
}

/// What a policy does, in words.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Its name.
    pub name: String,
    /// Whether it discards traces.
    pub discards: bool,
    /// Whether it is tried only: nobody obeys it.
    pub shadow: bool,
    /// What it does: "keeps traces with a span whose status is `ERROR`".
    pub does: String,
    /// What it looks at, for that.
    pub looks_at: Vec<String>,
    /// How many regular expressions it has.
    pub patterns: usize,
    /// The bytes that it needs in the record of an undecided trace where it is the only policy.
    pub bytes: usize,
    /// What one should know of it.
    pub warnings: Vec<Problem>,
}

/// Explains a configuration that compiles, which stands at the key `path`; `None` if it does not.
#[must_use]
pub fn explain(config: &TailSamplingConfig, path: &str) -> Option<Explanation> {
    let mut problems = Problems::new();
    let set = PolicySet::compile(config, path, &mut problems)?;
    let empty = record_bytes(&with(config, Vec::new()));
    let policies = config.policies.iter().enumerate().map(|(index, policy)| {
        let said = policy.say();
        let discards = policy.kind == "drop";
        let verb = if discards { "discards" } else { "keeps" };
        let here = format!("{path}.{KEY}[{index}]");
        let is_here = |warning: &&Problem| warning.path.starts_with(&here);
        Explained {
            name: policy.name.clone(),
            discards,
            shadow: policy.shadow,
            does: format!("{verb} traces {}", said.traces),
            looks_at: said.looks_at,
            patterns: said.patterns,
            bytes: record_bytes(&with(config, vec![policy.clone()])).saturating_sub(empty),
            warnings: problems.warnings().iter().filter(is_here).cloned().collect(),
        }
    });
    let in_a_policy = format!("{path}.{KEY}[");
    let others = |warning: &&Problem| !warning.path.starts_with(&in_a_policy);
    Some(Explanation {
        when: when(config),
        policies: policies.collect(),
        record_bytes: size_of_val(set.blank_record()),
        warnings: problems.warnings().iter().filter(others).cloned().collect(),
    })
}

fn with(config: &TailSamplingConfig, policies: Vec<PolicyConfig>) -> TailSamplingConfig {
    TailSamplingConfig { policies, ..config.clone() }
}

fn record_bytes(config: &TailSamplingConfig) -> usize {
    let set = PolicySet::compile(config, "", &mut Problems::new());
    set.map_or(0, |set| size_of_val(set.blank_record()))
}

/// When traces are decided, and what becomes of late spans.
fn when(config: &TailSamplingConfig) -> Vec<String> {
    let wait = config.decision_wait;
    let mut when = vec![format!(
        "A trace is decided {wait} after its first span has come (`decision_wait`), by all spans that \
         have come until then: a trace that takes longer is judged by its beginning."
    )];
    let after_root = config.decision_wait_after_root_received;
    if !after_root.is_zero() {
        when.push(format!(
            "It is decided {after_root} after its root span, where that is earlier."
        ));
    }
    when.push(format!(
        "Spans that come later follow the decision, for {} (`decision_cache.max_age`).",
        config.decision_cache.max_age
    ));
    if let Some(most) = config.maximum_trace_size_bytes.filter(|most| *most > 0) {
        when.push(format!("Traces with more than {most} bytes of spans are discarded."));
    }
    when
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.when {
            writeln!(f, "{line}")?;
        }
        let heads: [(Choice, &str); 3] = [
            (
                |one| one.discards && !one.shadow,
                "First these are asked. What one of them discards is not kept, whatever others say:",
            ),
            (
                |one| !one.discards && !one.shadow,
                "A trace is kept if one of these says yes, in any order:",
            ),
            (|one| one.shadow, "These are tried only: what they say is counted, and nobody obeys:"),
        ];
        for (is_of, head) in heads {
            let mut found = self.policies.iter().filter(|one| is_of(one)).peekable();
            if found.peek().is_some() {
                writeln!(f, "\n{head}")?;
            }
            found.try_for_each(|one| tell(one, f))?;
        }
        writeln!(
            f,
            "\nOf each undecided trace {} bytes are remembered, beside some for finding it. Policies that \
             ask for the same share what they need.",
            self.record_bytes
        )?;
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

/// Which policies are meant.
type Choice = fn(&Explained) -> bool;

fn tell(policy: &Explained, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "\n  `{}` {}.", policy.name, policy.does)?;
    if !policy.looks_at.is_empty() {
        writeln!(f, "      looks at: {}", policy.looks_at.join("; "))?;
    }
    let bytes = match policy.bytes {
        0 => "a bit or so".to_owned(),
        bytes => format!("at most {bytes} bytes"),
    };
    write!(f, "      costs: {bytes} for each undecided trace")?;
    if policy.patterns > 0 {
        let noun = if policy.patterns == 1 { "pattern" } else { "patterns" };
        write!(f, "; {} {noun}, found in one pass over a text", policy.patterns)?;
    }
    writeln!(f)?;
    policy.warnings.iter().try_for_each(|warning| writeln!(f, "      warning: {warning}"))
}
