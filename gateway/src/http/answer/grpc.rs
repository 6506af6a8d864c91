//! Answers of gRPC.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};

use super::{body::AnswerBody, messages::grpc_status};
use crate::{
    http::grpc::framed,
    reject::{RejectReason, Rejection},
};

/// The one message `message` and status 0.
pub(super) fn accepted(message: &[u8]) -> Response<AnswerBody> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    typed(AnswerBody::with_trailers(framed(message), trailers))
}

/// The message `message` now, and what `later` gives: framed messages, and the trailers.
pub(super) fn stream(
    message: &[u8],
    later: impl Future<Output = (Bytes, HeaderMap)> + Send + 'static,
) -> Response<AnswerBody> {
    typed(AnswerBody::stream(framed(message), later))
}

fn typed(body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The status without a message.
pub(super) fn refused(rejection: &Rejection) -> Response<AnswerBody> {
    let mut response: Response<AnswerBody> = grpc_status(rejection).into_http();
    if rejection.reason == RejectReason::Encoding {
        let known = HeaderValue::from_static("identity,gzip,zstd,deflate");
        response.headers_mut().insert("grpc-accept-encoding", known);
    }
    response
}
