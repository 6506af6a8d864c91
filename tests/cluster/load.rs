//! The load of a scenario, and the judgement of what became of it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use wholetrace_runtime::invariant::Invariant::I4;

use super::{
    fleet::Fleet,
    oracle::{self, Comparison, Sent},
    process::wholetrace,
};

/// Traces of a scenario: more than 300,000 spans.
const TRACES: u64 = 23_000;
/// Traces begun per second, unless a scenario says otherwise.
pub(crate) const RATE: u64 = 1_000;

/// How long and how random scenarios are. Longer ones are run by hand:
/// `WHOLETRACE_SCALE=20 WHOLETRACE_SEED=7 cargo test --test cluster NAME`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Times the usual number of traces.
    pub(crate) times: u64,
    pub(crate) seed: u64,
}

impl Scale {
    /// That of this run; prints the seed.
    #[expect(clippy::disallowed_methods, reason = "options of tests that are run by hand")]
    pub(crate) fn of_this_run() -> Self {
        let number =
            |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
        let times = number("WHOLETRACE_SCALE").unwrap_or(1);
        let seed = number("WHOLETRACE_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
        println!("WHOLETRACE_SCALE={times} WHOLETRACE_SEED={seed}");
        Self { times, seed }
    }

    pub(crate) const fn traces(self) -> u64 {
        TRACES * self.times
    }

    /// Random moments.
    pub(crate) fn moments(self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed)
    }
}

/// A generator at work.
pub(crate) struct Load {
    generator: Child,
    record: PathBuf,
    complaints: PathBuf,
    traces: u64,
    decision_wait: Duration,
}

impl Load {
    /// Sends `scale.traces()` traces at `rate` to all gateways of `fleet`: what one does not take goes
    /// to the next.
    pub(crate) fn start(fleet: &Fleet, scale: Scale, rate: u64, options: &[&str]) -> Self {
        Self::named("load", fleet, scale, (scale.traces(), rate), options)
    }

    /// One load of several, which have different names and so different traces: so many of them,
    /// at so many a second. No number of traces: until it is [stopped](Self::stop).
    pub(crate) fn named(
        name: &str,
        fleet: &Fleet,
        scale: Scale,
        (traces, rate): (u64, u64),
        options: &[&str],
    ) -> Self {
        let file = |what: &str| fleet.folder.path().join(format!("{name}.{what}"));
        let (record, complaints) = (file("record"), file("log"));
        let seed =
            name.bytes().fold(scale.seed, |seed, byte| (seed % (1 << 32)) * 31 + u64::from(byte));
        let mut command = wholetrace();
        command.arg("generate");
        for (option, value) in [("--give-up-after", "5m"), ("--connections", "2")] {
            if !options.contains(&option) {
                command.args([option, value]);
            }
        }
        for gateway in &fleet.gateways {
            command.args(["--endpoint", &format!("http://127.0.0.1:{}", gateway.grpc)]);
        }
        let generator = command
            .args(["--traces", &traces.to_string(), "--rate", &rate.to_string()])
            .args(["--seed", &(seed % (1 << 32)).to_string(), "--record"])
            .arg(&record)
            .args(options)
            .stdout(Stdio::null())
            .stderr(File::create(&complaints).expect("a file"))
            .spawn()
            .expect("the generator starts");
        let decision_wait = fleet.decision_wait();
        Self { generator, record, complaints, traces, decision_wait }
    }

    /// Whether there is more to send.
    pub(crate) fn is_running(&mut self) -> bool {
        self.generator.try_wait().expect("its status").is_none()
    }

    /// Waits until all is sent: what was acknowledged, which must be everything.
    pub(crate) fn finish(mut self) -> Vec<Sent> {
        let status = self.generator.wait().expect("it ended");
        let said = fs::read_to_string(&self.complaints).unwrap_or_default();
        assert!(status.success(), "the generator ended with {status}: {said}");
        let sent = self.record();
        assert_eq!(sent.len() as u64, self.traces);
        let whole = |trace: &Sent| trace.acknowledged.len() == trace.planned;
        assert!(sent.iter().all(whole), "the generator gave spans up");
        sent
    }

    /// Has it begin no more traces: what was acknowledged, which may be less than was planned.
    pub(crate) fn stop(mut self) -> Vec<Sent> {
        let id = self.generator.id().to_string();
        let told = Command::new("kill").args(["-INT", &id]).status();
        assert!(told.expect("kill starts").success());
        self.generator.wait().expect("it ended");
        self.record()
    }

    fn record(&self) -> Vec<Sent> {
        let sent = oracle::record(&self.record).into_iter();
        sent.map(|trace| trace.decided_after(self.decision_wait)).collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.generator.kill();
        let _ = self.generator.wait();
    }
}

/// Waits until everything in `folder` has arrived: none lost, no trace split, no decision
/// contradicted.
pub(crate) fn must_be_whole(sent: &[Sent], folder: &Path) -> Comparison {
    let comparison = oracle::must_arrive(sent, folder);
    assert!(comparison.spans >= 300_000, "only {} spans were sent", comparison.spans);
    comparison
}

/// What crashes may repeat: for each, the kept spans of the seconds since the last commit, and the
/// few that a group needs to notice.
pub(crate) fn must_be_few(comparison: &Comparison, crashes: u64, rate: u64, sent: usize) {
    let spans_per_second = comparison.spans as u64 * rate / sent as u64;
    let kept_per_second = spans_per_second * comparison.kept as u64 / sent as u64;
    let bound = crashes * kept_per_second * 4;
    assert!(
        comparison.replayed as u64 <= bound,
        "{I4}: {} were repeated by {crashes} crashes at {kept_per_second} kept spans a second",
        comparison.replayed
    );
}
