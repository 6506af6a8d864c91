//! Exports over OTLP gRPC.
//!
//! The bytes of a batch are the request as they are: the call is made by hand, which spares
//! decoding and copying them, lets the level of compression be chosen, and keeps what the backend
//! says apart from what happens on the way to it.

use std::{io, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use wholetrace_proto::otlp::EXPORT_PATH;

use crate::{
    answer,
    contract::{Accepted, Batch, ExportError, Exporter},
    limit::Limit,
    options::Compression,
    payload::Payload,
    transport::{Transport, address},
};

/// What an OTLP gRPC exporter needs.
pub(crate) struct OtlpGrpcSettings {
    pub(crate) name: String,
    /// Scheme and authority.
    pub(crate) endpoint: Uri,
    /// Sent with each request; wins over what the exporter sets by itself.
    pub(crate) headers: HeaderMap,
    pub(crate) compression: Compression,
    /// How long a request may take in all.
    pub(crate) timeout: Duration,
}

/// Exports to one OTLP gRPC receiver.
pub(crate) struct OtlpGrpc {
    name: String,
    uri: Uri,
    headers: HeaderMap,
    compression: Compression,
    limit: Limit,
    transport: Transport,
}

impl OtlpGrpc {
    /// # Errors
    /// When the endpoint has no scheme or authority.
    pub(crate) fn new(
        settings: OtlpGrpcSettings,
        transport: Transport,
    ) -> Result<Self, http::Error> {
        let mut parts = settings.endpoint.into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static(EXPORT_PATH));
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

    async fn call(&self, batch: Batch) -> Result<Accepted, ExportError> {
        let chunks = self.compression.encode(&batch).await;
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

impl Exporter for OtlpGrpc {
    fn name(&self) -> &str {
        &self.name
    }

    fn endpoint(&self) -> String {
        address(&self.uri)
    }

    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, ExportError>> {
        Box::pin(self.transport.within(&self.limit, self.call(batch)))
    }
}

/// How this program calls itself to receivers.
pub(crate) const USER_AGENT: &str = concat!("wholetrace/", env!("CARGO_PKG_VERSION"));

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

#[cfg(test)]
mod tests;
