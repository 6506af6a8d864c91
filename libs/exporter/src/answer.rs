//! What the answers of OTLP receivers mean: taken, later, in parts, or never.

use std::{io::Read, time::Duration};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Buf;
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use prost::Message;
use tonic_types::pb::{RetryInfo, Status};
use wholetrace_proto::{
    hex,
    otlp::{ExportTracePartialSuccess, ExportTraceServiceResponse},
};

use crate::{
    advice,
    contract::{Accepted, ExportError},
    transport::{ANSWER_LIMIT, Answer, excerpt},
};

/// What receivers of the field say when a message is larger than they take: grpc-go and grpc-core,
/// grpc-java, .NET, tonic, Tempo, and proxies.
const SIZE_COMPLAINTS: [&str; 8] = [
    "larger than",
    "too large",
    "too_large",
    "exceeds maximum",
    "exceeds the maximum",
    "message length",
    "max message size",
    "too big",
];

/// Reads the answer to an OTLP export over gRPC.
///
/// # Errors
/// What to do about the batch.
pub(crate) fn of_grpc(answer: &Answer) -> Result<Accepted, ExportError> {
    let status = answer.head.status;
    if status != StatusCode::OK {
        return Err(match of_http_status(answer, format!("HTTP status `{status}`")) {
            // Said by a proxy, not by the service that knows the batch.
            ExportError::Doubtful { message } => ExportError::retryable(message),
            error => error,
        });
    }
    let media = media_type(answer);
    if media != "application/grpc" && !media.starts_with("application/grpc+") {
        let media = if media.is_empty() { "none" } else { &media };
        return Err(ExportError::Misconfigured {
            message: format!(
                "what answers is no gRPC service, content type `{media}`: take the port of OTLP \
                 over gRPC (4317 as a rule), or an `otlphttp` exporter"
            ),
        });
    }
    let trailers = answer.trailers.as_ref().filter(|trailers| trailers.contains_key(GRPC_STATUS));
    let Some(code) = trailers.unwrap_or(&answer.head.headers).get(GRPC_STATUS) else {
        return Err(without_status(answer));
    };
    let code = std::str::from_utf8(code.as_bytes()).ok().and_then(|code| code.parse::<u32>().ok());
    let headers = trailers.unwrap_or(&answer.head.headers);
    match code {
        Some(0) => Ok(accepted(grpc_message(answer))),
        code => Err(of_grpc_code(code.unwrap_or(2), headers)),
    }
}

/// Binary metadata comes with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const GRPC_STATUS: &str = "grpc-status";

fn without_status(answer: &Answer) -> ExportError {
    ExportError::retryable(if answer.cut {
        "the answer is longer than 64 KiB, and was not read to its end"
    } else {
        "the answer ended without a gRPC status"
    })
}

fn of_grpc_code(code: u32, headers: &HeaderMap) -> ExportError {
    let text = percent_decoded(text_header(headers, "grpc-message"));
    let name = CODES.get(code as usize).copied().unwrap_or("unknown code");
    let message = format!("{name}: {}", excerpt(&text));
    let after = retry_info(headers);
    match code {
        8 | 11 if after.is_none() && complains_of_size(&text) => ExportError::Rejected { message },
        // It may mean a rate, which passes, or one that this batch will never be within; and what
        // takes too long may take less time in parts.
        4 | 8 if after.is_none() => ExportError::Overloaded { message },
        1 | 4 | 8 | 10 | 14 => ExportError::Retryable { after, message },
        11 | 15 if after.is_some() => ExportError::Retryable { after, message },
        3 => ExportError::Rejected { message },
        2 | 13 if complains_of_size(&text) => ExportError::Rejected { message },
        7 | 12 | 16 => ExportError::Misconfigured { message },
        // A backend in trouble says these as readily as one that stumbles over a span.
        _ => ExportError::Doubtful { message },
    }
}

