//! Exports to receivers of Zipkin's v2 JSON: Zipkin, Jaeger, Tempo, Collectors.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use wholetrace_proto::zipkin::JsonWriter;

use crate::{
    answer,
    contract::{Accepted, Batch, ExportError, Exporter},
    post::{PostSettings, Poster},
    transport::Transport,
};

/// Exports to one receiver of Zipkin's v2 JSON.
pub(crate) struct Zipkin {
    poster: Poster,
    /// The service of spans that nothing names one for.
    default_service_name: String,
    /// Bytes of JSON in a request of several spans, at most.
    max_request_bytes: usize,
}

impl Zipkin {
    /// One whose requests of several spans have at most `max_request_bytes`, before compression, and
    /// whose spans are of `default_service_name` where nothing names a service.
    pub(crate) fn new(
        settings: PostSettings,
        default_service_name: String,
        max_request_bytes: usize,
        transport: Transport,
    ) -> Self {
        let poster = Poster::new(settings, "application/json", transport);
        Self { poster, default_service_name, max_request_bytes }
    }

    fn request(&self, batch: &Batch) -> Result<Bytes, ExportError> {
        let mut writer = JsonWriter::new(&self.default_service_name, self.max_request_bytes);
        for piece in batch.pieces() {
            writer.add(piece).map_err(|error| batch.not_translated(&error))?;
        }
        Ok(Bytes::from(writer.finish()))
    }
}

impl Exporter for Zipkin {
    fn name(&self) -> &str {
        self.poster.name()
    }

    fn endpoint(&self) -> String {
        self.poster.endpoint()
    }

    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, ExportError>> {
        Box::pin(async move {
            let body = Batch::new(vec![self.request(&batch)?], batch.spans());
            self.poster.post(body, answer::of_zipkin).await
        })
    }
}

#[cfg(test)]
mod tests;
