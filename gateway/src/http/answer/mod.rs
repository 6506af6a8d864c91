//! How senders are answered: four styles, whatever is served at a route.

pub(crate) mod body;
mod grpc;
mod messages;
mod otlp_http;
mod text;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use tonic::Status;

use self::{body::AnswerBody, messages::export_response};
use crate::{
    http::media::{Media, content_type},
    outcome::Accepted,
    reject::{RejectReason, Rejection},
    remote_sampling::strategies::Answer,
};

/// A style of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerStyle {
    /// OTLP over HTTP: OTLP's response or `google.rpc.Status`, in the media type of the request.
    OtlpHttp,
    /// gRPC: OTLP's response, and a status in the trailers.
    Grpc,
    /// gRPC: a response without fields, and a status in the trailers.
    GrpcEmpty,
    /// 202 without a body, or a refusal as text.
    Accepted,
}

impl AnswerStyle {
    /// The answer to a request in `media` that was served.
    pub(crate) fn accepted(self, media: Media, accepted: &Accepted) -> Response<AnswerBody> {
        match self {
            Self::OtlpHttp => otlp_http::accepted(media, accepted),
            Self::Grpc => grpc::accepted(&export_response(accepted)),
            Self::GrpcEmpty => grpc::accepted(&[]),
            Self::Accepted => text::accepted(),
        }
    }

    /// The answer to a request in `media` that was refused.
    pub(crate) fn refused(self, media: Media, rejection: &Rejection) -> Response<AnswerBody> {
        match self {
            Self::OtlpHttp => otlp_http::refused(media, rejection),
            Self::Grpc | Self::GrpcEmpty => grpc::refused(rejection),
            Self::Accepted => text::refused(rejection),
        }
    }

    /// What a sender is told of whose spans none was taken; `None` where that is an answer as to any
    /// other request that was served.
    pub(crate) fn nothing_taken(self, accepted: &Accepted) -> Option<Rejection> {
        match self {
            Self::OtlpHttp | Self::Grpc => None,
            // The answer has no place for it: the sender is told what it does wrong by a refusal.
            Self::GrpcEmpty | Self::Accepted => {
                Some(Rejection::new(RejectReason::Malformed, accepted.refused_text()))
            }
        }
    }

    /// Whether requests and answers have the framing of gRPC.
    pub(crate) const fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcEmpty)
    }
}

/// Whether who sent these headers speaks gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    content_type(headers).starts_with("application/grpc")
}

/// The answer to a question of Jaeger's clients, over gRPC or HTTP.
pub(crate) fn strategy(answer: &Answer, is_grpc: bool) -> Response<AnswerBody> {
    if is_grpc {
        grpc::accepted(&answer.protobuf())
    } else {
        body::typed(StatusCode::OK, Media::Json.header(), answer.json().into())
    }
}

/// The answer `message` over gRPC.
pub(crate) fn message(message: &[u8]) -> Response<AnswerBody> {
    grpc::accepted(message)
}

/// The answer `message` over gRPC, and what `later` gives: framed messages, and the trailers.
pub(crate) fn stream(
    message: &[u8],
    later: impl Future<Output = (Bytes, HeaderMap)> + Send + 'static,
) -> Response<AnswerBody> {
    grpc::stream(message, later)
}

/// The answer over gRPC that is a status alone.
pub(crate) fn status(status: Status) -> Response<AnswerBody> {
    status.into_http()
}

/// The answer to a request for which there is no route. At the port of another protocol too, who
/// speaks gRPC understands only that.
pub(crate) fn unrouted(headers: &HeaderMap, rejection: &Rejection) -> Response<AnswerBody> {
    if is_grpc(headers) {
        grpc::refused(rejection)
    } else {
        // The HTTP status of an answer in gRPC is 200, which any other sender takes for success.
        text::refused(rejection)
    }
}
