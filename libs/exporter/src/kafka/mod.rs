//! Exports to a topic of Apache Kafka.
//!
//! `messages` makes the messages of a batch, none of them larger than it may be; `producer` hands them
//! to the client and waits until the brokers have acknowledged all of them. The client repeats by itself
//! what was lost on the way, once, as an idempotent producer: only what takes longer than `timeout` is
//! sent again by the queue, and may be there twice then.

mod messages;
mod producer;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use rdkafka::error::KafkaError;

use self::{
    messages::{Shape, messages},
    producer::Producer,
};
use crate::{
    config::kafka::KafkaExporterConfig,
    contract::{Accepted, Batch, ExportError, Exporter},
};

/// How many times its size the messages of a batch may take, which repeat resources. The client has room
/// for as much of all that is in the queue.
const GROWTH: usize = 4;

/// Writes kept traces to a topic.
pub(crate) struct KafkaExporter {
    name: String,
    endpoint: String,
    shape: Shape,
    producer: Arc<Producer>,
}

impl KafkaExporter {
    /// Makes the client, which connects by itself.
    ///
    /// # Errors
    /// When the client does not take its settings, as where a certificate cannot be used.
    pub(crate) fn new(name: &str, config: &KafkaExporterConfig) -> Result<Self, KafkaError> {
        Ok(Self {
            name: name.to_owned(),
            endpoint: format!("{}/{}", config.brokers.join(","), config.topic()),
            shape: Shape {
                encoding: config.encoding(),
                by_trace: config.partition_traces_by_id,
                max_bytes: config.producer.max_message_bytes.as_usize(),
                batch_bytes: config.sending_queue.batch.max_size.as_usize().saturating_mul(GROWTH),
            },
            producer: Arc::new(Producer::new(name, config)?),
        })
    }

    async fn call(&self, batch: Batch) -> Result<Accepted, ExportError> {
        let (shape, producer) = (self.shape, Arc::clone(&self.producer));
        // Making messages and handing them over takes milliseconds.
        let handed_over = tokio::task::spawn_blocking(move || {
            let messages = messages(&batch, shape)?;
            Ok::<_, ExportError>(producer.send(&messages))
        });
        let sent =
            handed_over.await.map_err(|error| ExportError::retryable(error.to_string()))??;
        sent.acknowledged().await?;
        Ok(Accepted::default())
    }
}

impl Exporter for KafkaExporter {
    fn name(&self) -> &str {
        &self.name
    }

    fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, ExportError>> {
        Box::pin(self.call(batch))
    }
}

#[cfg(test)]
mod tests;
