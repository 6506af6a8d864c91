//! What is counted of each tenant.

use metrics::{Counter, counter};
use wholetrace_runtime::metrics::{Label, Metric, Unit};

use crate::{metrics::REASON, outcome::Accepted, reject::Rejection};

const SPANS: &str = "wholetrace_gateway_tenant_spans_total";
const BYTES: &str = "wholetrace_gateway_tenant_received_bytes_total";
const REFUSED: &str = "wholetrace_gateway_tenant_requests_refused_total";

const TENANT: Label = Label::capped("tenant", "its name in the configuration");

/// The metrics of the tenants, where there are any.
pub const TABLE: &[Metric] = &[
    Metric::counter(SPANS, Unit::None, "Spans of the tenant that were acknowledged.")
        .labels(&[TENANT]),
    Metric::counter(BYTES, Unit::Bytes, "Bytes of bodies of the tenant, as they came.")
        .labels(&[TENANT]),
    Metric::counter(
        REFUSED,
        Unit::None,
        "Requests with a token of the tenant that were refused, by reason. `tenant_rate`: it sends \
         more than its `bytes_per_second`.",
    )
    .labels(&[TENANT, REASON]),
];

/// The handles of one tenant, made once; those of refusals when there are any.
pub(super) struct TenantMetrics {
    name: String,
    spans: Counter,
    bytes: Counter,
}

impl TenantMetrics {
    /// Those of the tenant `name`.
    pub(super) fn new(name: &str) -> Self {
        let tenant = || ("tenant", name.to_owned());
        Self {
            name: name.to_owned(),
            spans: counter!(SPANS, &[tenant()]),
            bytes: counter!(BYTES, &[tenant()]),
        }
    }

    pub(super) fn received(&self, bytes: usize) {
        self.bytes.increment(bytes as u64);
    }

    pub(super) fn accepted(&self, accepted: &Accepted) {
        self.spans.increment(u64::from(accepted.spans));
    }

    pub(super) fn refused(&self, rejection: &Rejection) {
        let reason = rejection.reason.label();
        counter!(REFUSED, "tenant" => self.name.clone(), "reason" => reason).increment(1);
    }
}
