//! How senders are answered: three styles, whatever is served at a route.

pub(crate) mod body;
mod grpc;
mod messages;
mod otlp_http;
mod text;

use http::{HeaderMap, Response};

use self::body::AnswerBody;
use crate::{
    http::media::{Media, content_type},
    outcome::Accepted,
    reject::Rejection,
};

/// A style of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerStyle {
    /// OTLP over HTTP: OTLP's response or `google.rpc.Status`, in the media type of the request.
    OtlpHttp,
    /// gRPC: OTLP's response, and a status in the trailers.
    Grpc,
    /// 202 without a body, or a refusal as text.
    Accepted,
}

impl AnswerStyle {
    /// The answer to a request in `media` that was served.
    pub(crate) fn accepted(self, media: Media, accepted: &Accepted) -> Response<AnswerBody> {
        match self {
            Self::OtlpHttp => otlp_http::accepted(media, accepted),
            Self::Grpc => grpc::accepted(accepted),
            Self::Accepted => text::accepted(),
        }
    }

    /// The answer to a request in `media` that was refused.
    pub(crate) fn refused(self, media: Media, rejection: &Rejection) -> Response<AnswerBody> {
        match self {
            Self::OtlpHttp => otlp_http::refused(media, rejection),
            Self::Grpc => grpc::refused(rejection),
            Self::Accepted => text::refused(rejection),
        }
    }

    /// What a sender is told of whose spans none was taken; `None` where that is an answer as to any
    /// other request that was served.
    pub(crate) fn nothing_taken(self, accepted: &Accepted) -> Option<Rejection> {
        match self {
            Self::OtlpHttp | Self::Grpc => None,
            Self::Accepted => Some(text::nothing_taken(accepted)),
        }
    }
}

/// The answer to a request for which there is no route. At the port of another protocol too, who
/// speaks gRPC understands only that.
pub(crate) fn unrouted(headers: &HeaderMap, rejection: &Rejection) -> Response<AnswerBody> {
    if content_type(headers).starts_with("application/grpc") {
        grpc::refused(rejection)
    } else {
        // The HTTP status of an answer in gRPC is 200, which any other sender takes for success.
        text::refused(rejection)
    }
}
