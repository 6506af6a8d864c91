//! What to do about connections that do not come about.

use http::Uri;

use crate::contract::ExportError;

/// What the parser of HTTP says of bytes that are of another protocol.
const NOT_HTTP: [&str; 6] = [
    "invalid http version",
    "invalid http status",
    "frame with invalid size",
    "invalid preface",
    "frame_size_error",
    "unexpected frame type",
];

/// What servers answer to HTTP on a port for TLS.
const WANTS_TLS: [&str; 3] = [
    "http request to an https server",
    "plain http request was sent to https port",
    "plain http to an ssl-enabled server port",
];

/// What a request to `uri` that ended in this error means: a connection that may come about later, or
/// one that cannot, because one side speaks TLS and the other does not.
pub(crate) fn of_connection(uri: &Uri, message: String) -> ExportError {
    let lower = message.to_ascii_lowercase();
    let tls = uri.scheme_str() == Some("https");
    if tls && lower.contains("invalidcontenttype") {
        return ExportError::Misconfigured {
            message: format!(
                "{message}: the backend does not speak TLS: set `tls: {{ insecure: true }}` \
                 (`otlphttp`: write `http://` in front of its endpoint)"
            ),
        };
    }
    if !tls && NOT_HTTP.iter().any(|words| lower.contains(words)) {
        return ExportError::Misconfigured {
            message: format!(
                "{message}: the backend does not speak the protocol of this exporter without TLS: \
                 take `https://` if it is a port for TLS, else the port for this protocol"
            ),
        };
    }
    // Ended without an answer: by a backend that restarts, or by one that expects TLS.
    if !tls && lower.contains("(sendrequest)") {
        return ExportError::retryable(format!("{message} (a port for TLS? then take `https://`)"));
    }
    ExportError::retryable(message)
}

/// Whether a server says that it wants TLS.
pub(crate) fn wants_tls(said: &str) -> bool {
    let lower = said.to_ascii_lowercase();
    WANTS_TLS.iter().any(|words| lower.contains(words))
}
