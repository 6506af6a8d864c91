//! Who sends, and whether they may send more.

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, header::AUTHORIZATION};
use tokio::time::Instant;
use wholetrace_proto::set_attribute::{Attribute, AttributeValue};
use wholetrace_runtime::{budget::ByteBudget, secret::Secret};

use crate::{
    admission::{
        lease::InFlightBudget,
        tenant_metrics::TenantMetrics,
        token::{Credentials, Keys, TokenId},
        token_files::TokenFiles,
    },
    config::tenants::AuthenticationConfig,
    outcome::Accepted,
    reject::{RejectReason, Rejection},
};

/// Seconds of its rate that a tenant may send at once.
const BURST_SECONDS: f64 = 10.0;

/// The tenants that may send.
#[derive(Clone, Default)]
pub(crate) struct Tenants(Option<Arc<Known>>);

struct Known {
    tenants: Vec<Tenant>,
    keys: Keys,
}

struct Tenant {
    name: String,
    tokens: Vec<TokenId>,
    files: TokenFiles,
    quota: TenantQuota,
}

/// What a request may send by.
#[derive(Clone, Default)]
pub(crate) struct TenantQuota {
    rate: Option<Arc<Rate>>,
    /// What its tenant may hold of the bytes in flight, where there are others.
    in_flight: Option<ByteBudget>,
    mark: Option<Arc<TenantMark>>,
    metrics: Option<Arc<TenantMetrics>>,
}

/// The attribute that tells, of each resource, which tenant sent it.
#[derive(Debug)]
pub(crate) struct TenantMark {
    key: String,
    name: String,
}

impl TenantMark {
    pub(crate) fn attribute(&self) -> Attribute<'_> {
        Attribute { key: &self.key, value: AttributeValue::Text(&self.name) }
    }
}

/// A bucket of bytes that fills at a rate. It may go below zero, since what a request takes is known
/// only when it is read; but not by more than it holds, so that nobody is shut out for longer than it
/// takes to fill.
struct Rate {
    per_second: f64,
    level: Mutex<(f64, Instant)>,
}

impl Tenants {
    /// The tenants of `config`, which share the bytes in flight; with none, every sender may send.
    pub(crate) fn new(config: &AuthenticationConfig, in_flight: &InFlightBudget) -> Self {
        if config.tenants.is_empty() {
            return Self(None);
        }
        let keys = Keys::default();
        let tenants = config.tenants.iter().map(|tenant| {
            let id = |token: &Secret| keys.of_configured(token);
            let share = (config.tenants.len() > 1).then(|| in_flight.tenant());
            let mark = (!config.tenant_attribute.is_empty()).then(|| {
                let (key, name) = (config.tenant_attribute.clone(), tenant.name.clone());
                Arc::new(TenantMark { key, name })
            });
            Tenant {
                name: tenant.name.clone(),
                tokens: tenant.tokens.iter().map(id).collect(),
                files: TokenFiles::new(&tenant.name, tenant.token_files.clone(), id),
                quota: TenantQuota {
                    rate: Rate::new(tenant.bytes_per_second.get()),
                    in_flight: share,
                    mark,
                    metrics: Some(Arc::new(TenantMetrics::new(&tenant.name))),
                },
            }
        });
        let tenants = tenants.collect();
        Self(Some(Arc::new(Known { tenants, keys })))
    }

    /// Reads files of tokens that have changed. Blocks.
    pub(crate) fn look(&self) {
        let Some(known) = &self.0 else { return };
        for tenant in &known.tenants {
            tenant.files.look(|token| known.keys.of_configured(token));
        }
    }

