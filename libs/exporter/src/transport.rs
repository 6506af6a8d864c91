//! Connections to a backend: made when they are needed, kept while they live, over TLS or not.

use std::{error::Error, fmt::Write as _, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::{
    advice,
    backends::{Backends, Balance},
    connect::{Connector, Tls},
    contract::ExportError,
    limit::Limit,
    payload::Payload,
    proxy::Proxies,
};

/// What is read of an answer: a backend that sends more than a word of confirmation is not
/// listened to (64 KiB).
pub(crate) const ANSWER_LIMIT: usize = 64 << 10;

/// What is said of an answer in messages, in characters.
const EXCERPT_CHARS: usize = 400;

/// How to connect.
pub(crate) struct TransportSettings {
    /// Certificates and keys for `https`; with none, only `http` works.
    pub(crate) tls: Option<Tls>,
    pub(crate) proxies: Proxies,
    /// Which of its addresses get the requests.
    pub(crate) balance: Balance,
    /// Speak HTTP/2 from the first byte, as gRPC does; else what TLS agrees on, or HTTP/1.1.
    pub(crate) http2_only: bool,
    /// How long a connection may take to come about.
    pub(crate) connect_timeout: Duration,
    /// Pings on HTTP/2 connections.
    pub(crate) keepalive: Option<Keepalive>,
}

/// Pings that find dead connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    /// Silence before a ping.
    pub(crate) time: Duration,
    /// Silence after a ping before the connection is given up.
    pub(crate) timeout: Duration,
    /// Whether to ping while no request is under way.
    pub(crate) permit_without_stream: bool,
}

/// Connections to a backend. Nothing is connected before the first request.
pub(crate) struct Transport {
    backends: Backends,
    proxies: Arc<Proxies>,
}

impl Transport {
    pub(crate) fn new(settings: TransportSettings) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(settings.connect_timeout));
        http.set_keepalive(Some(Duration::from_secs(30)));
        let proxies = Arc::new(settings.proxies);
        let connector = Connector::new(http, Arc::clone(&proxies), settings.tls);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new());
        builder.http2_only(settings.http2_only).http2_max_header_list_size(16 << 10);
        if let Some(keepalive) = settings.keepalive {
            builder
                .http2_keep_alive_interval(keepalive.time)
                .http2_keep_alive_timeout(keepalive.timeout)
                .http2_keep_alive_while_idle(keepalive.permit_without_stream);
        }
        Self { backends: Backends::new(builder, connector, settings.balance), proxies }
    }

    /// Makes a request and reads its answer, within `limit` from now on.
    ///
    /// # Errors
    /// Those of `exchange`; when the time is up, that the request is too much.
    pub(crate) async fn within<T>(
        &self,
        limit: &Limit,
        exchange: impl Future<Output = Result<T, ExportError>>,
    ) -> Result<T, ExportError> {
        let (began, allowed) = (tokio::time::Instant::now(), limit.now());
        if let Ok(answer) = tokio::time::timeout(allowed, exchange).await {
            limit.answered(began.elapsed());
            return answer;
        }
        limit.too_short(allowed);
        Err(ExportError::Overloaded { message: format!("no answer within {allowed:?}") })
    }

    /// Sends `request` and reads the answer, up to [`ANSWER_LIMIT`] of its body. Redirects are
    /// answers like others: they are not followed.
    ///
    /// # Errors
    /// Nothing was heard from the backend, or not enough: retryable, unless the endpoint is wrong.
    pub(crate) async fn call(&self, mut request: Request<Payload>) -> Result<Answer, ExportError> {
        let uri = request.uri().clone();
        if let Some(login) = self.proxies.authorization(&uri) {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, login);
        }
        let choices = self.backends.choices(&uri).await.map_err(ExportError::retryable)?;
        let mut failed = None;
        for mut choice in choices {
            match choice.send(request.clone()).await {
                Ok(response) => {
                    let answer = Answer::read(response).await;
                    choice.answered(answer.is_ok());
                    return answer;
                }
                Err(error) => {
                    // Nothing was sent: another one may be asked.
                    let unreached = error.is_connect();
                    failed = Some(advice::of_connection(&uri, with_causes(&error)));
                    if !unreached {
                        break;
                    }
                }
            }
        }
        Err(failed.unwrap_or_else(|| ExportError::retryable("the backend has no address")))
    }
}

/// What a backend answered.
pub(crate) struct Answer {
    /// Status and headers.
    pub(crate) head: http::response::Parts,
    /// The body, or the beginning of one that is longer than it may be.
    pub(crate) body: Bytes,
    /// Whether the body is longer than it may be.
    pub(crate) cut: bool,
    /// The trailers, if there were any.
    pub(crate) trailers: Option<HeaderMap>,
}

impl Answer {
    async fn read(response: Response<Incoming>) -> Result<Self, ExportError> {
        let (head, mut incoming) = response.into_parts();
        let mut body = BytesMut::new();
        let mut trailers = None;
        let mut cut = false;
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| ExportError::retryable(with_causes(&error)))?;
            match frame.into_data() {
                Ok(data) if body.len() + data.len() > ANSWER_LIMIT => {
                    cut = true;
                    break;
                }
                Ok(data) => body.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        Ok(Self { head, body: body.freeze(), cut, trailers })
    }
}

/// Scheme, host and port: what of an endpoint is fit for the log.
pub(crate) fn address(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}", uri.scheme_str().unwrap_or("http"))
}

/// An error and what caused it, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// The beginning of a text of the backend's, in one printable line.
pub(crate) fn excerpt(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(EXCERPT_CHARS)
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    if text.chars().nth(EXCERPT_CHARS).is_some() {
        short.push('…');
    }
    short.trim().to_owned()
}

#[cfg(test)]
mod tests;
