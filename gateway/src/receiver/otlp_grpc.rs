//! OTLP over gRPC: `TraceService/Export`.
//!
//! The message is not decoded, and gRPC's five bytes in front of it are read here, because a
//! codec would inflate it outside of the byte budget.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Response, header, request::Parts};
use wholetrace_proto::{otlp::EXPORT_PATH, translated::Room};

use crate::{
    answer::{Accepted, AnswerBody, export_response, grpc_status, text},
    inflate::Encoding,
    protocol::{Content, Form, Protocol, Translated, content_type, encoding},
    reject::{RejectReason, Rejection},
};

/// Whether compressed, and the length of the message.
pub(crate) const PREFIX_BYTES: usize = 5;

/// The OTLP gRPC receiver.
#[derive(Debug)]
pub(crate) struct OtlpGrpc;

impl Protocol for OtlpGrpc {
    fn form(&self, head: &Parts) -> Result<Form, Rejection> {
        if head.method != Method::POST {
            let message = "gRPC calls are POST requests over HTTP/2";
            return Err(Rejection::new(RejectReason::Method, message));
        }
        let kind = content_type(&head.headers);
        if kind != "application/grpc" && kind != "application/grpc+proto" {
            let message = "this port speaks gRPC, and the content type of a gRPC call is \
                           `application/grpc`: send OTLP/HTTP to the port of `protocols.http` \
                           (4318 unless configured)";
            return Err(Rejection::new(RejectReason::ContentType, message));
        }
        if head.uri.path() != EXPORT_PATH {
            let message = format!("only `{EXPORT_PATH}` is served here");
            return Err(Rejection::new(RejectReason::Path, message));
        }
        let encoding = encoding(&head.headers, "grpc-encoding")?;
        Ok(Form { content: Content::Protobuf, encoding })
    }

    fn expect(&self, first: &[u8]) -> Option<usize> {
        prefix(first).map(|(_, length)| length.saturating_add(PREFIX_BYTES))
    }

    fn message(&self, form: Form, mut body: Bytes) -> Result<(Encoding, Bytes), Rejection> {
        let malformed = |message| Rejection::new(RejectReason::Malformed, message);
        let (compressed, length) =
            prefix(&body).ok_or_else(|| malformed("the call holds no message"))?;
        let message = body.split_off(PREFIX_BYTES);
        if message.len() < length {
            return Err(malformed("the message is shorter than its prefix says"));
        }
        if message.len() > length {
            return Err(malformed("the call has more bytes than its message: send one message"));
        }
        match (compressed, form.encoding) {
            (0, _) => Ok((Encoding::Identity, message)),
            (1, Encoding::Identity) => {
                Err(malformed("the message is compressed, and no `grpc-encoding` says how"))
            }
            (1, encoding) => Ok((encoding, message)),
            _ => Err(malformed("the first byte of the message prefix must be 0 or 1")),
        }
    }

    fn translate(&self, _: Form, otlp: Bytes, _: &mut dyn Room) -> Result<Translated, Rejection> {
        Ok(Translated::as_it_came(otlp))
    }

    fn accepted(&self, _: Form, accepted: &Accepted) -> Response<AnswerBody> {
        let message = export_response(accepted);
        let mut data = BytesMut::with_capacity(PREFIX_BYTES + message.len());
        data.put_u8(0);
        data.put_u32(u32::try_from(message.len()).unwrap_or(0));
        data.extend_from_slice(&message);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let mut response = Response::new(AnswerBody::with_trailers(data.freeze(), trailers));
        let kind = HeaderValue::from_static("application/grpc");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }

    fn refused(&self, form: Option<Form>, rejection: &Rejection) -> Response<AnswerBody> {
        let no_call = matches!(rejection.reason, RejectReason::Method | RejectReason::ContentType);
        if form.is_none() && no_call {
            // The HTTP status of an answer in gRPC is 200, which any other sender takes for success.
            return text(rejection.reason.http(), rejection.message.to_string());
        }
        let mut response: Response<AnswerBody> = grpc_status(rejection).into_http();
        if rejection.reason == RejectReason::Encoding {
            let known = HeaderValue::from_static("identity,gzip,zstd,deflate");
            response.headers_mut().insert("grpc-accept-encoding", known);
        }
        response
    }
}

/// The compression flag and the message length that `body` starts with.
fn prefix(body: &[u8]) -> Option<(u8, usize)> {
    match body {
        [flag, a, b, c, d, ..] => Some((*flag, u32::from_be_bytes([*a, *b, *c, *d]) as usize)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form { content: Content::Protobuf, encoding: Encoding::Gzip };

    #[test]
    fn one_message_is_taken_as_its_flag_says() {
        let plain = OtlpGrpc.message(FORM, Bytes::from_static(b"\0\0\0\0\x02ab")).unwrap();
        assert_eq!(plain, (Encoding::Identity, Bytes::from_static(b"ab")));
        let gzip = OtlpGrpc.message(FORM, Bytes::from_static(b"\x01\0\0\0\x02ab")).unwrap();
        assert_eq!(gzip, (Encoding::Gzip, Bytes::from_static(b"ab")));
    }

    #[test]
    fn anything_but_one_whole_message_is_malformed() {
        let identity = Form { encoding: Encoding::Identity, ..FORM };
        for (form, body) in [
            (FORM, &b""[..]),
            (FORM, b"\0\0\0\0"),
            (FORM, b"\0\0\0\0\x03ab"),
            (FORM, b"\0\0\0\0\x01ab"),
            (FORM, b"\x02\0\0\0\x02ab"),
            (identity, b"\x01\0\0\0\x02ab"),
        ] {
            let refused = OtlpGrpc.message(form, Bytes::copy_from_slice(body)).unwrap_err();
            assert_eq!(refused.reason, RejectReason::Malformed, "{body:?}");
        }
    }
}
