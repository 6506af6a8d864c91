//! The Zipkin receiver: its configuration and its table of routes.
//!
//! * Configuration: [`ZipkinConfig`], `receivers.zipkin` (port 9411): v1 and v2, JSON, protobuf and
//!   Thrift, over HTTP and gRPC on one port.
//! * Limits: the largest body (`max_request_body_size`), inflated, of which a translation takes up to
//!   seven times as much of `limits.in_flight`; the tags and annotations of a span (`parts` of the
//!   crate `proto`); what all receivers share, in `limits`.
//! * Metrics, labelled `zipkin`: those of OTLP. Zipkin's answers have no words for spans that were
//!   refused alone, so `wholetrace_gateway_spans_refused_total` is where they show.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_proto::zipkin::REPORT_PATH;
use wholetrace_runtime::tls::ServerTlsConfig;

use crate::{
    config::http::{KeepaliveServerConfig, Transport},
    format::{Format, ZIPKIN_JSON, ZIPKIN_PROTO, ZIPKIN_THRIFT},
    http::{
        answer::AnswerStyle,
        media::Media,
        route::{GrpcRoute, HttpRoute, RouteTable},
    },
    receiver::listener::{Listener, ListenerKind, MessageLimit},
};

/// A Zipkin receiver: spans over HTTP, and over gRPC on the same port.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ZipkinConfig {
    /// Address and port to listen on; port 0 takes a free one. Only this machine reaches a
    /// loopback address.
    pub endpoint: String,
    /// Largest body or gRPC message in bytes, inflated. 1,024 to 1,073,741,824, and at most a
    /// seventh of `limits.in_flight`, to which the default gives way.
    pub max_request_body_size: u64,
    /// Serves TLS with this certificate; without it the listener is not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTlsConfig>,
}

impl Default for ZipkinConfig {
    fn default() -> Self {
        // Half of the others': it grows when it is translated.
        Self { endpoint: "127.0.0.1:9411".to_owned(), max_request_body_size: 32 << 20, tls: None }
    }
}

impl ZipkinConfig {
    /// What it listens on. It is called `name`, and stands at the key `path`.
    pub(crate) fn listeners(&self, name: &str, path: &str) -> Vec<Listener<'_>> {
        vec![Listener {
            name: name.to_owned(),
            path: path.to_owned(),
            kind: ListenerKind::Zipkin,
            transport: Transport::Tcp,
            endpoint: &self.endpoint,
            tls: self.tls.as_ref(),
            message: MessageLimit::body(
                self.max_request_body_size,
                Self::default().max_request_body_size,
            ),
            keepalive: KeepaliveServerConfig::default(),
            cors: None,
            routes: routes(),
            datagrams: None,
            sampling: None,
        }]
    }
}

/// What requests carry, by what they say. Not all say the truth: translators look.
static FORMATS: [(Media, &Format); 3] = [
    (Media::Json, &ZIPKIN_JSON),
    (Media::Protobuf, &ZIPKIN_PROTO),
    (Media::Thrift, &ZIPKIN_THRIFT),
];

fn routes() -> RouteTable {
    RouteTable {
        http: vec![HttpRoute {
            // Which version the spans have shows in them. Some reporters are given the bare address
            // and post to `/`.
            paths: vec!["/api/v2/spans".into(), "/api/v1/spans".into(), "/".into()],
            formats: &FORMATS,
            // Reporters name JSON in many ways, or not at all.
            unnamed: Some(Media::Json),
            style: AnswerStyle::Accepted,
            only_post: "spans are sent by POST",
            only_media: "JSON, protobuf and Thrift are taken here",
        }],
        grpc: vec![GrpcRoute {
            path: REPORT_PATH,
            format: &ZIPKIN_PROTO,
            style: AnswerStyle::GrpcEmpty,
        }],
        elsewhere: "Zipkin spans are taken at `/api/v2/spans` and `/api/v1/spans`".into(),
    }
}
