//! What kept spans say that they count for is true: an estimate from them is right within chance,
//! for each service, whatever head samplers stand before it.

use wholetrace_proto::{
    otlp::Span,
    tracestate::{self, Threshold},
};

use crate::policy::{
    budget::{Asked, Budgets, Unlimited},
    set::PolicySet,
    tests::{
        head::{Head, Random},
        support::*,
    },
};

/// Policies that keep some traces for what they are, and others by chance, in several ways.
const MIX: &str = "
  - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }
  - { name: gold, type: and, and: { and_sub_policy: [
      { name: tier, type: string_attribute, string_attribute: { key: tier, values: [gold] } },
      { name: half, type: probabilistic, probabilistic: {
          sampling_percentage: 37, sampling_precision: 14 } } ] } }
  - { name: agents, type: and, and: { and_sub_policy: [
      { name: tier, type: string_attribute, string_attribute: { key: tier, values: [iron] } },
      { name: part, type: probabilistic_sampler, probabilistic_sampler: {
          sampling_percentage: 40, mode: proportional, sampling_precision: 14 } } ] } }
  - { name: share, type: probabilistic_sampler, probabilistic_sampler: {
      sampling_percentage: 5, mode: equalizing } }
";

/// A budget for what is frequent, beside what is kept for what it is.
const BUDGET: &str = "
  - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }
  - { name: gold, type: and, and: { and_sub_policy: [
      { name: tier, type: string_attribute, string_attribute: { key: tier, values: [gold] } },
      { name: half, type: probabilistic, probabilistic: { sampling_percentage: 50 } } ] } }
  - { name: rest, type: rate_limiting, rate_limiting: { spans_per_second: 100 } }
";

/// The share of seed 22 of which agents keep a part as well.
const AGENTS: &str = "
  - { name: share, type: probabilistic_sampler, probabilistic_sampler: {
      sampling_percentage: 10, hash_seed: 22 } }
  - { name: gold, type: and, and: { and_sub_policy: [
      { name: tier, type: string_attribute, string_attribute: { key: tier, values: [gold] } },
      { name: half, type: probabilistic, probabilistic: { sampling_percentage: 50 } } ] } }
  - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }
";

/// The kinds of traces: with an error, of two tiers, and others.
const KINDS: usize = 4;
const SERVICES: usize = 3;
const TRACES: u64 = 40_000;

/// A budget with room for a seventh of what asks.
#[derive(Debug)]
struct Seventh;

impl Budgets for Seventh {
    fn ask(&self, asked: Asked) -> Threshold {
        asked.part(Threshold::with_precision(1.0 / 7.0, 14))
    }
}

/// What is estimated of the spans of one service in traces of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Estimate {
    /// How many there were.
    count: f64,
    /// How many those that were kept stand for.
    estimate: f64,
    variance: f64,
}

impl Estimate {
    /// Takes a kept span that counts for so many. What is added to the variance is right on average.
    fn keep(&mut self, count: f64) {
        self.estimate += count;
        self.variance += count * (count - 1.0);
    }

    /// How far off the estimate is, in standard deviations.
    fn off(&self) -> f64 {
        (self.estimate - self.count) / self.variance.max(1.0).sqrt()
    }
}

/// The span of a service, the first of which shows what kind of trace it is.
fn span(service: usize, kind: usize) -> Span {
    match (service, kind) {
        (0, 0) => status(ERROR),
        (0, 1) => with(vec![text("tier", "gold")]),
        (0, 2) => with(vec![text("tier", "iron")]),
        _ => Span::default(),
    }
}

/// Sends traces of three services through their head samplers, and what is left of each through the
/// policies; gives the estimates by service and kind.
fn estimates(
    heads: &[Vec<Head>; SERVICES],
    policies: &PolicySet,
    budgets: &dyn Budgets,
) -> [[Estimate; KINDS]; SERVICES] {
    let mut estimates = [[Estimate::default(); KINDS]; SERVICES];
    let mut random = Random(7);
    for _ in 0..TRACES {
        let id = u128::from(random.next()) << 64 | u128::from(random.next());
        let kind = (random.next() % 10).min(KINDS as u64 - 1) as usize;
        let stated = random.next() >> 8;
        let mut trace = Trace::new(id);
        let mut of = Vec::new();
        for (service, heads) in heads.iter().enumerate() {
            estimates[service][kind].count += 1.0;
            let mut state = heads
                .iter()
                .try_fold(String::new(), |state, head| head.let_pass(id, stated, &state));
            if let Some(trace_state) = state.take() {
                of.push(service);
                trace = trace.span(Span { trace_state, ..span(service, kind) });
            }
        }
        let decision = trace.decision_within(policies, budgets);
        if trace.spans.is_empty() || !decision.kept {
            continue;
        }
        for (service, (_, span)) in of.into_iter().zip(&trace.spans) {
            let state = leaves_with(span, &decision);
            let threshold = tracestate::read(state.as_bytes()).threshold;
            let known =
                threshold.is_some() || decision.threshold == 0 && span.trace_state.is_empty();
            assert!(known && decision.probability_known, "{decision:?} {span:?}");
            let count = 1.0 / threshold.unwrap_or(Threshold::ALWAYS).probability();
            estimates[service][kind].keep(count);
        }
    }
    estimates
}

