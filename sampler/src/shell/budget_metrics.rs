//! What the sampler tells of budgets.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::{Gauge, gauge};
use wholetrace_runtime::metrics::{Label, Metric, Unit};

use crate::core::rates::BudgetLevel;

/// Gauges of each budget, of this configuration or one before a reload.
#[derive(Clone, Default)]
pub(crate) struct BudgetMetrics {
    by_budget: Arc<Mutex<BTreeMap<String, [Gauge; 3]>>>,
}

impl BudgetMetrics {
    /// Sets what budgets are doing, which all partitions know alike.
    pub(crate) fn tell(&self, levels: &[BudgetLevel]) {
        if levels.is_empty() {
            return;
        }
        let mut by_budget = self.by_budget.lock().unwrap_or_else(PoisonError::into_inner);
        for BudgetLevel { name, asked, kept, probability } in levels {
            if !by_budget.contains_key(name) && by_budget.len() < BUDGETS_MAX {
                let names = [ASKED, KEPT, PROBABILITY];
                let gauges = names.map(|metric| gauge!(metric, "policy" => name.clone()));
                by_budget.insert(name.clone(), gauges);
            }
            let gauges = by_budget.get(name).into_iter().flatten();
            gauges.zip([asked, kept, probability]).for_each(|(gauge, now)| gauge.set(*now));
        }
    }
}

/// So many budgets get gauges, those of reloads included.
const BUDGETS_MAX: usize = 1_000;

const ASKED: &str = "wholetrace_sampler_budget_asked";
const KEPT: &str = "wholetrace_sampler_budget_kept";
const PROBABILITY: &str = "wholetrace_sampler_budget_probability";

const LABELS: &[Label] = &[Label::capped(
    "policy",
    "its name in the configuration, behind those of the policies that it stands in, with a `/` \
     between; of the first 1,000",
)];

/// The metrics of budgets.
pub const TABLE: &[Metric] = &[
    Metric::gauge(
        ASKED,
        Unit::None,
        "What has asked for a budget in a second of late, in all partitions that were heard of: spans, \
         bytes or traces. Every process tells all of it.",
    )
    .labels(LABELS),
    Metric::gauge(
        KEPT,
        Unit::None,
        "What was kept of that, out of the budget. Every process tells all of it.",
    )
    .labels(LABELS),
    Metric::gauge(
        PROBABILITY,
        Unit::None,
        "The probability with which a trace that asks for the budget is kept.",
    )
    .labels(LABELS),
];