    /// Whose request it is, if they may send now. The `declared` length of its body is charged.
    ///
    /// # Errors
    /// No token, an unknown one, or a tenant that has sent enough for the moment.
    pub(crate) fn admit(
        &self,
        headers: &HeaderMap,
        declared: usize,
    ) -> Result<TenantQuota, Rejection> {
        let Some(known) = &self.0 else { return Ok(TenantQuota::default()) };
        let header = headers.get(AUTHORIZATION);
        let shown = header.and_then(|value| Credentials::of(value.as_bytes()));
        let Credentials { name, token } = shown.ok_or_else(|| {
            unknown(
                "the request has no `authorization` header with a tenant's token: send it as `Bearer`, \
                 or as `Basic` with the tenant's name as the user and the token as the password",
            )
        })?;
        let id = known.keys.of_shown(&token);
        // All are compared, whichever it is.
        let mut found = None;
        for tenant in &known.tenants {
            let here = tenant.tokens.iter().fold(false, |known, token| known | (*token == id));
            let named = name.as_ref().is_none_or(|name| name == tenant.name.as_bytes());
            if (here | tenant.files.has(id)) & named {
                found = Some(&tenant.quota);
            }
        }
        let quota = found.ok_or_else(|| unknown("no tenant has the token of this request"))?;
        let checked = quota.check(declared);
        if let Err(rejection) = &checked {
            quota.refused(rejection);
        }
        checked.map(|()| quota.clone())
    }
}

fn unknown(message: &'static str) -> Rejection {
    Rejection::new(RejectReason::Unauthenticated, message)
}

impl TenantQuota {
    /// What the tenant may hold of the bytes in flight, where there are others.
    pub(crate) const fn in_flight(&self) -> Option<&ByteBudget> {
        self.in_flight.as_ref()
    }

    /// What its resources are marked with.
    pub(crate) fn mark(&self) -> Option<Arc<TenantMark>> {
        self.mark.clone()
    }

    fn check(&self, declared: usize) -> Result<(), Rejection> {
        let Some(rate) = &self.rate else { return Ok(()) };
        let now = Instant::now();
        if rate.take(0, now) > 0.0 {
            rate.take(declared, now);
            return Ok(());
        }
        Err(Rejection::new(
            RejectReason::TenantRate,
            format!("the tenant may send {} bytes a second: retry later", rate.per_second),
        ))
    }

    /// Notes that a request had a body of `bytes`, of which `declared` are charged already.
    pub(crate) fn received(&self, bytes: usize, declared: usize) {
        if let Some(rate) = &self.rate {
            rate.take(bytes.saturating_sub(declared), Instant::now());
        }
        if let Some(metrics) = &self.metrics {
            metrics.received(bytes);
        }
    }

    /// Notes that a request was served.
    pub(crate) fn accepted(&self, accepted: &Accepted) {
        if let Some(metrics) = &self.metrics {
            metrics.accepted(accepted);
        }
    }

    /// Notes that a request was refused.
    pub(crate) fn refused(&self, rejection: &Rejection) {
        if let Some(metrics) = &self.metrics {
            metrics.refused(rejection);
        }
    }
}

impl Rate {
    /// A full bucket; none where any rate will do, which is 0.
    fn new(per_second: u64) -> Option<Arc<Self>> {
        (per_second > 0).then(|| {
            let per_second = per_second as f64;
            let level = Mutex::new((per_second * BURST_SECONDS, Instant::now()));
            Arc::new(Self { per_second, level })
        })
    }

