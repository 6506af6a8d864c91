//! Exports over OTLP HTTP, as protobuf or JSON.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use wholetrace_proto::otlp_json;

use crate::{
    answer,
    contract::{Accepted, Batch, ExportError, Exporter},
    options::Encoding,
    post::{PostSettings, Poster},
    transport::Transport,
};

/// Exports to one OTLP HTTP receiver.
pub(crate) struct OtlpHttp {
    poster: Poster,
    encoding: Encoding,
}

impl OtlpHttp {
    pub(crate) fn new(settings: PostSettings, encoding: Encoding, transport: Transport) -> Self {
        let content_type = match encoding {
            Encoding::Proto => "application/x-protobuf",
            Encoding::Json => "application/json",
        };
        Self { poster: Poster::new(settings, content_type, transport), encoding }
    }
}

impl Exporter for OtlpHttp {
    fn name(&self) -> &str {
        self.poster.name()
    }

    fn endpoint(&self) -> String {
        self.poster.endpoint()
    }

    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, ExportError>> {
        Box::pin(async move {
            let body = match self.encoding {
                Encoding::Proto => batch,
                Encoding::Json => as_json(&batch)?,
            };
            self.poster.post(body, answer::of_http).await
        })
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
