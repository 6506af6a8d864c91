//! The metrics of the process itself.

use metrics::{counter, gauge};

use crate::{
    budget::ByteBudget,
    metrics::table::{Label, Metric, Unit},
};

const TASK_PANICS: &str = "wholetrace_process_task_panics_total";
const START_TIME: &str = "wholetrace_process_start_time_seconds";
const RESIDENT: &str = "wholetrace_process_resident_memory_bytes";
const MEMORY_LIMIT: &str = "wholetrace_process_memory_limit_bytes";
const RELOADS: &str = "wholetrace_process_policy_reloads_total";
const TLS_RELOADS: &str = "wholetrace_process_tls_reloads_total";
const BUILD: &str = "wholetrace_process_build_info";
const CHECK: &str = "wholetrace_process_check_passes";
const BUDGET_USED: &str = "wholetrace_budget_used_bytes";
const BUDGET_LIMIT: &str = "wholetrace_budget_limit_bytes";

/// The metrics of the process itself.
pub const TABLE: &[Metric] = &[
    Metric::gauge(BUILD, Unit::None, "1; the label says which version runs.")
        .labels(&[Label::capped("version", "version of the program")]),
    Metric::gauge(START_TIME, Unit::Seconds, "When the process started, since 1970."),
    Metric::gauge(RESIDENT, Unit::Bytes, "Memory that the process takes up (RSS)."),
    Metric::gauge(MEMORY_LIMIT, Unit::Bytes, "Memory that the process may take up."),
    Metric::counter(TASK_PANICS, Unit::None, "Tasks that panicked; each stops the process.")
        .labels(&[Label::capped("task", "name of the task")]),
    Metric::counter(RELOADS, Unit::None, "Reloads of the policies, by how they went.")
        .labels(&[Label::closed("outcome", &["applied", "refused"])]),
    Metric::counter(
        TLS_RELOADS,
        Unit::None,
        "Certificate files that had changed and were read anew, by how it went. Where they could not \
         be used the former ones stay in use: see the log before they expire.",
    )
    .labels(&[Label::closed("outcome", &["applied", "refused"])]),
    Metric::gauge(
        CHECK,
        Unit::None,
        "1 while the check passes, else 0; `/readyz?verbose` says why it does not.",
    )
    .labels(&[Label::capped("check", "name of the check")]),
    Metric::gauge(BUDGET_USED, Unit::Bytes, "Bytes on lease from a budget.")
        .labels(&[Label::capped("budget", "name of the budget")]),
    Metric::gauge(BUDGET_LIMIT, Unit::Bytes, "Bytes that a budget may lease.")
        .labels(&[Label::capped("budget", "name of the budget")]),
];

/// Counts a panic of the task called `name`.
pub(crate) fn task_panicked(name: &'static str) {
    counter!(TASK_PANICS, "task" => name).increment(1);
}

/// States which `version` runs, and that it started at `start` seconds since 1970.
pub fn started(version: &'static str, start: f64) {
    gauge!(BUILD, "version" => version).set(1.0);
    gauge!(START_TIME).set(start);
}

/// States what the process uses and may use, in bytes.
pub fn memory(resident: u64, limit: u64) {
    gauge!(RESIDENT).set(resident as f64);
    gauge!(MEMORY_LIMIT).set(limit as f64);
}

/// Counts a reload of the policies.
pub fn policies_reloaded(applied: bool) {
    let outcome = if applied { "applied" } else { "refused" };
    counter!(RELOADS, "outcome" => outcome).increment(1);
}

/// Counts certificate files that had changed and were read anew.
pub fn tls_reloaded(applied: bool) {
    let outcome = if applied { "applied" } else { "refused" };
    counter!(TLS_RELOADS, "outcome" => outcome).increment(1);
}

/// States whether the check `name` passes.
pub(crate) fn check_passes(name: &'static str, passes: bool) {
    gauge!(CHECK, "check" => name).set(f64::from(u8::from(passes)));
}

/// States how full `budget` is.
pub fn budget(budget: &ByteBudget) {
    gauge!(BUDGET_USED, "budget" => budget.name()).set(budget.used() as f64);
    gauge!(BUDGET_LIMIT, "budget" => budget.name()).set(budget.limit() as f64);
}
