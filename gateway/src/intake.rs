//! The one way in, for every transport: a message is inflated, translated to OTLP, split by
//! partition, and appended to the log.
//!
//! A transport receives bytes, holds a lease for them, and knows their format; the rest is here. It
//! waits for the outcome, and answers, counts or commits by it.

use std::sync::Arc;

use bytes::Bytes;
use wholetrace_spanlog::routing::Routing;

use crate::{
    admission::{
        lease::{LeaseRoom, RequestLease},
        tenants::TenantMark,
    },
    format::{Format, Metadata},
    inflate::{Encoding, inflate},
    ingest::framer::Ingest,
    metrics::{ReceiverMetrics, Stage},
    outcome::Accepted,
    reject::{RejectReason, Rejection},
    split::{Split, split, split_checked},
};

/// A message as a transport hands it over.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) bytes: Bytes,
    /// How they are compressed.
    pub(crate) encoding: Encoding,
    /// What came with them, as far as the translator looks at it.
    pub(crate) metadata: Metadata,
    /// What its resources are marked with.
    pub(crate) mark: Option<Arc<TenantMark>>,
    /// Pays for the bytes.
    pub(crate) lease: RequestLease,
}

/// Takes the messages of one listener or source.
pub(crate) struct Intake {
    pub(crate) routing: Routing,
    pub(crate) ingest: Ingest,
    /// Largest message, inflated.
    pub(crate) message_bytes_max: usize,
    pub(crate) span_bytes_max: usize,
    pub(crate) metrics: ReceiverMetrics,
}

/// A message that can be written to the log.
struct Prepared {
    split: Split,
    /// What becomes of it once it is.
    accepted: Accepted,
    lease: RequestLease,
}

impl Intake {
    /// Takes `message`, which is of `format`; resolves when the log has its spans.
    ///
    /// # Errors
    /// A message that cannot be inflated or understood, for which there is no room, or that the log
    /// does not take.
    pub(crate) async fn take(
        self: &Arc<Self>,
        message: Message,
        format: &'static Format,
    ) -> Result<Accepted, Rejection> {
        let working = self.metrics.enter(Stage::Message);
        let prepared = self.prepare(message, format).await;
        working.through();
        let Prepared { split, accepted, lease } = prepared?;
        // Nothing to wait for; an empty message is a good one.
        if accepted.spans > 0 {
            let appending = self.metrics.enter(Stage::Log);
            let appended = self.ingest.append(split, lease).await;
            appending.through();
            appended?;
        }
        Ok(accepted)
    }

    /// Inflates, translates and splits `message`: what takes milliseconds not on this thread.
    async fn prepare(
        self: &Arc<Self>,
        message: Message,
        format: &'static Format,
    ) -> Result<Prepared, Rejection> {
        let Message { bytes, encoding, metadata, mark, lease } = message;
        let (bytes, lease) = inflate(encoding, bytes, lease, self.message_bytes_max).await?;
        if bytes.len() <= format.inline_bytes {
            return self.split(bytes, &metadata, mark.as_deref(), lease, format);
        }
        let intake = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            intake.split(bytes, &metadata, mark.as_deref(), lease, format)
        })
        .await
        .map_err(|error| Rejection::new(RejectReason::Internal, error.to_string()))?
    }

    /// Translates an inflated message and splits it by partition.
    fn split(
        &self,
        bytes: Bytes,
        metadata: &Metadata,
        mark: Option<&TenantMark>,
        mut lease: RequestLease,
        format: &Format,
    ) -> Result<Prepared, Rejection> {
        lease.grow_to(bytes.len())?;
        let mut room = LeaseRoom::beside(bytes.len(), &mut lease);
        let translated = (format.translate)(bytes, metadata, &mut room);
        let translated = room.refused().map_or(translated, Err)?;
        let body_bytes = translated.otlp.len();
        let mark = mark.map(TenantMark::attribute);
        let split = if translated.checked { split_checked } else { split };
        let split = split(translated.otlp, &self.routing, self.span_bytes_max, mark)?;
        let mut rejects = *split.rejects();
        rejects.merge(&translated.rejects);
        // Until the frames are made they stand beside the body.
        lease.settle_at(body_bytes + split.own_bytes() + split.frame_bytes())?;
        // What a translator says of a span is in words of the format that the sender knows.
        let first = translated.first.or_else(|| split.first_reject().map(str::to_owned));
        let accepted = Accepted { spans: split.spans(), rejects, first };
        Ok(Prepared { split, accepted, lease })
    }
}
