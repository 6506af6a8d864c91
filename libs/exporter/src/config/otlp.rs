//! The configuration of the OTLP exporters.

use std::{collections::BTreeMap, net::IpAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::{
    problems::Problems,
    secret::Secret,
    tls::ClientTlsConfig,
    units::{ByteSize, HumanDuration},
};

use crate::{
    config::queue::{QueueConfig, RetryConfig},
    options::{Compression, Encoding},
    proxy::Proxies,
};

/// `otlp`: OTLP over gRPC, to Jaeger, a Collector, or whatever speaks it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpConfig {
    /// Host and port of the backend, such as `jaeger:4317`, which is reached through the proxy that
    /// `HTTPS_PROXY` names, if it does and `NO_PROXY` does not name the host. Required. `http://` in front is the
    /// same as `tls: {insecure: true}`; without a scheme or with `https://` the connection is
    /// encrypted.
    pub endpoint: String,
    /// Certificates and keys.
    pub tls: ClientTlsConfig,
    /// Headers of each request. Their values never print.
    pub headers: BTreeMap<String, Secret>,
    /// How requests are compressed: `gzip` is read by every receiver, `zstd` costs a third of the
    /// work, `none` none. Unset, it is `none` for a backend on the loopback interface and `gzip`
    /// for all others.
    pub compression: Option<Compression>,
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
    /// The queue in front of the backend, and the size of requests.
    pub sending_queue: QueueConfig,
    /// No effect: connections are made when they are needed, and again when they break.
    pub wait_for_ready: Option<bool>,
    /// Which addresses of the host get the requests: `pick_first` (also unset) is one that answers, over
    /// one connection, `round_robin` all of them in turn, for a headless Service of Kubernetes. The name
    /// is resolved again every 30s and when a connection fails; an address that fails is avoided for
    /// 10s.
    pub balancer_name: Option<BalancerName>,
    /// No effect: buffers fit themselves to the requests.
    pub read_buffer_size: Option<u64>,
    /// No effect: buffers fit themselves to the requests.
    pub write_buffer_size: Option<u64>,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            tls: ClientTlsConfig::default(),
            headers: BTreeMap::new(),
            compression: None,
            timeout: HumanDuration::from_secs(5),
            keepalive: None,
            retry_on_failure: RetryConfig::default(),
            only: None,
            sending_queue: QueueConfig::default(),
            wait_for_ready: None,
            balancer_name: None,
            read_buffer_size: None,
            write_buffer_size: None,
        }
    }
}

/// Which addresses of a backend get the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BalancerName {
    /// One that answers.
    PickFirst,
    /// All in turn.
    RoundRobin,
}

/// Pings on a gRPC connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeepaliveConfig {
    /// Silence before a ping, at least 1s.
    pub time: HumanDuration,
    /// Silence after a ping before the connection is given up, at least 1s.
    pub timeout: HumanDuration,
    /// Ping while no request is under way, too.
    pub permit_without_stream: bool,
}

impl Default for KeepaliveConfig {
    fn default() -> Self {
        Self {
            time: HumanDuration::from_secs(10),
            timeout: HumanDuration::from_secs(10),
            permit_without_stream: false,
        }
    }
}

impl OtlpConfig {
    /// Adds what is wrong with the block at `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        match self.uri() {
            Ok(uri) => check_tls(&uri, &self.tls, path, problems),
            Err(message) => problems.error(
                format!("{path}.endpoint"),
                message,
                "write host and port, such as `jaeger:4317`",
            ),
        }
        check_headers(&self.headers, path, problems);
        check_timeout(self.timeout, path, problems);
        if let Some(keepalive) = &self.keepalive {
            keepalive.check(&format!("{path}.keepalive"), problems);
        }
        self.retry_on_failure.check(&format!("{path}.retry_on_failure"), problems);
        self.sending_queue.check(&format!("{path}.sending_queue"), problems);
        for (key, set) in [
            ("wait_for_ready", self.wait_for_ready.is_some()),
            ("read_buffer_size", self.read_buffer_size.is_some()),
            ("write_buffer_size", self.write_buffer_size.is_some()),
        ] {
            if set {
                problems.warn(format!("{path}.{key}"), "has no effect", "leave it out");
            }
        }
    }

    /// Scheme and authority of the backend.
    pub(crate) fn uri(&self) -> Result<Uri, String> {
        grpc_backend(&self.endpoint, self.tls.insecure)
    }
}

