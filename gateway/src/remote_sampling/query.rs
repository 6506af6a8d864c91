//! What clients ask for.

use http::{Method, request::Parts};
use wholetrace_proto::{hex::digit, wire::Cursor};

use super::source::StrategySource;
use crate::reject::{RejectReason, Rejection};

/// The path of the call over gRPC.
pub(crate) const CALL_PATH: &str = "/jaeger.api_v2.SamplingManager/GetSamplingStrategy";

/// Questions that a listener answers.
#[derive(Clone)]
pub(crate) struct Queries {
    pub(crate) source: StrategySource,
    /// At which paths over HTTP; `None` for any.
    pub(crate) paths: Option<&'static [&'static str]>,
}

/// A question, as far as its head tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    /// Over HTTP, for the service of this name.
    Http(Result<String, Rejection>),
    /// Over gRPC: the name is in the body.
    Grpc,
}

impl Queries {
    /// The question that a request with this `head` asks, over gRPC or HTTP; `None` for any other
    /// request.
    pub(crate) fn of(&self, head: &Parts, is_grpc: bool) -> Option<Query> {
        let path = head.uri.path();
        if is_grpc {
            return (path == CALL_PATH).then_some(Query::Grpc);
        }
        let here = self.paths.is_none_or(|paths| paths.contains(&path));
        (here && head.method == Method::GET)
            .then(|| Query::Http(service(head.uri.query().unwrap_or_default())))
    }
}

/// The one service that `query` names.
fn service(query: &str) -> Result<String, Rejection> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut named = pairs.filter(|(key, _)| *key == "service").map(|(_, value)| value);
    match (named.next(), named.next()) {
        (Some(name), None) => Ok(decoded(name)),
        _ => {
            let message = "name one service: `?service=NAME`";
            Err(Rejection::new(RejectReason::Malformed, message))
        }
    }
}

/// Text of a query: `+` is a space, and `%` stands before two digits of a byte.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        match (first, behind) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, behind @ ..]) if digit(*high).is_some() && digit(*low).is_some() => {
                bytes.push(digit(*high).unwrap_or(0) << 4 | digit(*low).unwrap_or(0));
                rest = behind;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The service that the message of a call names.
///
/// # Errors
/// Bytes that are no such message.
pub(crate) fn service_of_call(message: &[u8]) -> Result<String, Rejection> {
    let malformed = |error: wholetrace_proto::wire::WireError| {
        Rejection::new(RejectReason::Malformed, format!("the message is malformed: {error}"))
    };
    let mut service = String::new();
    let mut fields = Cursor::new(message);
    while let Some(field) = fields.next_field().map_err(malformed)? {
        if field.number == 1 {
            let name = field.bytes("SamplingStrategyParameters").map_err(malformed)?;
            service = String::from_utf8_lossy(name).into_owned();
        }
    }
    Ok(service)
}
