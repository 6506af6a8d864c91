//! Exports to receivers of Zipkin's v2 JSON: Zipkin, Jaeger, Tempo, Collectors.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use wholetrace_proto::zipkin::JsonWriter;

use crate::{
    answer,
    contract::{Accepted, Batch, ExportError, Exporter},
    grpc::USER_AGENT,
    limit::Limit,
    options::Compression,
    payload::Payload,
    transport::{Transport, address},
};

/// What a Zipkin exporter needs.
pub(crate) struct ZipkinSettings {
    pub(crate) name: String,
    /// Where to post, path and all.
    pub(crate) uri: Uri,
    /// Sent with each request; wins over what the exporter sets by itself.
    pub(crate) headers: HeaderMap,
    /// The service of spans that nothing names one for.
    pub(crate) default_service_name: String,
    pub(crate) compression: Compression,
    /// Bytes of JSON in a request of several spans, at most.
    pub(crate) max_request_bytes: usize,
    /// How long a request may take in all.
    pub(crate) timeout: Duration,
}

/// Exports to one receiver of Zipkin's v2 JSON.
pub(crate) struct Zipkin {
    settings: ZipkinSettings,
    limit: Limit,
    transport: Transport,
}

impl Zipkin {
    pub(crate) fn new(mut settings: ZipkinSettings, transport: Transport) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
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
        let batch = Batch::new(vec![self.as_json(&batch)?], batch.spans());
        let chunks = self.settings.compression.encode(&batch).await.map_err(|error| {
            ExportError::Rejected { message: format!("the batch cannot be encoded: {error}") }
        })?;
        let mut request = Request::new(Payload::new(chunks));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.settings.uri.clone();
        *request.headers_mut() = self.settings.headers.clone();
        answer::of_zipkin(&self.transport.call(request).await?)
    }

    fn as_json(&self, batch: &Batch) -> Result<Bytes, ExportError> {
        let ZipkinSettings { default_service_name, max_request_bytes, .. } = &self.settings;
        let mut writer = JsonWriter::new(default_service_name, *max_request_bytes);
        for piece in batch.pieces() {
            writer.add(piece).map_err(|error| batch.not_translated(&error))?;
        }
        Ok(Bytes::from(writer.finish()))
    }
}

impl Exporter for Zipkin {
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

#[cfg(test)]
mod tests;