const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Reads the answer to an OTLP export over HTTP.
///
/// # Errors
/// What to do about the batch.
pub(crate) fn of_http(answer: &Answer) -> Result<Accepted, ExportError> {
    succeeded(answer)?;
    let media = media_type(answer);
    let json = media == "application/json";
    if media.starts_with("application/grpc") {
        return Err(wrong_endpoint(
            &media,
            "this is a gRPC port: take the port of OTLP over HTTP (4318 as a rule), or an `otlp` \
             exporter",
        ));
    }
    if answer.body.is_empty() {
        return Ok(Accepted::default());
    }
    if json || PROTOBUF.contains(&media.as_str()) {
        return Ok(if answer.cut {
            unreadable("is longer than 64 KiB")
        } else if json {
            serde_json::from_slice(&answer.body)
                .map_or_else(|_| unreadable("does not decode"), |said| accepted_json(&said))
        } else {
            accepted(ExportTraceServiceResponse::decode(answer.body.clone()).ok())
        });
    }
    if !answer.cut && is_confirmation(&answer.body) && matches!(&*media, "" | "text/plain") {
        return Ok(Accepted::default());
    }
    Err(wrong_endpoint(
        &media,
        "what answers there is no OTLP receiver: correct host, port and path (`/v1/traces` as a \
         rule)",
    ))
}

/// Reads the answer of a receiver of Zipkin: a success has no body, or a word.
///
/// # Errors
/// What to do about the batch.
pub(crate) fn of_zipkin(answer: &Answer) -> Result<Accepted, ExportError> {
    succeeded(answer)?;
    if answer.body.trim_ascii().is_empty() || is_confirmation(&answer.body) {
        return Ok(Accepted::default());
    }
    let media = media_type(answer);
    Err(ExportError::Misconfigured {
        message: format!(
            "a success that no receiver of Zipkin says, with a body of content type `{media}`: \
             correct host, port and path (`/api/v2/spans` as a rule)"
        ),
    })
}

/// # Errors
/// Where the status of an answer over HTTP says no success: what to do about the batch.
fn succeeded(answer: &Answer) -> Result<(), ExportError> {
    let status = answer.head.status;
    if status.is_success() {
        return Ok(());
    }
    let said = excerpt(&http_error_text(answer));
    if advice::wants_tls(&said) {
        let message = format!("HTTP status `{status}`: {said}: take `https://`");
        return Err(ExportError::Misconfigured { message });
    }
    Err(of_http_status(answer, format!("HTTP status `{status}`: {said}")))
}

/// The types of a protobuf answer: the one of OTLP, and those of servers that do not care.
const PROTOBUF: [&str; 3] =
    ["application/x-protobuf", "application/protobuf", "application/vnd.google.protobuf"];

/// What receivers put into an answer as text when they mean success: frameworks write the status as
/// words where a handler gives nothing else, and at least one vendor's OTLP intake says `OK`.
const CONFIRMATIONS: [&str; 7] =
    ["ok", "200 ok", "accepted", "202 accepted", "success", "created", "201 created"];

/// Whether a text says that the request was taken, and nothing else. Other texts are as likely those
/// of a server that answers 200 to everything.
fn is_confirmation(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    CONFIRMATIONS.iter().any(|words| body.eq_ignore_ascii_case(words.as_bytes()))
}

/// A success that no receiver of this protocol says.
fn wrong_endpoint(media: &str, advice: &str) -> ExportError {
    let media = if media.is_empty() { "none" } else { media };
    ExportError::Misconfigured {
        message: format!("a success that is not OTLP over HTTP, content type `{media}`: {advice}"),
    }
}

/// The content type of an answer without its parameters, in small letters.
fn media_type(answer: &Answer) -> String {
    let value = text_header(&answer.head.headers, header::CONTENT_TYPE.as_str());
    excerpt(value.split(';').next().unwrap_or_default()).to_ascii_lowercase()
}

fn of_http_status(answer: &Answer, message: String) -> ExportError {
    let after = retry_after(&answer.head.headers);
    match answer.head.status.as_u16() {
        408 | 429 | 504 if after.is_none() => ExportError::Overloaded { message },
        408 | 425 | 429 | 502 | 503 | 504 => ExportError::Retryable { after, message },
        // Bad data, or too much of it: Collectors answer 400 to a body that is too long.
        400 | 413 | 422 => ExportError::Rejected { message },
        300..=399 => ExportError::Misconfigured {
            message: format!("{message} (redirects are not followed: correct the endpoint)"),
        },
        401 | 403 | 404 | 405 | 407 | 415 => ExportError::Misconfigured { message },
        _ => ExportError::Doubtful { message },
    }
}

fn accepted(response: Option<ExportTraceServiceResponse>) -> Accepted {
    let Some(response) = response else { return unreadable("does not decode") };
    let ExportTracePartialSuccess { rejected_spans, error_message } =
        response.partial_success.unwrap_or_default();
    Accepted {
        rejected: u64::try_from(rejected_spans).unwrap_or(0),
        message: excerpt(&error_message),
    }
}

