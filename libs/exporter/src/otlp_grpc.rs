//! Exports over OTLP gRPC: the bytes of a batch are the request as they are.

use futures_util::future::BoxFuture;
use wholetrace_proto::otlp::EXPORT_PATH;

use crate::{
    contract::{Accepted, Batch, ExportError, Exporter},
    grpc::{GrpcCaller, GrpcSettings},
    transport::Transport,
};

/// Exports to one OTLP gRPC receiver.
pub(crate) struct OtlpGrpc(GrpcCaller);

impl OtlpGrpc {
    /// # Errors
    /// When the endpoint has no scheme or authority.
    pub(crate) fn new(settings: GrpcSettings, transport: Transport) -> Result<Self, http::Error> {
        GrpcCaller::new(settings, EXPORT_PATH, transport).map(Self)
    }
}

impl Exporter for OtlpGrpc {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn endpoint(&self) -> String {
        self.0.endpoint()
    }

    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, ExportError>> {
        Box::pin(self.0.call(batch))
    }
}

#[cfg(test)]
mod tests;
