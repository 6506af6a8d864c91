//! Requests by POST over HTTP, of exporters whose batch is the body of one.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};

use crate::{
    contract::{Accepted, Batch, ExportError},
    grpc::USER_AGENT,
    limit::Limit,
    options::Compression,
    payload::Payload,
    transport::{Answer, Transport, address},
};

/// What an exporter over HTTP needs.
pub(crate) struct PostSettings {
    pub(crate) name: String,
    /// Where to post, path and all.
    pub(crate) uri: Uri,
    /// Sent with each request; wins over what the exporter sets by itself.
    pub(crate) headers: HeaderMap,
    pub(crate) compression: Compression,
    /// How long a request may take in all.
    pub(crate) timeout: Duration,
}

/// Posts to one receiver.
pub(crate) struct Poster {
    settings: PostSettings,
    limit: Limit,
    transport: Transport,
}

impl Poster {
    /// One whose bodies are `content_type`.
    pub(crate) fn new(
        mut settings: PostSettings,
        content_type: &'static str,
        transport: Transport,
    ) -> Self {
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

    /// The exporter's name in the configuration.
    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Scheme, host, port and path.
    pub(crate) fn endpoint(&self) -> String {
        address(&self.settings.uri) + self.settings.uri.path()
    }

    /// Posts the bytes of `body`, within the time that a request may take, and has `judge` say what the
    /// answer means.
    ///
    /// # Errors
    /// What to do about the batch.
    pub(crate) async fn post(
        &self,
        body: Batch,
        judge: fn(&Answer) -> Result<Accepted, ExportError>,
    ) -> Result<Accepted, ExportError> {
        self.transport.within(&self.limit, self.exchange(body, judge)).await
    }

    async fn exchange(
        &self,
        body: Batch,
        judge: fn(&Answer) -> Result<Accepted, ExportError>,
    ) -> Result<Accepted, ExportError> {
        let chunks = self.settings.compression.encode(&body).await.map_err(|error| {
            ExportError::Rejected { message: format!("the batch cannot be encoded: {error}") }
        })?;
        let mut request = Request::new(Payload::new(chunks));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.settings.uri.clone();
        *request.headers_mut() = self.settings.headers.clone();
        judge(&self.transport.call(request).await?)
    }
}
