//! What a receiver has to say about its protocol; everything else is the same for all.

use bytes::Bytes;
use http::{Response, header::HeaderMap, request::Parts};
use wholetrace_proto::translated::{self, Room};

use crate::{
    answer::{Accepted, AnswerBody},
    inflate::Encoding,
    reject::{RejectReason, Rejection, SpanRejects},
};

/// What the head of a request says about its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// How it is written.
    pub(crate) content: Content,
    /// How it is compressed: the body, or the message inside it where there are messages.
    pub(crate) encoding: Encoding,
}

/// How spans are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Protobuf.
    Protobuf,
    /// JSON.
    Json,
}

/// A request translated to OTLP.
#[derive(Debug, Default)]
pub(crate) struct Translated {
    /// An OTLP export request in protobuf.
    pub(crate) otlp: Bytes,
    /// Spans that could not be translated.
    pub(crate) rejects: SpanRejects,
    /// What was wrong with the first of them.
    pub(crate) first: Option<String>,
}

impl Translated {
    /// A request that came as OTLP in protobuf.
    pub(crate) fn as_it_came(otlp: Bytes) -> Self {
        Self { otlp, ..Self::default() }
    }
}

impl From<translated::Translated> for Translated {
    fn from(from: translated::Translated) -> Self {
        let mut rejects = SpanRejects::default();
        for (reject, spans) in from.rejected.by_reason() {
            rejects.add(reject.into(), u32::try_from(spans).unwrap_or(u32::MAX));
        }
        let first = from.rejected.first().map(ToString::to_string);
        Self { otlp: from.bytes.into(), rejects, first }
    }
}

/// A protocol by which spans come.
pub(crate) trait Protocol: Send + Sync + 'static {
    /// Whether `head` is a request of this protocol, and what its body is. Called before anything
    /// of the body is read.
    ///
    /// # Errors
    /// A wrong path, method, content type or encoding.
    fn form(&self, head: &Parts) -> Result<Form, Rejection>;

    /// How many bytes the body will have that starts with `first`, where it tells.
    fn expect(&self, first: &[u8]) -> Option<usize> {
        let _ = first;
        None
    }

    /// The message in `body`, and how it is compressed.
    ///
    /// # Errors
    /// A body that holds no message, or more than one.
    fn message(&self, form: Form, body: Bytes) -> Result<(Encoding, Bytes), Rejection> {
        Ok((form.encoding, body))
    }

    /// The message as OTLP. `room` is asked for what it takes where it has to be written anew.
    ///
    /// # Errors
    /// A message of which nothing can be understood, or for which there is no room.
    fn translate(
        &self,
        form: Form,
        message: Bytes,
        room: &mut dyn Room,
    ) -> Result<Translated, Rejection>;

    /// What a sender is told of whose spans none was taken; `None` when that is an answer as to any
    /// other request that was served.
    fn nothing_taken(&self, accepted: &Accepted) -> Option<Rejection> {
        let _ = accepted;
        None
    }

    /// The answer to a request that was served.
    fn accepted(&self, form: Form, accepted: &Accepted) -> Response<AnswerBody>;

    /// The answer to a request that was refused; its form is known unless that was the reason.
    fn refused(&self, form: Option<Form>, rejection: &Rejection) -> Response<AnswerBody>;
}

/// The encoding that the header `name` states; none is identity.
///
/// # Errors
/// An encoding that is not known, or several.
pub(crate) fn encoding(headers: &HeaderMap, name: &str) -> Result<Encoding, Rejection> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map_or(&b""[..], |value| value.as_bytes());
    match (Encoding::parse(first), values.next()) {
        (Some(encoding), None) => Ok(encoding),
        _ => {
            let shown = String::from_utf8_lossy(first.get(..32).unwrap_or(first)).into_owned();
            let message = format!(
                "cannot undo the encoding `{shown}`: send identity, gzip, zstd or deflate, once"
            );
            Err(Rejection::new(RejectReason::Encoding, message))
        }
    }
}

/// The content type without its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.split(';').next()).unwrap_or_default().trim()
}
