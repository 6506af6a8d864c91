//! Answers of OTLP over HTTP: in the media type of the request.

use http::{Response, StatusCode};

use super::{
    body::{AnswerBody, typed},
    messages::{advise_retry, export_response, export_response_json, rpc_status, rpc_status_json},
};
use crate::{http::media::Media, outcome::Accepted, reject::Rejection};

/// OTLP's response.
pub(super) fn accepted(media: Media, accepted: &Accepted) -> Response<AnswerBody> {
    let body = match media {
        Media::Json => export_response_json(accepted),
        Media::Protobuf | Media::Thrift => export_response(accepted).into(),
    };
    typed(StatusCode::OK, media.header(), body)
}

/// `google.rpc.Status`.
pub(super) fn refused(media: Media, rejection: &Rejection) -> Response<AnswerBody> {
    let body = match media {
        Media::Json => rpc_status_json(rejection),
        Media::Protobuf | Media::Thrift => rpc_status(rejection),
    };
    let mut response = typed(rejection.reason.http(), media.header(), body);
    advise_retry(&mut response, rejection);
    response
}
