//! The messages that answers carry: OTLP's responses, and `google.rpc.Status`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use prost::Message;
use tonic::{Status, metadata::MetadataValue};
use tonic_types::{ErrorDetails, StatusExt};
use wholetrace_proto::{
    otlp::numbers::{export_trace_partial_success, export_trace_service_response},
    wire::{put_bytes, put_uint},
};

use crate::{
    http::answer::body::AnswerBody,
    outcome::Accepted,
    reject::{RejectReason, Rejection},
};

/// Adds `Retry-After` where the same request may succeed later, and what a 401 must say (RFC 9110,
/// section 15.5.2).
pub(crate) fn advise_retry(response: &mut Response<AnswerBody>, rejection: &Rejection) {
    if rejection.reason == RejectReason::Unauthenticated {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    if let Some(seconds) = rejection.advice_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// The gRPC status of a refused request. Retry advice stands where the specification wants it, in
/// `grpc-status-details-bin`, and where some SDKs look for it instead, in
/// `google.rpc.retryinfo-bin`.
pub(crate) fn grpc_status(rejection: &Rejection) -> Status {
    let (code, message) = (rejection.reason.grpc(), rejection.message.as_ref());
    let Some(wait) = rejection.advice() else {
        return Status::new(code, message);
    };
    let details = ErrorDetails::with_retry_info(Some(wait));
    let mut status = Status::with_error_details(code, message, details);
    let info = MetadataValue::from_bytes(&retry_info(wait));
    status.metadata_mut().insert_bin("google.rpc.retryinfo-bin", info);
    status
}

/// `google.rpc.RetryInfo`.
fn retry_info(wait: Duration) -> Vec<u8> {
    let mut delay = Vec::new();
    put_uint(&mut delay, 1, wait.as_secs());
    put_uint(&mut delay, 2, u64::from(wait.subsec_nanos()));
    let mut info = Vec::new();
    put_bytes(&mut info, 1, &delay);
    info
}

/// The refusal as `google.rpc.Status`, in protobuf.
pub(crate) fn rpc_status(rejection: &Rejection) -> Bytes {
    let status = grpc_status(rejection);
    if !status.details().is_empty() {
        // The details of a gRPC status are a whole `google.rpc.Status`.
        return Bytes::copy_from_slice(status.details());
    }
    let code = i32::from(status.code());
    let message = status.message().to_owned();
    tonic_types::Status { code, message, details: Vec::new() }.encode_to_vec().into()
}

/// The refusal as `google.rpc.Status`, in JSON.
pub(crate) fn rpc_status_json(rejection: &Rejection) -> Bytes {
    let mut status = serde_json::json!({
        "code": i32::from(rejection.reason.grpc()),
        "message": rejection.message,
    });
    if let (Some(wait), Some(status)) = (rejection.advice(), status.as_object_mut()) {
        let info = serde_json::json!([{
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{}.{:03}s", wait.as_secs(), wait.subsec_millis()),
        }]);
        status.insert("details".to_owned(), info);
    }
    status.to_string().into()
}

/// `ExportTraceServiceResponse` in protobuf: empty unless spans were left out.
pub(crate) fn export_response(accepted: &Accepted) -> Vec<u8> {
    let mut response = Vec::new();
    if accepted.rejects.total() > 0 {
        let mut partial = Vec::new();
        let rejected = u64::from(accepted.rejects.total());
        put_uint(&mut partial, export_trace_partial_success::REJECTED_SPANS, rejected);
        let message = accepted.refused_text();
        put_bytes(&mut partial, export_trace_partial_success::ERROR_MESSAGE, message.as_bytes());
        put_bytes(&mut response, export_trace_service_response::PARTIAL_SUCCESS, &partial);
    }
    response
}

/// `ExportTraceServiceResponse` in JSON.
pub(crate) fn export_response_json(accepted: &Accepted) -> Bytes {
    if accepted.rejects.total() == 0 {
        return Bytes::from_static(b"{}");
    }
    let response = serde_json::json!({
        "partialSuccess": {
            "rejectedSpans": accepted.rejects.total().to_string(),
            "errorMessage": accepted.refused_text(),
        }
    });
    response.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both places that SDKs look at say the same delay.
    #[test]
    fn retry_advice_decodes_as_google_rpc() {
        let rejection = Rejection::new(RejectReason::LogDisk, "full");
        let status = grpc_status(&rejection);
        let wait = rejection.advice().unwrap();
        assert!((10..=15).contains(&wait.as_secs()), "{wait:?}");
        let advice = status.get_details_retry_info().and_then(|info| info.retry_delay);
        assert_eq!(advice, Some(wait));
        let raw = status.metadata().get_bin("google.rpc.retryinfo-bin").unwrap();
        assert_eq!(raw.to_bytes().unwrap(), retry_info(wait));
        let body = tonic_types::Status::decode(rpc_status(&rejection)).unwrap();
        assert_eq!((body.code, body.message.as_str(), body.details.len()), (14, "full", 1));
        assert_eq!(body.details[0].value, retry_info(wait));
    }

    #[test]
    fn what_can_never_fit_carries_no_advice() {
        let rejection = Rejection::new(RejectReason::BodyTooLarge, "large");
        assert!(grpc_status(&rejection).details().is_empty());
        let body = tonic_types::Status::decode(rpc_status(&rejection)).unwrap();
        assert_eq!(body.code, 8);
        let mut response = Response::new(AnswerBody::default());
        advise_retry(&mut response, &rejection);
        assert!(response.headers().get(header::RETRY_AFTER).is_none());
    }
}
