//! `always_sample`: every trace is kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    lower::{Lower, Lowering},
    report::{Report, Unknown},
    rule::Rule,
    say::Said,
};

/// The settings of an `always_sample` policy: there are none.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct AlwaysSampleConfig {
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl Lower for AlwaysSampleConfig {
    const NEEDS_SETTINGS: bool = false;

    fn lower(&self, _: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        report.refuse(&self.unknown, &[]);
        Some(Rule::Always)
    }

    fn say(&self) -> Option<Said> {
        Some(Said { traces: "of any kind".to_owned(), ..Said::default() })
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::tests::support::*;

    #[test]
    fn keeps_all() {
        assert!(dull().is_kept(&policies("  - { name: all, type: always_sample }")));
    }
}