fn are_true(heads: &[Vec<Head>; SERVICES], policies: &PolicySet, budgets: &dyn Budgets) {
    for (service, kinds) in estimates(heads, policies, budgets).iter().enumerate() {
        for (kind, estimate) in kinds.iter().enumerate() {
            assert!(estimate.off().abs() < 4.5, "{heads:?}: {service} {kind}: {estimate:?}");
        }
    }
}

fn half() -> Head {
    Head::equalizing(0.5)
}

/// Head samplers of several kinds that let parts of the same traces through, at other rates for each
/// service. What tells a trace's kind comes from the service that is thinned out the least.
fn mixed_rates() -> Vec<[Vec<Head>; SERVICES]> {
    vec![
        [vec![], vec![], vec![]],
        // SDKs, some services only.
        [vec![], vec![Head::sdk(0.5)], vec![Head::sdk(0.2)]],
        [vec![Head::sdk(0.3)], vec![Head::sdk(0.3)], vec![Head::sdk(0.07)]],
        // SDKs that state a randomness.
        [vec![Head::stating(0.8)], vec![Head::stating(0.5)], vec![Head::stating(0.03)]],
        // Collectors.
        [vec![Head::equalizing(0.6)], vec![half()], vec![Head::equalizing(0.01)]],
        [vec![Head::proportional(0.6)], vec![Head::proportional(0.3)], vec![half()]],
        [
            vec![Head::hash_seed(22, 60.0)],
            vec![Head::hash_seed(22, 25.0)],
            vec![Head::hash_seed(22, 3.0)],
        ],
        // Both, one behind the other.
        [
            vec![Head::sdk(0.5), Head::proportional(0.7)],
            vec![Head::sdk(0.2), half()],
            vec![Head::sdk(0.1), Head::proportional(0.5)],
        ],
    ]
}

#[test]
fn estimates_behind_head_samplers_are_true() {
    let policies = policies(MIX);
    for heads in mixed_rates() {
        are_true(&heads, &policies, &Unlimited);
    }
}

/// A budget has room for a part of what arrives, so it says what is left of all.
#[test]
fn estimates_within_budgets_are_true() {
    let policies = policies(BUDGET);
    for heads in mixed_rates() {
        are_true(&heads, &policies, &Seventh);
    }
}

/// A budget of which a head sampler knows nothing is not used up by what that has left: of what arrives
/// the same part is kept.
#[test]
fn a_budget_keeps_the_same_part_behind_a_head_sampler() {
    let policies = policy("rate_limiting", "{ spans_per_second: 100 }");
    for head in [None, Some(Head::sdk(0.1)), Some(Head::stating(0.1)), Some(half())] {
        let (mut came, mut kept) = (0.0, 0.0);
        let mut random = Random(9);
        while came < 20_000.0 {
            let id = u128::from(random.next()) << 64 | u128::from(random.next());
            let stated = random.next() >> 8;
            let state = head.as_ref().map_or(Some(String::new()), |h| h.let_pass(id, stated, ""));
            let Some(trace_state) = state else { continue };
            let trace = Trace::new(id).span(Span { trace_state, ..Span::default() });
            came += 1.0;
            kept += f64::from(u8::from(trace.decision_within(&policies, &Seventh).kept));
        }
        let deviation = f64::sqrt(came / 7.0 * (6.0 / 7.0));
        assert!((kept - came / 7.0).abs() < 4.5 * deviation, "{head:?}: {kept} of {came}");
    }
}

/// Agents and samplers agree on the same share, by the hash of the Collector: thresholds stay.
#[test]
fn estimates_of_the_hash_that_agents_draw_by_are_true() {
    let heads = [
        vec![Head::hash_seed(22, 60.0)],
        vec![Head::hash_seed(22, 25.0)],
        vec![Head::hash_seed(22, 3.0)],
    ];
    are_true(&heads, &policies(AGENTS), &Unlimited);
}
