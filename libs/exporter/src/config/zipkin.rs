//! The configuration of the exporter of Zipkin's JSON.

use std::collections::BTreeMap;

use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_proto::zipkin::NO_SERVICE_NAME;
use wholetrace_runtime::{
    problems::Problems,
    secret::Secret,
    tls::ClientTlsConfig,
    units::{ByteSize, HumanDuration},
};

use crate::{
    config::{
        otlp::{backend, check_headers, check_proxy, check_request_size, check_timeout, check_tls},
        queue::{QueueConfig, RetryConfig},
    },
    options::Compression,
};

/// Where receivers of Zipkin's v2 take spans.
const SPANS_PATH: &str = "/api/v2/spans";

/// `zipkin`: Zipkin's v2 JSON over HTTP, to Zipkin, Jaeger, Tempo, a Collector, or whatever reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ZipkinConfig {
    /// Where requests go, such as `http://zipkin:9411/api/v2/spans`. Required. Without a path it is
    /// `/api/v2/spans`.
    pub endpoint: String,
    /// What requests are: `json` is the only format.
    pub format: ZipkinFormat,
    /// The service of spans that nothing names one for. The default is what Collectors write, which
    /// their receivers, and ours, read as no name.
    pub default_service_name: String,
    /// Certificates and keys for `https`. The scheme of the endpoint decides whether the
    /// connection is encrypted.
    pub tls: ClientTlsConfig,
    /// The proxy to go through, `http://`, `https://`, `socks5://` or `socks5h://`, with user and
    /// password if it wants them; it never prints. Unset, the environment says: `HTTPS_PROXY`,
    /// `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, or the same in lower case, which are not about
    /// backends on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<Secret>,
    /// Headers of each request. Their values never print.
    pub headers: BTreeMap<String, Secret>,
    /// How requests are compressed: `gzip` is read by every receiver, `zstd` by Jaeger and Collectors
    /// but not by Zipkin, `none` none. Unset, it is `none` for a backend on the loopback interface and
    /// `gzip` for all others.
    pub compression: Option<Compression>,
    /// Bytes of JSON in a request of several spans, before compression, 4KiB to 64MiB. To be kept
    /// below what the backend takes: Zipkin takes 10MiB, Jaeger and Collectors 20MiB. A single span
    /// that is larger goes alone.
    pub max_request_size: ByteSize,
    /// How long a request may take, 10ms to 10m. A backend that is late again and again gets smaller
    /// requests, and up to eight times as long.
    pub timeout: HumanDuration,
    /// The waits before a request that failed is sent again.
    pub retry_on_failure: RetryConfig,
    /// Which spans it takes: a condition on their resource in the OpenTelemetry Transformation
    /// Language, such as `attributes["deployment.environment.name"] == "prod"`. Unset, it takes all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The queue in front of the backend, and the spans of a request: `batch.max_size` counts them as
    /// OTLP, of which JSON makes two to five times as much.
    pub sending_queue: QueueConfig,
    /// No effect: buffers fit themselves to the requests.
    pub read_buffer_size: Option<u64>,
    /// No effect: buffers fit themselves to the requests.
    pub write_buffer_size: Option<u64>,
}

/// Formats of the Zipkin exporter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ZipkinFormat {
    /// Zipkin's v2 JSON.
    #[default]
    Json,
}

impl Default for ZipkinConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            format: ZipkinFormat::Json,
            default_service_name: NO_SERVICE_NAME.to_owned(),
            tls: ClientTlsConfig::default(),
            proxy_url: None,
            headers: BTreeMap::new(),
            compression: None,
            max_request_size: ByteSize::mib(4),
            timeout: HumanDuration::from_secs(30),
            retry_on_failure: RetryConfig::default(),
            only: None,
            sending_queue: QueueConfig::default(),
            read_buffer_size: None,
            write_buffer_size: None,
        }
    }
}

impl ZipkinConfig {
    /// Adds what is wrong with the block at `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        match self.uri() {
            Ok(uri) => check_tls(&uri, &self.tls, path, problems),
            Err(message) => {
                let hint = "write a URL, such as `http://zipkin:9411/api/v2/spans`";
                problems.error(format!("{path}.endpoint"), message, hint);
            }
        }
        check_proxy(self.proxy(), path, problems);
        check_headers(&self.headers, path, problems);
        check_timeout(self.timeout, path, problems);
        check_request_size(self.max_request_size, path, problems);
        self.retry_on_failure.check(&format!("{path}.retry_on_failure"), problems);
        self.sending_queue.check(&format!("{path}.sending_queue"), problems);
        for (key, set) in [
            ("read_buffer_size", self.read_buffer_size.is_some()),
            ("write_buffer_size", self.write_buffer_size.is_some()),
        ] {
            if set {
                problems.warn(format!("{path}.{key}"), "has no effect", "leave it out");
            }
        }
    }

    /// The proxy that is named.
    pub(crate) fn proxy(&self) -> Option<&Secret> {
        self.proxy_url.as_ref().filter(|url| !url.reveal().is_empty())
    }

    /// Where to post.
    pub(crate) fn uri(&self) -> Result<Uri, String> {
        let uri = backend(&self.endpoint)?;
        match (uri.path(), uri.query()) {
            ("" | "/", None) => {
                backend(&format!("{}{SPANS_PATH}", self.endpoint.trim_end_matches('/')))
            }
            _ => Ok(uri),
        }
    }
}
