//! Exports over OTLP HTTP, as protobuf or JSON.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use wholetrace_proto::otlp_json;

use crate::{
    answer,
    contract::{Accepted, Batch, ExportError, Exporter},
    grpc::USER_AGENT,
    limit::Limit,
    options::{Compression, Encoding},
    payload::Payload,
    transport::{Transport, address},
};

/// What an OTLP HTTP exporter needs.
pub(crate) struct OtlpHttpSettings {
    pub(crate) name: String,
    /// Where to post, path and all.
    pub(crate) uri: Uri,
    /// Sent with each request; wins over what the exporter sets by itself.
    pub(crate) headers: HeaderMap,
    pub(crate) encoding: Encoding,
    pub(crate) compression: Compression,
    /// How long a request may take in all.
    pub(crate) timeout: Duration,
}

/// Exports to one OTLP HTTP receiver.
pub(crate) struct OtlpHttp {
    settings: OtlpHttpSettings,
    limit: Limit,
    transport: Transport,
}

impl OtlpHttp {
    pub(crate) fn new(mut settings: OtlpHttpSettings, transport: Transport) -> Self {
        let content_type = match settings.encoding {
            Encoding::Proto => "application/x-protobuf",
            Encoding::Json => "application/json",
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        if let Some(encoding) = settings.compression.encoding() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        headers.extend(settings.headers);
        settings.headers = headers;
        let limit = Limit::new(settings.timeout);
        Self { settings, limit, transport }
    }

    async fn call(&self, batch: Batch) -> Result<Accepted, ExportError> {
        let batch = match self.settings.encoding {
            Encoding::Proto => batch,
            Encoding::Json => as_json(&batch)?,
        };
        let chunks = self.settings.compression.encode(&batch).await.map_err(|error| {
            ExportError::Rejected { message: format!("the batch cannot be encoded: {error}") }
        })?;
        let mut request = Request::new(Payload::new(chunks));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.settings.uri.clone();
        *request.headers_mut() = self.settings.headers.clone();
        answer::of_http(&self.transport.call(request).await?)
    }
}

impl Exporter for OtlpHttp {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn endpoint(&self) -> String {
        address(&self.settings.uri) + self.settings.uri.path()
    }

    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, ExportError>> {
        Box::pin(self.transport.within(&self.limit, self.call(batch)))
    }
}

/// The batch as one JSON document: unlike protobuf messages they cannot stand one after the other.
fn as_json(batch: &Batch) -> Result<Batch, ExportError> {
    let bytes = batch.pieces().concat();
    let text = otlp_json::from_protobuf(&bytes)
        .map_err(|error| batch.not_a_request(format!("spans do not decode: {error}")))?;
    Ok(Batch::new(vec![Bytes::from(text)], batch.spans()))
}

#[cfg(test)]
mod tests;