fn accepted_json(said: &serde_json::Value) -> Accepted {
    let partial = said.get("partialSuccess").or_else(|| said.get("partial_success"));
    let field = |camel: &str, snake: &str| {
        partial.and_then(|partial| partial.get(camel).or_else(|| partial.get(snake)))
    };
    let rejected = field("rejectedSpans", "rejected_spans");
    Accepted {
        rejected: rejected
            .and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok()))
            .unwrap_or(0),
        message: field("errorMessage", "error_message")
            .and_then(serde_json::Value::as_str)
            .map(excerpt)
            .unwrap_or_default(),
    }
}

/// The backend has said that it took the batch, and nothing else that can be understood.
fn unreadable(how: &str) -> Accepted {
    Accepted { rejected: 0, message: format!("the backend's answer {how}") }
}

/// The message of a gRPC answer. Servers compress it as the request was, whatever the client says
/// that it can read.
fn grpc_message(answer: &Answer) -> Option<ExportTraceServiceResponse> {
    let mut body = &*answer.body;
    if body.remaining() < 5 {
        return None;
    }
    let (compressed, len) = (body.get_u8() != 0, body.get_u32() as usize);
    let message = body.get(..len)?;
    if !compressed {
        return ExportTraceServiceResponse::decode(message).ok();
    }
    let mut inflated = Vec::new();
    let limit = ANSWER_LIMIT as u64;
    match text_header(&answer.head.headers, "grpc-encoding") {
        "gzip" => flate2::read::GzDecoder::new(message).take(limit).read_to_end(&mut inflated),
        "zstd" => zstd::Decoder::new(message).ok()?.take(limit).read_to_end(&mut inflated),
        _ => return None,
    }
    .ok()?;
    ExportTraceServiceResponse::decode(&*inflated).ok()
}

fn complains_of_size(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    SIZE_COMPLAINTS.iter().any(|complaint| text.contains(complaint))
}

/// The wait that a gRPC backend asks for, in either of the places where servers put it.
fn retry_info(headers: &HeaderMap) -> Option<Duration> {
    let decoded = |name: &str| -> Option<Vec<u8>> {
        let encoded = headers.get(name)?.as_bytes();
        BASE64.decode(encoded.trim_ascii()).ok()
    };
    let in_details = || {
        let status = Status::decode(&*decoded("grpc-status-details-bin")?).ok()?;
        let info = status.details.iter().find(|any| any.type_url.ends_with(".RetryInfo"))?;
        RetryInfo::decode(&*info.value).ok()
    };
    let in_metadata = || RetryInfo::decode(&*decoded("google.rpc.retryinfo-bin")?).ok();
    let delay = in_details().or_else(in_metadata)?.retry_delay?;
    let seconds = u64::try_from(delay.seconds).unwrap_or(0);
    let nanos = u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999);
    Some(Duration::new(seconds, nanos))
}

/// The wait that an HTTP backend asks for: seconds, or the date when it is over.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(date.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO))
}

/// What an HTTP backend says of an error: a `google.rpc.Status`, or any text. Of a page only the
/// title says something.
fn http_error_text(answer: &Answer) -> String {
    let media = media_type(answer);
    let decoded = if media == "application/x-protobuf" {
        Status::decode(answer.body.clone()).ok().map(|status| status.message)
    } else if media == "application/json" {
        serde_json::from_slice::<serde_json::Value>(&answer.body)
            .ok()
            .and_then(|said| Some(said.get("message")?.as_str()?.to_owned()))
    } else {
        None
    };
    let text = decoded.unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned());
    if media == "text/html" || text.trim_start().starts_with('<') { page(&text) } else { text }
}

/// A page of HTML in a few words.
fn page(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let title = lower.split_once("<title>").and_then(|(before, rest)| {
        let from = before.len() + "<title>".len();
        text.get(from..from + rest.find("</title>")?)
    });
    match title {
        Some(title) => format!("a page titled `{}`", title.trim()),
        None => "a page".to_owned(),
    }
}

fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Undoes the percent-encoding of `grpc-message`; what is not well-formed stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |at: usize| hex::digit(*after.get(at)?);
        let value = (byte == b'%').then(|| Some(digit(0)? * 16 + digit(1)?)).flatten();
        decoded.push(value.unwrap_or(byte));
        rest = if value.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
