//! The OTLP receiver: its configuration and its tables of routes.
//!
//! * Configuration: [`OtlpConfig`], `receivers.otlp` with `protocols.grpc` (port 4317) and
//!   `protocols.http` (4318; protobuf and JSON).
//! * Limits: the largest message (`max_recv_msg_size_mib`, `max_request_body_size`), inflated; the age
//!   of connections (`keepalive`); what all receivers share, in `limits`: bytes in flight, connections,
//!   a span, the times that a head and a body may take.
//! * Metrics, labelled `otlp/grpc` and `otlp/http`: requests, their bytes, their time and their spans,
//!   and what was refused of them by reason, `wholetrace_gateway_requests_…`, `…_spans_…` and
//!   `…_connections_…`. OTLP says in its answer which spans were refused alone.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_proto::otlp::EXPORT_PATH;
use wholetrace_runtime::{
    problems::{Problem, Problems, join},
    tls::ServerTlsConfig,
};

use crate::{
    config::http::{CorsConfig, KeepaliveConfig, KeepaliveServerConfig, Transport},
    format::{Format, OTLP_JSON, OTLP_PROTO},
    http::{
        answer::AnswerStyle,
        media::Media,
        route::{GrpcRoute, HttpRoute, RouteTable},
    },
    receiver::{
        listener::{Listener, ListenerKind, MessageLimit},
        named::named,
    },
};

/// An OTLP receiver.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpConfig {
    /// The transports to listen on: `grpc`, `http` or both.
    pub protocols: OtlpProtocols,
}

/// The transports of an OTLP receiver. One that is not named is not listened on; one that is named
/// without settings has the defaults.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpProtocols {
    /// OTLP over gRPC.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub grpc: Option<OtlpGrpcConfig>,
    /// OTLP over HTTP, protobuf and JSON on one port.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub http: Option<OtlpHttpConfig>,
}

/// OTLP over gRPC.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpGrpcConfig {
    /// Address and port to listen on; port 0 takes a free one. Only this machine reaches a
    /// loopback address. With `transport: unix` the path of a socket.
    pub endpoint: String,
    /// How it is reached: `tcp`, or by a Unix socket (`unix`), which only processes of this machine
    /// reach that may write to its file.
    pub transport: Transport,
    /// Largest message in MiB, inflated. 1 to 1,024, and at most a third of `limits.in_flight`, to
    /// which the default gives way. Generous, because SDKs send a message that was too large again and
    /// again or drop it.
    pub max_recv_msg_size_mib: u32,
    /// Serves TLS with this certificate; without it the listener is not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTlsConfig>,
    /// Pings that notice senders that are gone, and the age of connections.
    pub keepalive: KeepaliveConfig,
}

/// OTLP over HTTP.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpHttpConfig {
    /// Address and port to listen on; port 0 takes a free one. Only this machine reaches a
    /// loopback address. With `transport: unix` the path of a socket.
    pub endpoint: String,
    /// How it is reached: `tcp`, or by a Unix socket (`unix`), which only processes of this machine
    /// reach that may write to its file.
    pub transport: Transport,
    /// Largest body in bytes, inflated. 1,024 to 1,073,741,824, and at most a third of
    /// `limits.in_flight`, to which the default gives way.
    pub max_request_body_size: u64,
    /// Path of trace requests.
    pub traces_url_path: String,
    /// Further paths that take trace requests, for senders whose endpoint is used as it stands
    /// (`/` is a usual one), or is put behind a prefix: one that begins with `*/` takes every path
    /// that ends with the rest (`*/v1/traces`).
    pub extra_traces_url_paths: Vec<String>,
    /// Serves TLS with this certificate; without it the listener is not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTlsConfig>,
    /// Lets pages of these origins send from a browser; without it none may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsConfig>,
}

impl Default for OtlpGrpcConfig {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:4317".to_owned(),
            transport: Transport::Tcp,
            max_recv_msg_size_mib: 64,
            tls: None,
            keepalive: KeepaliveConfig::default(),
        }
    }
}

impl Default for OtlpHttpConfig {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:4318".to_owned(),
            transport: Transport::Tcp,
            max_request_body_size: 64 << 20,
            traces_url_path: "/v1/traces".to_owned(),
            extra_traces_url_paths: Vec::new(),
            tls: None,
            cors: None,
        }
    }
}

impl OtlpConfig {
    /// A receiver that listens for both protocols, on their usual ports of the loopback interface.
    pub(crate) fn usual() -> Self {
        let grpc = Some(OtlpGrpcConfig::default());
        Self { protocols: OtlpProtocols { grpc, http: Some(OtlpHttpConfig::default()) } }
    }

