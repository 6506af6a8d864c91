//! Whether the process can do what others ask of it, and how its parts are.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::metrics::process::check_passes;

/// The checks of the process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Health {
    checks: Arc<Mutex<BTreeMap<&'static str, State>>>,
}

/// How a check is at the moment.
#[derive(Debug)]
struct State {
    /// Whether the process is ready only while this passes.
    gates: bool,
    /// Why it does not pass, if it does not.
    failure: Option<String>,
}

/// One check.
#[derive(Clone, Debug)]
pub struct Check {
    health: Health,
    name: &'static str,
}

impl Health {
    /// No checks yet: ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check without which the process is not ready. It fails: what it is about is starting.
    #[must_use]
    pub fn require(&self, name: &'static str) -> Check {
        self.add(name, true)
    }

    /// Adds a check that operators see and that readiness does not depend on. It fails: what it is
    /// about is starting.
    #[must_use]
    pub fn observe(&self, name: &'static str) -> Check {
        self.add(name, false)
    }

    fn add(&self, name: &'static str, gates: bool) -> Check {
        let check = Check { health: self.clone(), name };
        self.lock().insert(name, State { gates, failure: None });
        check.fail("starting");
        check
    }

    /// Whether all checks pass that must.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(|state| !state.gates || state.failure.is_none())
    }

    /// A line for each check, as Kubernetes writes them, and one for the whole.
    #[must_use]
    pub fn report(&self) -> String {
        let mut report = String::new();
        for (name, State { failure, .. }) in self.lock().iter() {
            let _ = match failure {
                None => writeln!(report, "[+]{name} ok"),
                Some(reason) => writeln!(report, "[-]{name} failed: {reason}"),
            };
        }
        let whole = if self.is_ready() { "passed" } else { "failed" };
        let _ = writeln!(report, "readyz check {whole}");
        report
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, State>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Check {
    /// What it is about is well.
    pub fn pass(&self) {
        self.set(None);
    }

    /// What it is about is not well, because of `reason`.
    pub fn fail(&self, reason: impl Into<String>) {
        // One line a check.
        self.set(Some(reason.into().replace('\n', " ")));
    }

    fn set(&self, failure: Option<String>) {
        check_passes(self.name, failure.is_none());
        if let Some(state) = self.health.lock().get_mut(self.name) {
            state.failure = failure;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_required_keeps_from_being_ready() {
        let health = Health::new();
        // Their gauges are those of the whole process, other tests included: names of their own.
        let (process, disk) = (health.require("process"), health.observe("disk"));
        assert!(!health.is_ready());
        process.pass();
        disk.fail("it is full\n(of spans)");
        assert!(health.is_ready());
        let said = "[-]disk failed: it is full (of spans)\n[+]process ok\nreadyz check passed\n";
        assert_eq!(health.report(), said);
        process.fail("stopping");
        disk.pass();
        assert!(!health.is_ready());
        let said = "[+]disk ok\n[-]process failed: stopping\nreadyz check failed\n";
        assert_eq!(health.report(), said);
    }
}