impl KeepaliveConfig {
    /// Adds what is wrong with the block at `path`.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        let (lowest, highest) = (HumanDuration::from_secs(1), HumanDuration::from_secs(86_400));
        for (key, value) in [("time", self.time), ("timeout", self.timeout)] {
            problems.check_range(format!("{path}.{key}"), value, lowest, highest);
        }
    }
}

/// Scheme and authority of a backend over gRPC: `insecure` tells the scheme where there is none.
pub(super) fn grpc_backend(given: &str, insecure: bool) -> Result<Uri, String> {
    let endpoint = given.strip_prefix("dns:///").unwrap_or(given);
    let uri = if endpoint.contains("://") {
        endpoint.to_owned()
    } else {
        format!("{}://{endpoint}", if insecure { "http" } else { "https" })
    };
    let uri = backend(&uri)?;
    if uri.port_u16().is_none() {
        return Err(format!("`{given}` has no port"));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(format!("`{given}` has a path, which gRPC has not"));
    }
    Ok(uri)
}

/// `otlphttp`: OTLP over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpHttpConfig {
    /// The backend, such as `http://jaeger:4318`; requests go to `/v1/traces` below it. Required
    /// unless `traces_endpoint` is set.
    pub endpoint: String,
    /// Where requests go, path and all; wins over `endpoint`.
    pub traces_endpoint: String,
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
    /// What requests are: `proto` or `json`.
    pub encoding: Encoding,
    /// How requests are compressed: `gzip` is read by every receiver, `zstd` costs a third of the
    /// work, `none` none. Unset, it is `none` for a backend on the loopback interface and `gzip`
    /// for all others.
    pub compression: Option<Compression>,
    /// How long a request may take, 10ms to 10m. A backend that is late again and again gets smaller
    /// requests, and up to eight times as long.
    pub timeout: HumanDuration,
    /// The waits before a request that failed is sent again.
    pub retry_on_failure: RetryConfig,
    /// Which spans it takes: a condition on their resource in the OpenTelemetry Transformation
    /// Language, such as `attributes["deployment.environment.name"] == "prod"`. Unset, it takes all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The queue in front of the backend, and the size of requests.
    pub sending_queue: QueueConfig,
    /// No effect: buffers fit themselves to the requests.
    pub read_buffer_size: Option<u64>,
    /// No effect: buffers fit themselves to the requests.
    pub write_buffer_size: Option<u64>,
}

impl Default for OtlpHttpConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            traces_endpoint: String::new(),
            tls: ClientTlsConfig::default(),
            proxy_url: None,
            headers: BTreeMap::new(),
            encoding: Encoding::default(),
            compression: None,
            timeout: HumanDuration::from_secs(30),
            retry_on_failure: RetryConfig::default(),
            only: None,
            sending_queue: QueueConfig::default(),
            read_buffer_size: None,
            write_buffer_size: None,
        }
    }
}

impl OtlpHttpConfig {
    /// Adds what is wrong with the block at `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        match self.uri() {
            Ok(uri) => check_tls(&uri, &self.tls, path, problems),
            Err(message) => {
                let hint = "write a URL, such as `http://jaeger:4318`";
                problems.error(format!("{path}.{}", self.endpoint_key()), message, hint);
            }
        }
        check_proxy(self.proxy(), path, problems);
        check_headers(&self.headers, path, problems);
        check_timeout(self.timeout, path, problems);
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

    /// The key that says where to post.
    pub(crate) const fn endpoint_key(&self) -> &'static str {
        if self.traces_endpoint.is_empty() { "endpoint" } else { "traces_endpoint" }
    }

    /// The proxy that is named.
    pub(crate) fn proxy(&self) -> Option<&Secret> {
        self.proxy_url.as_ref().filter(|url| !url.reveal().is_empty())
    }

    /// Where to post.
    pub(crate) fn uri(&self) -> Result<Uri, String> {
        if !self.traces_endpoint.is_empty() {
            return backend(&self.traces_endpoint);
        }
        // A mistake is to be shown as it was written.
        backend(&self.endpoint)?;
        backend(&format!("{}/v1/traces", self.endpoint.trim_end_matches('/')))
    }
}

