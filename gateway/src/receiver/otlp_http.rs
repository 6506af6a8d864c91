//! OTLP over HTTP: protobuf and JSON, told apart by the content type.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use wholetrace_proto::{
    json::{self, JsonError},
    translated::Room,
};

use crate::{
    answer::{
        Accepted, AnswerBody, advise_retry, export_response, export_response_json, rpc_status,
        rpc_status_json, text, typed,
    },
    protocol::{Content, Form, Protocol, Translated, content_type, encoding},
    reject::{RejectReason, Rejection},
};

/// The OTLP HTTP receiver.
#[derive(Debug)]
pub(crate) struct OtlpHttp {
    /// Paths that take trace requests.
    pub(crate) paths: Vec<String>,
}

impl Protocol for OtlpHttp {
    fn form(&self, head: &Parts) -> Result<Form, Rejection> {
        if !self.paths.iter().any(|path| path == head.uri.path()) {
            let message = format!(
                "traces are taken at `{}`; gRPC is spoken at the port of `protocols.grpc` (4317 \
                 unless configured)",
                self.paths.join("`, `")
            );
            return Err(Rejection::new(RejectReason::Path, message));
        }
        if head.method != Method::POST {
            return Err(Rejection::new(RejectReason::Method, "traces are sent by POST"));
        }
        let content = match content_type(&head.headers) {
            kind if kind.eq_ignore_ascii_case("application/x-protobuf") => Content::Protobuf,
            kind if kind.eq_ignore_ascii_case("application/json") => Content::Json,
            _ => {
                let message =
                    "the content type must be `application/x-protobuf` or `application/json`";
                return Err(Rejection::new(RejectReason::ContentType, message));
            }
        };
        let encoding = encoding(&head.headers, header::CONTENT_ENCODING.as_str())?;
        Ok(Form { content, encoding })
    }

    fn translate(
        &self,
        form: Form,
        message: Bytes,
        room: &mut dyn Room,
    ) -> Result<Translated, Rejection> {
        match form.content {
            Content::Protobuf => Ok(Translated::as_it_came(message)),
            Content::Json => {
                let translated = json::to_protobuf(&message, room);
                translated.map(Translated::from).map_err(|error| not_json(&error))
            }
        }
    }

    fn accepted(&self, form: Form, accepted: &Accepted) -> Response<AnswerBody> {
        let body = match form.content {
            Content::Protobuf => export_response(accepted).into(),
            Content::Json => export_response_json(accepted),
        };
        typed(StatusCode::OK, kind(form.content), body)
    }

    fn refused(&self, form: Option<Form>, rejection: &Rejection) -> Response<AnswerBody> {
        let status = rejection.reason.http();
        let mut response = match form.map(|form| form.content) {
            Some(Content::Protobuf) => {
                typed(status, kind(Content::Protobuf), rpc_status(rejection))
            }
            Some(Content::Json) => typed(status, kind(Content::Json), rpc_status_json(rejection)),
            None => text(status, rejection.message.to_string()),
        };
        if rejection.reason == RejectReason::Method {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        advise_retry(&mut response, rejection);
        response
    }
}

/// Bare, without parameters: some exporters compare the whole value.
const fn kind(content: Content) -> HeaderValue {
    HeaderValue::from_static(match content {
        Content::Protobuf => "application/x-protobuf",
        Content::Json => "application/json",
    })
}

fn not_json(error: &JsonError) -> Rejection {
    let reason = match error {
        JsonError::Room { .. } => RejectReason::InflatedTooLarge,
        _ => RejectReason::Malformed,
    };
    Rejection::new(reason, error.to_string())
}
