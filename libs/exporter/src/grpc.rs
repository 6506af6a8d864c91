//! Calls over gRPC, made by hand: that spares decoding and copying the bytes of a batch, lets the level
//! of compression be chosen, and keeps what the backend says apart from what happens on the way to it.

use std::{io, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header, uri::PathAndQuery};

use crate::{
    answer,
    contract::{Accepted, Batch, ExportError},
    limit::Limit,
    options::Compression,
    payload::Payload,
    transport::{Transport, address},
};

/// How this program calls itself to receivers.
pub(crate) const USER_AGENT: &str = concat!("wholetrace/", env!("CARGO_PKG_VERSION"));

/// What an exporter over gRPC needs.
pub(crate) struct GrpcSettings {
    pub(crate) name: String,
    /// Scheme and authority.
    pub(crate) endpoint: Uri,
    /// Sent with each request; wins over what the exporter sets by itself.
    pub(crate) headers: HeaderMap,
    pub(crate) compression: Compression,
    /// How long a request may take in all.
    pub(crate) timeout: Duration,
}

/// Calls one method of one receiver, whose answer has no more in it than that of OTLP.
pub(crate) struct GrpcCaller {
    name: String,
    uri: Uri,
    headers: HeaderMap,
    compression: Compression,
    limit: Limit,
    transport: Transport,
}

impl GrpcCaller {
    /// One that calls the method at `path`.
    ///
    /// # Errors
    /// When the endpoint has no scheme or authority.
    pub(crate) fn new(
        settings: GrpcSettings,
        path: &'static str,
        transport: Transport,
    ) -> Result<Self, http::Error> {
        let mut parts = settings.endpoint.into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static(path));
        let mut headers = HeaderMap::new();
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        if let Some(encoding) = settings.compression.encoding() {
            headers.insert("grpc-encoding", HeaderValue::from_static(encoding));
        }
        headers.extend(settings.headers);
        Ok(Self {
            name: settings.name,
            uri: Uri::from_parts(parts)?,
            headers,
            compression: settings.compression,
            limit: Limit::new(settings.timeout),
            transport,
        })
    }

    /// The exporter's name in the configuration.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Scheme, host and port.
    pub(crate) fn endpoint(&self) -> String {
        address(&self.uri)
    }

    /// Calls with the bytes of `message`, within the time that a request may take.
    ///
    /// # Errors
    /// What to do about the batch.
    pub(crate) async fn call(&self, message: Batch) -> Result<Accepted, ExportError> {
        self.transport.within(&self.limit, self.exchange(message)).await
    }

    async fn exchange(&self, message: Batch) -> Result<Accepted, ExportError> {
        let chunks = self.compression.encode(&message).await;
        let chunks =
            chunks.and_then(|chunks| framed(chunks, self.compression)).map_err(|error| {
                ExportError::Rejected { message: format!("the batch cannot be encoded: {error}") }
            })?;
        let mut request = Request::new(Payload::new(chunks));
        *request.method_mut() = Method::POST;
        *request.version_mut() = http::Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
            .headers_mut()
            .entry("grpc-timeout")
            .or_insert_with(|| grpc_timeout(self.limit.now()));
        answer::of_grpc(&self.transport.call(request).await?)
    }
}

/// The chunks as one gRPC message: a flag and the length stand in front.
fn framed(mut chunks: Vec<Bytes>, compression: Compression) -> io::Result<Vec<Bytes>> {
    let len: usize = chunks.iter().map(Bytes::len).sum();
    let len = u32::try_from(len).map_err(io::Error::other)?;
    let mut prefix = BytesMut::with_capacity(5);
    prefix.put_u8(u8::from(compression != Compression::None));
    prefix.put_u32(len);
    chunks.insert(0, prefix.freeze());
    Ok(chunks)
}

/// The deadline as gRPC says it: at most eight digits and a unit.
fn grpc_timeout(timeout: Duration) -> HeaderValue {
    let text = match timeout.as_millis() {
        millis @ 0..=99_999_999 => format!("{millis}m"),
        millis => format!("{}S", (millis / 1000).min(99_999_999)),
    };
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("5S"))
}
