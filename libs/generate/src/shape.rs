//! Plans traces: which services a request passes, how long each step takes, what fails.
//!
//! A plan depends on the seed and the trace's number alone, so that a run can be repeated and a
//! trace found again.

use fastrand::Rng;

use super::options::Options;

/// Operations of the sample shop. A service calls those of the ones after it.
pub(crate) const OPERATIONS: [(&str, &str, &str); 8] = [
    ("frontend", "GET /checkout", "POST /checkout"),
    ("cart", "GetCart", "AddItem"),
    ("payment", "Charge", "Refund"),
    ("inventory", "SELECT stock", "UPDATE stock"),
    ("shipping", "Quote", "Ship"),
    ("recommendation", "ListRecommendations", "Rank"),
    ("currency", "Convert", "GetSupportedCurrencies"),
    ("email", "SendConfirmation", "RenderTemplate"),
];

/// A planned trace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trace {
    pub(crate) id: [u8; 16],
    pub(crate) spans: Vec<Span>,
    pub(crate) error: bool,
    pub(crate) slow: bool,
    pub(crate) late: bool,
}

/// A planned span. The first one of a trace is its root.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) id: u64,
    pub(crate) parent: Option<u64>,
    /// Number of its service, below `--services`.
    pub(crate) service: u8,
    /// Which of the two operations of its service.
    pub(crate) second_operation: bool,
    /// Microseconds from the start of the trace to the start of the span.
    pub(crate) start: u64,
    /// Microseconds that it takes.
    pub(crate) duration: u64,
    pub(crate) error: bool,
    pub(crate) late: bool,
}

/// Plans trace `number` of a run.
pub(crate) fn plan(options: &Options, number: u64) -> Trace {
    let mut rng = Rng::with_seed(options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
    let id = (u128::from(rng.u64(1..)) << 64 | u128::from(rng.u64(1..))).to_be_bytes();
    let sizes = &options.spans_per_trace;
    let turn = usize::try_from(number % sizes.len().max(1) as u64).unwrap_or_default();
    let size = sizes.get(turn).copied().unwrap_or(1);
    let error = rng.f64() < options.errors;
    let slow = rng.f64() < options.slow;
    let late = size > 1 && rng.f64() < options.late;

    let whole = if slow { rng.u64(2_000_000..8_000_000) } else { rng.u64(20_000..800_000) };
    let mut spans: Vec<Span> = Vec::with_capacity(size as usize);
    for index in 0..size as usize {
        // A parent among the last few makes trees that are some calls deep and some wide.
        let parent = index
            .checked_sub(1)
            .and_then(|last| spans.get(rng.usize(last.saturating_sub(6)..=last)));
        let (start, duration, service) = match parent {
            None => (0, whole, 0),
            Some(parent) => {
                let start = parent.start + parent.duration / 100 * rng.u64(0..50);
                let duration = (parent.duration / 100 * rng.u64(10..50)).max(1);
                (start, duration, rng.u8(0..options.services.max(1)))
            }
        };
        let parent = parent.map(|parent| parent.id);
        spans.push(Span {
            id: rng.u64(1..),
            parent,
            service,
            second_operation: rng.bool(),
            start,
            duration,
            error: false,
            late: false,
        });
    }
    let count = spans.len();
    // Never the root: its end is what tells that a trace is over.
    let late_at = late.then(|| rng.usize(1..count));
    // Never the late one: what comes after the decision cannot change it.
    let error_at = Some(rng.usize(0..count)).filter(|at| Some(*at) != late_at).unwrap_or(0);
    for (at, span) in spans.iter_mut().enumerate() {
        span.late = Some(at) == late_at;
        span.error = error && at == error_at;
    }
    Trace { id, spans, error, slow, late }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(line: &[&str]) -> Options {
        let line = ["generate"].iter().chain(line);
        <Line as clap::Parser>::try_parse_from(line).expect("a valid line").options
    }

    #[test]
    fn the_same_seed_plans_the_same_trace() {
        let options = options(&["--seed", "7"]);
        assert_eq!(plan(&options, 3), plan(&options, 3));
        assert_ne!(plan(&options, 3).id, plan(&options, 4).id);
    }

    #[test]
    fn a_trace_has_one_root_and_children_within_it() {
        let options = options(&["--spans-per-trace", "48", "--services", "5"]);
        for number in 0..100 {
            let trace = plan(&options, number);
            assert_eq!(trace.spans.len(), 48);
            assert_eq!(trace.spans.iter().filter(|span| span.parent.is_none()).count(), 1);
            let end = trace.spans[0].duration;
            assert!(trace.spans.iter().all(|span| span.start + span.duration <= end));
            assert!(trace.spans.iter().all(|span| span.service < 5));
            let known = |id| trace.spans.iter().any(|span| span.id == id);
            assert!(trace.spans.iter().filter_map(|span| span.parent).all(known));
        }
    }

    #[test]
    fn shares_are_met() {
        let options = options(&[
            "--errors",
            "0.5",
            "--slow",
            "0.1",
            "--late",
            "0.3",
            "--spans-per-trace",
            "4",
        ]);
        let traces: Vec<_> = (0..4000).map(|number| plan(&options, number)).collect();
        let share = |test: fn(&Trace) -> bool| {
            traces.iter().filter(|trace| test(trace)).count() as f64 / 4000.0
        };
        assert!((share(|trace| trace.error) - 0.5).abs() < 0.05);
        assert!((share(|trace| trace.slow) - 0.1).abs() < 0.03);
        assert!((share(|trace| trace.late) - 0.3).abs() < 0.05);
        assert!(
            traces.iter().all(|trace| trace.error == trace.spans.iter().any(|span| span.error))
        );
        assert!(traces.iter().all(|trace| trace.late == trace.spans.iter().any(|span| span.late)));
    }
}