/// Reads the URI of a backend: `http` or `https`, with a host.
pub(super) fn backend(text: &str) -> Result<Uri, String> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    if rest.is_empty() {
        return Err("no backend is named".to_owned());
    }
    let uri: Uri = text.parse().map_err(|error| format!("`{text}` is no endpoint: {error}"))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(scheme) => return Err(format!("`{scheme}` is no scheme of a backend")),
        None => return Err(format!("`{text}` has no scheme")),
    }
    // User names in URIs end up in logs.
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("the endpoint holds credentials: put them into `headers`".to_owned());
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(format!("`{text}` has no host"));
    }
    Ok(uri)
}

pub(super) fn check_tls(uri: &Uri, tls: &ClientTlsConfig, path: &str, problems: &mut Problems) {
    if uri.scheme_str() == Some("https") {
        // `https` wins over `insecure`, which may stand beside files that are then used.
        let tls = ClientTlsConfig { insecure: false, ..tls.clone() };
        tls.check(&format!("{path}.tls"), problems);
    }
}

/// Adds what is wrong with the proxy that is named.
pub(super) fn check_proxy(proxy: Option<&Secret>, path: &str, problems: &mut Problems) {
    if let Some(url) = proxy
        && let Err(message) = Proxies::named(url.reveal())
    {
        let hint = "write it as in `http://proxy:3128`";
        problems.error(format!("{path}.proxy_url"), message, hint);
    }
}

pub(super) fn check_timeout(timeout: HumanDuration, path: &str, problems: &mut Problems) {
    let (lowest, highest) = (HumanDuration::from_millis(10), HumanDuration::from_secs(600));
    problems.check_range(format!("{path}.timeout"), timeout, lowest, highest);
}

/// Bytes of a request of an exporter that writes spans anew, whose batches count them as OTLP.
pub(super) fn check_request_size(size: ByteSize, path: &str, problems: &mut Problems) {
    let (lowest, highest) = (ByteSize::kib(4), ByteSize::mib(64));
    problems.check_range(format!("{path}.max_request_size"), size, lowest, highest);
}

/// Headers that the exporters set by themselves, and that make no sense otherwise.
const OWN_HEADERS: [&str; 7] = [
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "te",
    "grpc-encoding",
];

pub(super) fn check_headers(
    headers: &BTreeMap<String, Secret>,
    path: &str,
    problems: &mut Problems,
) {
    for (name, value) in headers {
        if let Err(message) = header(name, value) {
            problems.error(format!("{path}.headers.{name}"), message, "correct or remove it");
        }
    }
}

fn header(name: &str, value: &Secret) -> Result<(HeaderName, HeaderValue), &'static str> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "is no name of a header")?;
    if OWN_HEADERS.contains(&name.as_str()) {
        return Err("is set by the exporter");
    }
    let mut value =
        HeaderValue::from_str(value.reveal()).map_err(|_| "has no value for a header")?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// The configured headers; those that are wrong, which `check` has found, are left out.
pub(crate) fn header_map(headers: &BTreeMap<String, Secret>) -> HeaderMap {
    headers.iter().filter_map(|(name, value)| header(name, value).ok()).collect()
}

/// What to do without a word on compression: on the way to this machine itself it saves nothing.
pub(crate) fn default_compression(backend: &Uri) -> Compression {
    let host = backend.host().unwrap_or_default().trim_matches(['[', ']']);
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        Compression::None
    } else {
        Compression::Gzip
    }
}
