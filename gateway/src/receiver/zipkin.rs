//! The Zipkin receiver: v2 JSON over HTTP.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_proto::{
    json::JsonError,
    translated::Room,
    zipkin::{ZipkinError, v2},
};
use wholetrace_runtime::tls::ServerTlsConfig;

use crate::{
    answer::{Accepted, AnswerBody, advise_retry, text},
    config::http::KeepaliveServerConfig,
    protocol::{Content, Form, Protocol, Translated, encoding},
    receiver::listener::{Listener, ListenerKind, MessageLimit},
    reject::{RejectReason, Rejection},
};

/// A Zipkin receiver.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ZipkinConfig {
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
            endpoint: &self.endpoint,
            tls: self.tls.as_ref(),
            message: MessageLimit::body(
                self.max_request_body_size,
                Self::default().max_request_body_size,
            ),
            keepalive: KeepaliveServerConfig::default(),
            cors: None,
            paths: Vec::new(),
        }]
    }
}

/// Where reporters post. Some are given the bare address and post to `/`.
const PATHS: [&str; 2] = ["/api/v2/spans", "/"];

/// The Zipkin receiver.
#[derive(Debug)]
pub(crate) struct Zipkin;

impl Protocol for Zipkin {
    fn form(&self, head: &Parts) -> Result<Form, Rejection> {
        if !PATHS.contains(&head.uri.path()) {
            let message = "Zipkin v2 spans are taken at `/api/v2/spans`";
            return Err(Rejection::new(RejectReason::Path, message));
        }
        if head.method != Method::POST {
            return Err(Rejection::new(RejectReason::Method, "spans are sent by POST"));
        }
        // Reporters name JSON in many ways, or not at all: only what is known to be something
        // else is refused.
        let kind = crate::protocol::content_type(&head.headers);
        if ["application/x-protobuf", "application/x-thrift"]
            .iter()
            .any(|other| kind.eq_ignore_ascii_case(other))
        {
            let message = "only JSON is taken here: set the reporter's encoding to JSON";
            return Err(Rejection::new(RejectReason::ContentType, message));
        }
        let encoding = encoding(&head.headers, header::CONTENT_ENCODING.as_str())?;
        Ok(Form { content: Content::Json, encoding })
    }

    fn translate(
        &self,
        _: Form,
        message: Bytes,
        room: &mut dyn Room,
    ) -> Result<Translated, Rejection> {
        v2::to_protobuf(&message, room).map(Translated::from).map_err(|error| not_zipkin(&error))
    }

    /// Zipkin refuses the request for one bad span. That is right where there is no good one: the
    /// reporter is told what it does wrong.
    fn nothing_taken(&self, accepted: &Accepted) -> Option<Rejection> {
        Some(Rejection::new(RejectReason::Malformed, accepted.refused_text()))
    }

    /// Some spans that were left out are counted, not told: a reporter has no use for it, and some
    /// take any other answer than 202 for a reason to send all of it again.
    fn accepted(&self, _: Form, _: &Accepted) -> Response<AnswerBody> {
        let mut response = Response::new(AnswerBody::default());
        *response.status_mut() = StatusCode::ACCEPTED;
        response
    }

    fn refused(&self, _: Option<Form>, rejection: &Rejection) -> Response<AnswerBody> {
        let mut response = text(rejection.reason.http(), rejection.message.to_string());
        if rejection.reason == RejectReason::Method {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        advise_retry(&mut response, rejection);
        response
    }
}

fn not_zipkin(error: &ZipkinError) -> Rejection {
    let reason = match error {
        ZipkinError::Json(JsonError::Room { .. }) => RejectReason::InflatedTooLarge,
        _ => RejectReason::Malformed,
    };
    Rejection::new(reason, error.to_string())
}
