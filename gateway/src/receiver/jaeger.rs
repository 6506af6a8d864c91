//! The Jaeger receiver: its configuration and its tables of routes.
//!
//! * Configuration: [`JaegerConfig`], `receivers.jaeger` with `protocols.grpc` (port 14250) and
//!   `protocols.thrift_http` (14268); datagrams and remote sampling have modules of their own. What is
//!   not named is not listened for.
//! * Limits: the largest message (`max_recv_msg_size_mib`, `max_request_body_size`), inflated, of which
//!   a translation takes several times as much of `limits.in_flight`; the tags, logs and references of
//!   a span (`parts` of the crate `proto`); what all receivers share, in `limits`.
//! * Metrics, labelled `jaeger/grpc` and `jaeger/thrift_http`: those of OTLP. Jaeger's answers have no
//!   words for spans that were refused alone, so `wholetrace_gateway_spans_refused_total` is where they
//!   show.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_proto::jaeger::api_v2::POST_SPANS_PATH;
use wholetrace_runtime::{
    problems::{Problem, Problems, join},
    tls::ServerTlsConfig,
};

use crate::{
    config::http::{KeepaliveConfig, KeepaliveServerConfig, Transport},
    format::{Format, JAEGER_BATCH_PROTO, JAEGER_BATCH_THRIFT},
    http::{
        answer::AnswerStyle,
        media::Media,
        route::{GrpcRoute, HttpRoute, RouteTable},
    },
    receiver::{
        jaeger_agent::{JaegerBinaryConfig, JaegerCompactConfig},
        jaeger_sampling::JaegerSamplingConfig,
        listener::{Listener, ListenerKind, MessageLimit, SamplingPlace},
        named::named,
    },
};

/// A Jaeger receiver, for agents and clients of Jaeger before it took OTLP.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JaegerConfig {
    /// The protocols to listen for: `grpc`, `thrift_http`, `thrift_compact`, `thrift_binary`.
    pub protocols: JaegerProtocols,
    /// Tells clients with which probability they are to begin traces; without it, none is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_sampling: Option<JaegerSamplingConfig>,
}

/// The protocols of a Jaeger receiver. One that is not named is not listened for; one that is named
/// without settings has the defaults.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JaegerProtocols {
    /// Batches in protobuf over gRPC, as Jaeger's agent sends them.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub grpc: Option<JaegerGrpcConfig>,
    /// Batches in Thrift over HTTP, as clients send them past the agent.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub thrift_http: Option<JaegerThriftHttpConfig>,
    /// Batches in Thrift's compact protocol over UDP, as most clients send them to the agent.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub thrift_compact: Option<JaegerCompactConfig>,
    /// Batches in Thrift's binary protocol over UDP, as clients for Node.js send them to the agent.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub thrift_binary: Option<JaegerBinaryConfig>,
}

/// Jaeger's batches over gRPC.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JaegerGrpcConfig {
    /// Address and port to listen on; port 0 takes a free one. Only this machine reaches a
    /// loopback address.
    pub endpoint: String,
    /// Largest message in MiB, inflated. 1 to 1,024, and at most a seventh of `limits.in_flight`, to
    /// which the default gives way.
    pub max_recv_msg_size_mib: u32,
    /// Serves TLS with this certificate; without it the listener is not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTlsConfig>,
    /// Pings that notice senders that are gone, and the age of connections.
    pub keepalive: KeepaliveConfig,
}

/// Jaeger's batches over HTTP, at `/api/traces`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JaegerThriftHttpConfig {
    /// Address and port to listen on; port 0 takes a free one. Only this machine reaches a
    /// loopback address.
    pub endpoint: String,
    /// Largest body in bytes, inflated. 1,024 to 1,073,741,824, and at most a seventh of
    /// `limits.in_flight`, to which the default gives way.
    pub max_request_body_size: u64,
    /// Serves TLS with this certificate; without it the listener is not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTlsConfig>,
}

impl Default for JaegerThriftHttpConfig {
    fn default() -> Self {
        let endpoint = "127.0.0.1:14268".to_owned();
        Self { endpoint, max_request_body_size: 32 << 20, tls: None }
    }
}

impl Default for JaegerGrpcConfig {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:14250".to_owned(),
            max_recv_msg_size_mib: 32,
            tls: None,
            keepalive: KeepaliveConfig::default(),
        }
    }
}