    /// What it listens on. It is called `name`, and stands at the key `path`.
    pub(crate) fn listeners(&self, name: &str, path: &str) -> Vec<Listener<'_>> {
        let OtlpProtocols { grpc, http } = &self.protocols;
        let grpc = grpc.as_ref().map(|grpc| Listener {
            name: format!("{name}/grpc"),
            path: join(path, "protocols.grpc"),
            kind: ListenerKind::OtlpGrpc,
            transport: grpc.transport,
            endpoint: &grpc.endpoint,
            tls: grpc.tls.as_ref(),
            message: MessageLimit::grpc(
                grpc.max_recv_msg_size_mib,
                OtlpGrpcConfig::default().max_recv_msg_size_mib,
            ),
            keepalive: grpc.keepalive.server_parameters.clone(),
            cors: None,
            routes: grpc_routes(),
            datagrams: None,
            sampling: None,
        });
        let http = http.as_ref().map(|http| Listener {
            name: format!("{name}/http"),
            path: join(path, "protocols.http"),
            kind: ListenerKind::OtlpHttp,
            transport: http.transport,
            endpoint: &http.endpoint,
            tls: http.tls.as_ref(),
            message: MessageLimit::body(
                http.max_request_body_size,
                OtlpHttpConfig::default().max_request_body_size,
            ),
            keepalive: KeepaliveServerConfig::default(),
            cors: http.cors.as_ref(),
            routes: http_routes(http),
            datagrams: None,
            sampling: None,
        });
        grpc.into_iter().chain(http).collect()
    }

    /// Adds everything that is wrong with it to `problems`, beside its listeners; `path` is where it
    /// stands.
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) {
        let path = join(path, "protocols");
        if self.protocols.grpc.is_none() && self.protocols.http.is_none() {
            let problem = Problem::new(path.as_str(), "no protocol is named");
            problems.push_error(problem.hint("name `grpc`, `http` or both below it"));
        }
        if let Some(http) = &self.protocols.http {
            http.check(&join(&path, "http"), problems);
        }
    }
}

/// Key of the further paths.
const EXTRA_PATHS: &str = "extra_traces_url_paths";

impl OtlpHttpConfig {
    /// Paths that take trace requests, with the key of each.
    fn paths(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let extra = self.extra_traces_url_paths.iter().map(|url| (EXTRA_PATHS, url));
        [("traces_url_path", &self.traces_url_path)].into_iter().chain(extra)
    }

    fn check(&self, path: &str, problems: &mut Problems) {
        let is_path = |key: &str, url: &str| {
            let any_prefix = url.strip_prefix('*').filter(|_| key == EXTRA_PATHS);
            any_prefix.unwrap_or(url).starts_with('/')
        };
        for (key, url) in self.paths().filter(|(key, url)| !is_path(key, url)) {
            let problem = Problem::new(join(path, key), "must begin with a slash").value(url);
            problems.push_error(problem.hint("write it as in `/v1/traces`"));
        }
    }
}

/// What requests over HTTP carry.
static HTTP_FORMATS: [(Media, &Format); 2] =
    [(Media::Protobuf, &OTLP_PROTO), (Media::Json, &OTLP_JSON)];

fn http_routes(config: &OtlpHttpConfig) -> RouteTable {
    let paths: Vec<Cow<'static, str>> =
        config.paths().map(|(_, path)| path.clone().into()).collect();
    let elsewhere = format!(
        "traces are taken at `{}`; gRPC is spoken at the port of `protocols.grpc` (4317 unless \
         configured)",
        paths.join("`, `")
    );
    RouteTable {
        http: vec![HttpRoute {
            paths,
            formats: &HTTP_FORMATS,
            unnamed: None,
            style: AnswerStyle::OtlpHttp,
            only_post: "traces are sent by POST",
            only_media: "the content type must be `application/x-protobuf` or `application/json`",
        }],
        grpc: Vec::new(),
        elsewhere: elsewhere.into(),
    }
}

fn grpc_routes() -> RouteTable {
    RouteTable {
        http: Vec::new(),
        grpc: vec![GrpcRoute { path: EXPORT_PATH, format: &OTLP_PROTO, style: AnswerStyle::Grpc }],
        elsewhere: "this port speaks gRPC, and the content type of a gRPC call is \
                    `application/grpc`: send OTLP/HTTP to the port of `protocols.http` (4318 \
                    unless configured)"
            .into(),
    }
}
