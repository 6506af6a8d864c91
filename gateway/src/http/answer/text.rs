//! Answers for senders who look at the status alone: 202, or a sentence for a person.

use http::{HeaderValue, Response, StatusCode, header};

use super::{
    body::{AnswerBody, typed},
    messages::advise_retry,
};
use crate::reject::{RejectReason, Rejection};

/// 202, whatever was left out. That is counted, not told: a reporter has no use for it, and some take
/// any other answer than 202 for a reason to send all of it again.
pub(super) fn accepted() -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::default());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// What is wrong, as text.
pub(super) fn refused(rejection: &Rejection) -> Response<AnswerBody> {
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    let mut response = typed(rejection.reason.http(), kind, rejection.message.to_string().into());
    if rejection.reason == RejectReason::Method {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    advise_retry(&mut response, rejection);
    response
}
