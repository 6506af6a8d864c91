//! What kept spans say that they count for is true: an estimate from them is right within chance.

use prost::Message;
use wholetrace_proto::{
    otlp::Span,
    tracestate::{self, Kept, Threshold},
};

use crate::policy::{set::PolicySet, tests::support::*};

/// Policies that keep some traces for what they are, and others by chance, in several ways.
const MIX: &str = "
  - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }
  - { name: gold, type: and, and: { and_sub_policy: [
      { name: tier, type: string_attribute, string_attribute: { key: tier, values: [gold] } },
      { name: half, type: probabilistic, probabilistic: { sampling_percentage: 50 } } ] } }
  - { name: agents, type: and, and: { and_sub_policy: [
      { name: tier, type: string_attribute, string_attribute: { key: tier, values: [iron] } },
      { name: part, type: probabilistic_sampler, probabilistic_sampler: {
          sampling_percentage: 40, mode: proportional, sampling_precision: 14 } } ] } }
  - { name: share, type: probabilistic, probabilistic: { sampling_percentage: 5 } }
";

/// Numbers as a generator of ids draws them.
struct Random(u64);

impl Random {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

/// How many traces a kept one stands for, by the tracestate that it leaves with.
fn counts_for(trace: &Trace, policies: &PolicySet) -> Option<f64> {
    let decision = trace.decision(policies);
    if !decision.kept {
        return None;
    }
    assert!(decision.probability_known, "no policy of the mix draws by a hash");
    let kept = Kept::At(Threshold::new(decision.threshold).unwrap());
    let body = trace.spans[0].1.encode_to_vec();
    let mut out = Vec::new();
    match tracestate::rewrite(&body, kept) {
        Some(rewrite) => rewrite.append_to(&mut out),
        None => out = body.clone(),
    }
    let state = Span::decode(&*out).unwrap().trace_state;
    let threshold = tracestate::read(state.as_bytes()).threshold.unwrap_or(Threshold::ALWAYS);
    Some(1.0 / threshold.probability())
}

/// 200,000 traces of three kinds, of which a head sampler in front has let all, half or a fifth pass.
#[test]
fn estimates_from_kept_spans_are_true() {
    let policies = policies(MIX);
    let head = [(1.0, ""), (0.5, "ot=th:8"), (0.2, "ot=th:cccccccccccccd")];
    // By kind: how many there were, the estimate, and its variance.
    let mut kinds = [(0.0, 0.0, 0.0); 4];
    let mut random = Random(7);
    for number in 0..200_000_u64 {
        let id = u128::from(random.next()) << 64 | u128::from(random.next());
        let kind = (random.next() % 10).min(3) as usize;
        let (let_pass, trace_state) = head[(number % 3) as usize];
        let span = match kind {
            0 => status(2),
            1 => with(vec![text("tier", "gold")]),
            2 => with(vec![text("tier", "iron")]),
            _ => Span::default(),
        };
        let trace = Trace::new(id).span(Span { trace_state: trace_state.to_owned(), ..span });
        let own: f64 = [1.0, 0.5, 0.4 * let_pass, 0.05][kind];
        let probability = own.min(let_pass).max(0.05_f64.min(let_pass));
        let (count, estimate, variance) = &mut kinds[kind];
        *count += 1.0;
        *variance += (1.0 - probability) / probability;
        let randomness = (id & ((1 << 56) - 1)) as u64;
        if Threshold::with_precision(let_pass, 14).keeps(randomness) {
            *estimate += counts_for(&trace, &policies).unwrap_or(0.0);
        }
    }
    for (kind, (count, estimate, variance)) in kinds.into_iter().enumerate() {
        let off = (estimate - count) / f64::sqrt(variance.max(1.0));
        assert!(off.abs() < 4.0, "kind {kind}: {estimate} of {count}, {off} deviations");
    }
}
