//! Which seeds a simulation runs, and how it says which one failed.

/// The seeds to run: the one that `WHOLETRACE_SEED` names, or as many as `WHOLETRACE_RUNS` says, or
/// `runs`.
#[expect(clippy::disallowed_methods, reason = "what to repeat is no configuration")]
pub(crate) fn seeds(runs: u64) -> Vec<u64> {
    let number = |name: &str| {
        let value = std::env::var(name).ok()?;
        Some(value.parse::<u64>().unwrap_or_else(|_| panic!("{name} is no number: `{value}`")))
    };
    match number("WHOLETRACE_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("WHOLETRACE_RUNS").unwrap_or(runs)).collect(),
    }
}

/// Tells which seed failed and what its world is like, when it unwinds.
pub(crate) struct Failing(pub(crate) u64, pub(crate) String);

impl Drop for Failing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the failing seed: WHOLETRACE_SEED={} {}", self.0, self.1);
        }
    }
}
