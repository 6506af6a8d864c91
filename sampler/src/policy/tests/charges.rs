//! What is taken out of budgets.

use std::cell::RefCell;

use wholetrace_proto::tracestate::Threshold;

use crate::policy::{
    budget::{Asked, Budgets},
    tests::support::*,
};

/// Budgets that note what asks.
#[derive(Debug, Default)]
struct Noting(RefCell<Vec<u16>>);

impl Budgets for Noting {
    fn ask(&self, asked: Asked) -> Threshold {
        self.0.borrow_mut().push(asked.budget.0);
        asked.within
    }
}

/// One trace takes once of each budget that a policy asks, of those that are tried only as well: each
/// has one of its own, which would tell nothing if nothing was taken out of it.
#[test]
fn a_decision_asks_each_budget_once() {
    let policies = policies(
        "
  - { name: all, type: rate_limiting, rate_limiting: { spans_per_second: 10 } }
  - { name: tried, type: rate_limiting, shadow: true, rate_limiting: { spans_per_second: 10 } }
  - { name: errors, type: and, and: { and_sub_policy: [
      { name: failed, type: status_code, status_code: { status_codes: [ERROR] } },
      { name: limit, type: bytes_limiting, bytes_limiting: { bytes_per_second: 10 } } ] } }
  - { name: shared, type: composite, composite: { max_total_spans_per_second: 10,
      rate_allocation: [ { policy: one, percent: 80 }, { policy: other, percent: 80 } ],
      composite_sub_policy: [ { name: one, type: always_sample },
                              { name: other, type: always_sample } ] } }
  - { name: keys, type: dynamic, dynamic: { fields: [name], goal_throughput_per_sec: 10 } }
",
    );
    let name = |id: &u16| policies.budgets()[usize::from(*id)].name.as_str();
    for (trace, takes_of) in [
        (dull(), "all keys shared shared/one shared/other tried"),
        (dull().span(status(ERROR)), "all errors/limit keys shared shared/one shared/other tried"),
    ] {
        let budgets = Noting::default();
        let _ = trace.decision_within(&policies, &budgets);
        let taken = budgets.0.take();
        let mut taken: Vec<&str> = taken.iter().map(name).collect();
        taken.sort_unstable();
        assert_eq!(taken.join(" "), takes_of);
    }
}
