//! The configuration of the exporter to Jaeger's own receivers.

use std::collections::BTreeMap;

use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::{
    problems::Problems,
    secret::Secret,
    tls::ClientTlsConfig,
    units::{ByteSize, HumanDuration},
};

use crate::{
    config::{
        otlp::{
            BalancerName, KeepaliveConfig, check_headers, check_request_size, check_timeout,
            check_tls, grpc_backend,
        },
        queue::{QueueConfig, RetryConfig},
    },
    options::Compression,
};

/// `jaeger`: Jaeger's own gRPC, to collectors that do not take OTLP: those before 1.35, and sites that
/// have only opened port 14250. All others are better served by `otlp`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JaegerConfig {
    /// Host and port of the collector, such as `jaeger:14250`, which is reached through the proxy that
    /// `HTTPS_PROXY` names, if it does and `NO_PROXY` does not name the host. Required. `http://` in
    /// front is the same as `tls: {insecure: true}`; without a scheme or with `https://` the
    /// connection is encrypted.
    pub endpoint: String,
    /// Certificates and keys.
    pub tls: ClientTlsConfig,
    /// Headers of each request. Their values never print.
    pub headers: BTreeMap<String, Secret>,
    /// How requests are compressed: `gzip` is read by every collector, `none` is none; `zstd` by
    /// Collectors only. Unset, it is `none` for a backend on the loopback interface and `gzip` for all
    /// others.
    pub compression: Option<Compression>,
    /// Bytes of a request of several spans, before compression, 4KiB to 64MiB. To be kept below what
    /// the backend takes: 4MiB as a rule. A single span that is larger goes alone.
    pub max_request_size: ByteSize,
    /// How long a request may take, 10ms to 10m. A backend that is late again and again gets smaller
    /// requests, and up to eight times as long.
    pub timeout: HumanDuration,
    /// Pings that find dead connections; none unless this is set. Receivers may end connections
    /// that ping more often than they like.
    pub keepalive: Option<KeepaliveConfig>,
    /// The waits before a request that failed is sent again.
    pub retry_on_failure: RetryConfig,
    /// Which spans it takes: a condition on their resource in the OpenTelemetry Transformation
    /// Language, such as `attributes["deployment.environment.name"] == "prod"`. Unset, it takes all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The queue in front of the backend, and the spans of a request: `batch.max_size` counts them as
    /// OTLP.
    pub sending_queue: QueueConfig,
    /// Which addresses of the host get the requests: `pick_first` (also unset) is one that answers, over
    /// one connection, `round_robin` all of them in turn, for a headless Service of Kubernetes.
    pub balancer_name: Option<BalancerName>,
}

impl Default for JaegerConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            tls: ClientTlsConfig::default(),
            headers: BTreeMap::new(),
            compression: None,
            max_request_size: ByteSize::mib(4),
            timeout: HumanDuration::from_secs(5),
            keepalive: None,
            retry_on_failure: RetryConfig::default(),
            only: None,
            sending_queue: QueueConfig::default(),
            balancer_name: None,
        }
    }
}

impl JaegerConfig {
    /// Adds what is wrong with the block at `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        match self.uri() {
            Ok(uri) => check_tls(&uri, &self.tls, path, problems),
            Err(message) => problems.error(
                format!("{path}.endpoint"),
                message,
                "write host and port, such as `jaeger:14250`",
            ),
        }
        check_headers(&self.headers, path, problems);
        check_timeout(self.timeout, path, problems);
        check_request_size(self.max_request_size, path, problems);
        if let Some(keepalive) = &self.keepalive {
            keepalive.check(&format!("{path}.keepalive"), problems);
        }
        self.retry_on_failure.check(&format!("{path}.retry_on_failure"), problems);
        self.sending_queue.check(&format!("{path}.sending_queue"), problems);
    }

    /// Scheme and authority of the backend.
    pub(crate) fn uri(&self) -> Result<Uri, String> {
        grpc_backend(&self.endpoint, self.tls.insecure)
    }
}
