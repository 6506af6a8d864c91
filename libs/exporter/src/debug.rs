//! Exports to the log of this process, for people who try things out.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use prost::Message;
use tokio::time::Instant;
use wholetrace_proto::otlp::TracesData;

use crate::{
    contract::{Accepted, Batch, ExportError, Exporter},
    options::Verbosity,
    text,
};

/// What a debug exporter needs.
#[derive(Clone, Debug)]
pub(crate) struct DebugSettings {
    pub(crate) name: String,
    pub(crate) verbosity: Verbosity,
    /// Batches of each second that are logged in any case.
    pub(crate) sampling_initial: u32,
    /// Of those that come after them in the second, each how-manieth is logged; 0 is none.
    pub(crate) sampling_thereafter: u32,
}

/// Logs kept traces.
pub(crate) struct DebugExporter {
    settings: DebugSettings,
    second: Mutex<Second>,
}

/// How many batches came in the second that began then.
struct Second {
    began: Instant,
    batches: u32,
}

impl DebugExporter {
    pub(crate) fn new(settings: DebugSettings) -> Self {
        let second = Mutex::new(Second { began: Instant::now(), batches: 0 });
        Self { settings, second }
    }

    fn is_to_be_logged(&self) -> bool {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if second.began.elapsed() >= Duration::from_secs(1) {
            *second = Second { began: Instant::now(), batches: 0 };
        }
        second.batches = second.batches.saturating_add(1);
        let beyond = second.batches.saturating_sub(self.settings.sampling_initial);
        beyond == 0 || beyond.checked_rem(self.settings.sampling_thereafter) == Some(0)
    }

    /// What is logged of `batch`.
    fn describe(&self, batch: &Batch) -> Result<String, ExportError> {
        let mut out = String::new();
        if self.settings.verbosity == Verbosity::Basic {
            return Ok(out);
        }
        for piece in batch.pieces() {
            let traces = TracesData::decode(piece.clone())
                .map_err(|error| batch.not_a_request(format!("spans do not decode: {error}")))?;
            for (index, resource) in traces.resource_spans.iter().enumerate() {
                let _ = match self.settings.verbosity {
                    Verbosity::Detailed => text::write_detailed(&mut out, index, resource),
                    _ => text::write_lines(&mut out, index, resource),
                };
            }
        }
        Ok(out)
    }
}

impl Exporter for DebugExporter {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, ExportError>> {
        let described = if self.is_to_be_logged() {
            self.describe(&batch).map(|mut described| {
                if !described.is_empty() {
                    described.insert(0, '\n');
                }
                let (exporter, spans, bytes) = (self.name(), batch.spans(), batch.len());
                tracing::info!(exporter, spans, bytes, "kept traces{}", described.trim_end());
            })
        } else {
            Ok(())
        };
        Box::pin(std::future::ready(described.map(|()| Accepted::default())))
    }
}

#[cfg(test)]
mod tests;
