//! Which parts of the process are ready.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The readiness of all parts of the process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// What keeps each part from being ready, if anything.
    parts: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
}

/// The readiness of one part.
#[derive(Clone, Debug)]
pub struct Readiness {
    health: Health,
    part: &'static str,
}

impl Health {
    /// No parts yet: ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part, which is starting.
    #[must_use]
    pub fn register(&self, part: &'static str) -> Readiness {
        let readiness = Readiness { health: self.clone(), part };
        readiness.not_ready("starting");
        readiness
    }

    /// Whether all parts are ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(Option::is_none)
    }

    /// A line for each part.
    #[must_use]
    pub fn report(&self) -> String {
        let mut report = String::new();
        for (part, reason) in self.lock().iter() {
            let state = reason
                .as_deref()
                .map_or_else(|| "ready".to_owned(), |reason| format!("not ready: {reason}"));
            let _ = writeln!(report, "{part}: {state}");
        }
        report
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Option<String>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Readiness {
    /// The part can do its work.
    pub fn ready(&self) {
        self.health.lock().insert(self.part, None);
    }

    /// The part cannot do its work because of `reason`.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.health.lock().insert(self.part, Some(reason.into()));
    }
}
