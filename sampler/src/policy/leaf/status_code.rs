//! `status_code`: traces with a span of one of the given statuses are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    bits::Bits,
    evaluation::{Evaluation, Trace},
    lenient::one_or_many,
    observations::{STATUS_ERROR, STATUS_OK, STATUS_UNSET, fixed},
    report::{Report, Unknown},
};

/// The body of a `status_code` policy.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct StatusCodeConfig {
    /// The statuses of a span that keep its trace: `OK`, `ERROR`, `UNSET`; at least one.
    #[serde(deserialize_with = "one_or_many")]
    pub status_codes: Vec<String>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

/// The compiled policy.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct StatusCode {
    wanted: Bits,
}

impl StatusCode {
    pub(in crate::policy) fn compile(
        config: &StatusCodeConfig,
        report: &mut Report<'_>,
    ) -> Option<Self> {
        const KEY: &str = "status_codes";
        report.refuse(&config.unknown, &[KEY]);
        let hint = "take `OK`, `ERROR` or `UNSET`";
        if config.status_codes.is_empty() {
            report.under(KEY).error("no status is given", hint);
            return None;
        }
        let mut wanted = Some(Bits::NONE);
        for (index, code) in config.status_codes.iter().enumerate() {
            let observation = match code.as_str() {
                "UNSET" => STATUS_UNSET,
                "OK" => STATUS_OK,
                "ERROR" => STATUS_ERROR,
                _ => {
                    report.item(KEY, index).bad_value(code, "is no status", hint);
                    wanted = None;
                    continue;
                }
            };
            wanted = wanted.map(|bits| bits.union(fixed(observation)));
        }
        wanted.map(|wanted| Self { wanted })
    }

    pub(in crate::policy) const fn evaluate(self, trace: &Trace<'_>) -> Evaluation {
        Evaluation::by_contents(trace.summary.seen.intersects(self.wanted))
    }
}
