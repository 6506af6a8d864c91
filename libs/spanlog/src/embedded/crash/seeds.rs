//! Which seeds run.

/// Seeds that once found a fault: they always run.
const FOUND: [u64; 1] = [2_590_918_526];

/// Seeds that run each time, so that the suite covers the same each time.
const FIXED: [u64; 3] = [1, 2, 3];

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runs {
    /// So many times what the test suite runs.
    Times(u64),
    /// Everything there is.
    All,
}

#[expect(clippy::disallowed_methods, reason = "what to repeat is no configuration")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// How much is asked for.
pub(super) fn runs() -> Runs {
    match variable("WHOLETRACE_RUNS").as_deref() {
        None => Runs::Times(1),
        Some("all") => Runs::All,
        Some(text) => Runs::Times(text.parse().expect("WHOLETRACE_RUNS is a number or `all`")),
    }
}

/// The seeds to run: the one that is asked for, or those that found something, some fixed ones and
/// one that is drawn and printed.
pub(super) fn seeds() -> Vec<u64> {
    if let Some(text) = variable("WHOLETRACE_SEED") {
        return vec![text.parse().expect("WHOLETRACE_SEED is a number")];
    }
    let drawn = fastrand::u64(..1 << 32);
    println!("drawn: WHOLETRACE_SEED={drawn}");
    FOUND.into_iter().chain(FIXED).chain([drawn]).collect()
}

/// Runs `test` with each seed, in two threads, and names the seed that fails.
pub(super) fn with_seeds(test: impl Fn(u64) -> Result<(), String> + Sync) {
    let seeds = seeds();
    let (first, second) = seeds.split_at(seeds.len() / 2);
    let test = &test;
    std::thread::scope(|scope| {
        for half in [first, second] {
            scope.spawn(move || {
                for &seed in half {
                    if let Err(what) = test(seed) {
                        panic!("{what}\nrun it again: WHOLETRACE_SEED={seed}");
                    }
                }
            });
        }
    });
}
