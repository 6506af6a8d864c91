//! The metrics of the process itself.
//!
//! `process_*` are those that the clients of Prometheus have in common, made by a library and known to
//! every dashboard; the others are ours.

use std::{path::Path, sync::LazyLock};

use metrics::{counter, gauge};

use metrics_process::Collector;

use crate::{
    budget::ByteBudget,
    clock::unix_millis,
    metrics::table::{Label, Metric, Unit},
};

const TASK_PANICS: &str = "wholetrace_process_task_panics_total";
const MEMORY_LIMIT: &str = "wholetrace_process_memory_limit_bytes";
const RELOADS: &str = "wholetrace_process_policy_reloads_total";
const RELOADED: &str = "wholetrace_process_config_last_reload_successful";
const RELOADED_AT: &str = "wholetrace_process_config_last_reload_success_timestamp_seconds";
const CONFIG: &str = "wholetrace_process_config_hash";
const EXPIRATION: &str = "wholetrace_process_certificate_expiration_timestamp_seconds";
const TLS_RELOADS: &str = "wholetrace_process_tls_reloads_total";
const BUILD: &str = "wholetrace_process_build_info";
const CHECK: &str = "wholetrace_process_check_passes";
const BUDGET_USED: &str = "wholetrace_budget_used_bytes";
const BUDGET_LIMIT: &str = "wholetrace_budget_limit_bytes";

/// The metrics of the process itself.
pub const TABLE: &[Metric] = &[
    Metric::gauge(BUILD, Unit::None, "1; the label says which version runs.")
        .labels(&[Label::capped("version", "version of the program")]),
    Metric::gauge(
        CONFIG,
        Unit::None,
        "A number for the configuration that the process runs by, with all defaults and without \
         secrets: processes with the same number have the same.",
    ),
    Metric::gauge(
        RELOADED,
        Unit::None,
        "1 if what the files of the configuration hold could be used when they were last read, \
         else 0: then the process goes on with what it had, and would not start again.",
    ),
    Metric::gauge(
        RELOADED_AT,
        Unit::Seconds,
        "When the files of the configuration were last read and could be used, since 1970.",
    ),
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
        EXPIRATION,
        Unit::Seconds,
        "When the first of the certificates in a file expires that are shown to others, since 1970: \
         by receivers, exporters or clients of Kafka.",
    )
    .labels(&[Label::capped("file", "each `cert_file` of the configuration that is in use")]),
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
    Metric::counter("process_cpu_seconds_total", Unit::Seconds, "Time of processors taken."),
    Metric::gauge("process_open_fds", Unit::None, "Open files and connections."),
    Metric::gauge("process_max_fds", Unit::None, "Files and connections that may be open."),
    Metric::gauge("process_virtual_memory_bytes", Unit::Bytes, "Addresses in use."),
    Metric::gauge(
        "process_virtual_memory_max_bytes",
        Unit::Bytes,
        "Addresses that may be in use; -1 without a limit.",
    ),
    Metric::gauge("process_resident_memory_bytes", Unit::Bytes, "Memory taken up (RSS)."),
    Metric::gauge("process_start_time_seconds", Unit::Seconds, "When it started, since 1970."),
    Metric::gauge("process_threads", Unit::None, "Threads."),
];

/// Reads what the system tells of the process, for those who read the metrics now.
pub(crate) fn collect() {
    static COLLECTOR: LazyLock<Collector> = LazyLock::new(Collector::default);
    COLLECTOR.collect();
}

/// Counts a panic of the task called `name`.
pub(crate) fn task_panicked(name: &'static str) {
    counter!(TASK_PANICS, "task" => name).increment(1);
}

/// States which `version` runs.
pub fn started(version: &'static str) {
    gauge!(BUILD, "version" => version).set(1.0);
}

/// States what memory the process may use, in bytes.
pub fn memory_limit(limit: u64) {
    gauge!(MEMORY_LIMIT).set(limit as f64);
}

/// States that the process runs by the configuration with this `hash` from now on. Of its bits a
/// gauge can hold the lowest 53.
pub fn configured(hash: u64) {
    gauge!(RELOADED).set(1.0);
    gauge!(RELOADED_AT).set(unix_millis() as f64 / 1000.0);
    gauge!(CONFIG).set((hash & ((1 << 53) - 1)) as f64);
}

/// States that the files of the configuration cannot be used as they are.
pub fn misconfigured() {
    gauge!(RELOADED).set(0.0);
}

/// States when the certificates in `file` expire, in seconds since 1970.
pub(crate) fn certificate_expires(file: &Path, at: i64) {
    gauge!(EXPIRATION, "file" => file.display().to_string()).set(at as f64);
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