    /// Takes bytes out, after filling up for the time that has passed; gives what is left.
    fn take(&self, bytes: usize, now: Instant) -> f64 {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(level.1).as_secs_f64();
        let full = self.per_second * BURST_SECONDS;
        level.0 = ((level.0 + passed * self.per_second).min(full) - bytes as f64).max(-full);
        level.1 = now;
        level.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tenants(text: &str) -> Tenants {
        Tenants::new(&serde_json::from_str(text).unwrap(), &InFlightBudget::new(1_000))
    }

    fn with(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn without_tenants_everybody_may_send() {
        assert!(tenants("{}").admit(&HeaderMap::new(), 1).is_ok());
    }

    #[test]
    fn who_has_no_token_of_a_tenant_is_refused() {
        let tenants = tenants(
            r#"{"tenants": [{"name": "a", "tokens": ["first-of-a-tokens", "second-of-a-token"]},
                            {"name": "b", "tokens": ["the-token-of-b-it"]}]}"#,
        );
        for good in
            ["Bearer first-of-a-tokens", "bearer second-of-a-token", "BEARER  the-token-of-b-it"]
        {
            assert!(tenants.admit(&with(good), 1).is_ok(), "{good}");
        }
        // `a:first-of-a-tokens`, and the same of `b`.
        assert!(tenants.admit(&with("Basic YTpmaXJzdC1vZi1hLXRva2Vucw=="), 1).is_ok());
        let other = "Basic YjpmaXJzdC1vZi1hLXRva2Vucw==";
        for bad in
            ["Bearer first-of-a-token", "Basic first-of-a-tokens", other, "Bearer", "Bearer "]
        {
            let refused = tenants.admit(&with(bad), 1).err().map(|rejection| rejection.reason);
            assert_eq!(refused, Some(RejectReason::Unauthenticated), "{bad}");
        }
        assert!(tenants.admit(&HeaderMap::new(), 1).is_err());
    }

    #[test]
    fn tokens_in_files_are_read_again_when_they_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        std::fs::write(&file, "first-of-a-tokens\nsecond-of-a-token\n").unwrap();
        let text = serde_json::json!({"tenants": [{"name": "a", "token_files": [file]}]});
        let tenants = tenants(&text.to_string());
        let may = |token: &str| tenants.admit(&with(&format!("Bearer {token}")), 1).is_ok();
        assert!(may("first-of-a-tokens") && may("second-of-a-token"));
        tenants.look();
        assert!(may("first-of-a-tokens"));
        // What cannot be used leaves the former ones.
        std::fs::write(&file, "short").unwrap();
        tenants.look();
        assert!(may("first-of-a-tokens") && !may("short"));
        std::fs::write(&file, "the-third-of-them-all").unwrap();
        tenants.look();
        assert!(may("the-third-of-them-all") && !may("first-of-a-tokens"));
    }

    #[test]
    fn a_tenant_that_has_sent_enough_waits_for_its_rate() {
        let tenants = tenants(
            r#"{"tenants": [{"name": "a", "tokens": ["first-of-a-tokens"], "bytes_per_second": 1}]}"#,
        );
        let headers = with("Bearer first-of-a-tokens");
        tenants.admit(&headers, 0).unwrap().received(1_000_000, 0);
        let refused = tenants.admit(&headers, 0).err().map(|rejection| rejection.reason);
        assert_eq!(refused, Some(RejectReason::TenantRate));
    }

    /// What many requests at one moment declare counts before any of them has come.
    #[test]
    fn what_is_declared_is_charged_at_once() {
        let tenants = tenants(
            r#"{"tenants": [{"name": "a", "tokens": ["first-of-a-tokens"], "bytes_per_second": 10}]}"#,
        );
        let headers = with("Bearer first-of-a-tokens");
        let admitted = (0..10).filter(|_| tenants.admit(&headers, 60).is_ok()).count();
        assert_eq!(admitted, 2);
    }

    #[test]
    fn a_bucket_fills_at_its_rate_up_to_ten_seconds_of_it() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let rate = Rate { per_second: 100.0, level: Mutex::new((1_000.0, now)) };
        assert!(rate.take(1_200, now) < 0.0);
        assert!(rate.take(0, after(1)) < 0.0);
        assert!(rate.take(0, after(3)) > 0.0);
        assert!((rate.take(0, after(3_600)) - 1_000.0).abs() < 1e-6);
        // However much was taken at once, it is over after twice that time.
        assert!((rate.take(1_000_000, after(3_600)) + 1_000.0).abs() < 1e-6);
        assert!(rate.take(0, after(3_611)) > 0.0);
    }
}
