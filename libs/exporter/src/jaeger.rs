//! Exports over gRPC to Jaeger's collectors, and others that take their `PostSpans`.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use wholetrace_proto::jaeger::{PostSpansWriter, api_v2::POST_SPANS_PATH};

use crate::{
    contract::{Accepted, Batch, ExportError, Exporter},
    grpc::{GrpcCaller, GrpcSettings},
    transport::Transport,
};

/// Exports to one receiver of Jaeger's `api_v2`.
pub(crate) struct Jaeger {
    caller: GrpcCaller,
    /// Bytes of a request of several spans, at most.
    max_request_bytes: usize,
}

impl Jaeger {
    /// One whose requests of several spans have at most `max_request_bytes`, before compression.
    ///
    /// # Errors
    /// When the endpoint has no scheme or authority.
    pub(crate) fn new(
        settings: GrpcSettings,
        max_request_bytes: usize,
        transport: Transport,
    ) -> Result<Self, http::Error> {
        let caller = GrpcCaller::new(settings, POST_SPANS_PATH, transport)?;
        Ok(Self { caller, max_request_bytes })
    }

    fn request(&self, batch: &Batch) -> Result<Bytes, ExportError> {
        let mut writer = PostSpansWriter::new(self.max_request_bytes);
        for piece in batch.pieces() {
            writer.add(piece).map_err(|error| batch.not_translated(&error))?;
        }
        let request = writer.finish().map_err(|error| batch.not_translated(&error))?;
        Ok(Bytes::from(request))
    }
}

impl Exporter for Jaeger {
    fn name(&self) -> &str {
        self.caller.name()
    }

    fn endpoint(&self) -> String {
        self.caller.endpoint()
    }

    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, ExportError>> {
        Box::pin(async move {
            let request = self.request(&batch)?;
            self.caller.call(Batch::new(vec![request], batch.spans())).await
        })
    }
}

#[cfg(test)]
mod tests;