impl JaegerConfig {
    /// What it listens on. It is called `name`, and stands at the key `path`.
    pub(crate) fn listeners(&self, name: &str, path: &str) -> Vec<Listener<'_>> {
        let JaegerProtocols { grpc, thrift_http, thrift_compact, thrift_binary } = &self.protocols;
        let grpc = grpc.as_ref().map(|grpc| Listener {
            name: format!("{name}/grpc"),
            path: join(path, "protocols.grpc"),
            kind: ListenerKind::JaegerGrpc,
            transport: Transport::Tcp,
            endpoint: &grpc.endpoint,
            tls: grpc.tls.as_ref(),
            message: MessageLimit::grpc(
                grpc.max_recv_msg_size_mib,
                JaegerGrpcConfig::default().max_recv_msg_size_mib,
            ),
            keepalive: grpc.keepalive.server_parameters.clone(),
            cors: None,
            routes: grpc_routes(),
            datagrams: None,
            sampling: self.sampling(&[]),
        });
        let thrift_http = thrift_http.as_ref().map(|http| Listener {
            name: format!("{name}/thrift_http"),
            path: join(path, "protocols.thrift_http"),
            kind: ListenerKind::JaegerThriftHttp,
            transport: Transport::Tcp,
            endpoint: &http.endpoint,
            tls: http.tls.as_ref(),
            message: MessageLimit::body(
                http.max_request_body_size,
                JaegerThriftHttpConfig::default().max_request_body_size,
            ),
            keepalive: KeepaliveServerConfig::default(),
            cors: None,
            routes: thrift_http_routes(),
            datagrams: None,
            sampling: self.sampling(&["/api/sampling"]),
        });
        let compact = thrift_compact.as_ref().map(|compact| compact.listener(name, path));
        let binary = thrift_binary.as_ref().map(|binary| binary.listener(name, path));
        let sampling = self.remote_sampling.as_ref().map(|sampling| sampling.listener(name, path));
        grpc.into_iter().chain(thrift_http).chain(compact).chain(binary).chain(sampling).collect()
    }

    /// What a listener answers that has other things to do, over HTTP at these paths.
    fn sampling(&self, paths: &'static [&'static str]) -> Option<SamplingPlace<'_>> {
        let sampling = self.remote_sampling.as_ref()?;
        Some(SamplingPlace { file: &sampling.strategy_file, paths: Some(paths) })
    }

    /// Adds everything that is wrong with it to `problems`, beside its listeners; `path` is where it
    /// stands.
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) {
        if let Some(sampling) = &self.remote_sampling {
            sampling.check(&join(path, "remote_sampling"), problems);
        }
        if self.listeners("", "").is_empty() {
            let problem = Problem::new(join(path, "protocols"), "no protocol is named");
            let hint = "name `grpc`, `thrift_http`, `thrift_compact` or `thrift_binary` below it";
            problems.push_error(problem.hint(hint));
        }
    }
}

fn grpc_routes() -> RouteTable {
    RouteTable {
        http: Vec::new(),
        grpc: vec![GrpcRoute {
            path: POST_SPANS_PATH,
            format: &JAEGER_BATCH_PROTO,
            style: AnswerStyle::GrpcEmpty,
        }],
        elsewhere: "this port speaks Jaeger's gRPC, and the content type of a gRPC call is \
                    `application/grpc`"
            .into(),
    }
}

/// What requests over HTTP carry.
static HTTP_FORMATS: [(Media, &Format); 1] = [(Media::Thrift, &JAEGER_BATCH_THRIFT)];

fn thrift_http_routes() -> RouteTable {
    RouteTable {
        http: vec![HttpRoute {
            paths: vec!["/api/traces".into()],
            formats: &HTTP_FORMATS,
            // There is nothing else to send: only what is known to be something else is refused.
            unnamed: Some(Media::Thrift),
            style: AnswerStyle::Accepted,
            only_post: "batches are sent by POST",
            only_media: "the content type must be `application/x-thrift`: Jaeger's batches in \
                         Thrift's binary protocol are taken here",
        }],
        grpc: Vec::new(),
        elsewhere: "Jaeger's batches are taken at `/api/traces`".into(),
    }
}
