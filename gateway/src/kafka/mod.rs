//! Reads topics of Apache Kafka that others write.
//!
//! ```text
//!   brokers ──► consumer ──messages──► take ──► intake ──► span log
//!     ▲        (a thread)               │  ▲
//!     │           │                     │  └── again, while the log or memory refuses
//!     └─ marks ◄──┴──────── finished ◄──┘
//! ```
//!
//! `consumer` reads while there is room for messages, and stores how far the log has them all. `take`
//! does with one message what HTTP does with a request: it finds its format, leases its bytes, and waits
//! for the log. What the log or memory refuses is tried again until it is taken; what can never be taken
//! is counted and told with its place, and passed. `marks` says what of a partition is finished without
//! a gap: only that is marked in the group.

mod consumer;
mod marks;
pub(crate) mod metrics;
mod sniff;
mod take;

use std::{sync::Arc, time::Duration};

use rdkafka::error::KafkaError;
use tokio_util::sync::CancellationToken;
use wholetrace_runtime::{budget::ByteBudget, shutdown::Shutdown};

use self::{
    consumer::{Consumer, End, Shared},
    metrics::SourceMetrics,
    take::Taker,
};
use crate::{
    admission::Admission, intake::Intake, metrics::ReceiverMetrics,
    receiver::kafka::KafkaReceiverConfig,
};

/// How long a client that cannot go on stays away before it is made anew.
const AGAIN: Duration = Duration::from_secs(2);

/// Reads the topics of one receiver.
pub(crate) struct KafkaSource {
    name: String,
    config: KafkaReceiverConfig,
    taker: Arc<Taker>,
    room: ByteBudget,
    metrics: SourceMetrics,
    /// The first client, which shows that its settings can be used.
    consumer: Consumer,
    shared: Arc<Shared>,
    stopping: CancellationToken,
}

impl KafkaSource {
    /// Of the receiver `name`, whose messages go through `intake`. Connects by itself.
    ///
    /// # Errors
    /// When the client does not take its settings, as where a certificate cannot be used.
    pub(crate) fn new(
        name: &str,
        config: &KafkaReceiverConfig,
        admission: &Admission,
        intake: Arc<Intake>,
        receiver: ReceiverMetrics,
    ) -> Result<Self, KafkaError> {
        let (metrics, stopping) = (SourceMetrics::new(name), CancellationToken::new());
        let shared = Arc::new(Shared::default());
        let consumer = Consumer::start(name, config, &shared, &metrics)?;
        let taker = Taker {
            memory: admission.memory.clone(),
            in_flight: admission.in_flight.clone(),
            share: admission.in_flight.connection(),
            intake,
            format: config.format(),
            receiver,
            metrics: metrics.clone(),
            stopping: stopping.clone(),
        };
        Ok(Self {
            name: name.to_owned(),
            config: config.clone(),
            taker: Arc::new(taker),
            room: ByteBudget::new("messages in flight", config.in_flight.as_usize()),
            metrics,
            consumer,
            shared,
            stopping,
        })
    }

    /// Reads until shutdown is requested. Then messages that are on their way into the log have up to
    /// `drain` to get there, and are marked; the others come again.
    pub(crate) async fn run(self, shutdown: Shutdown, drain: Duration) {
        let Self { name, config, taker, room, metrics, mut consumer, mut shared, stopping } = self;
        let topics = config.topics();
        tracing::info!(receiver = name, ?topics, group = config.group_id, "read from Kafka");
        let runtime = tokio::runtime::Handle::current();
        loop {
            let (taker, room, runtime, sharing) =
                (Arc::clone(&taker), room.clone(), runtime.clone(), Arc::clone(&shared));
            let mut reading = tokio::task::spawn_blocking(move || {
                consumer.read(&room, drain, |received, lease| {
                    let (taker, shared) = (Arc::clone(&taker), Arc::clone(&sharing));
                    runtime.spawn(async move {
                        let finished = taker.take(&received).await;
                        drop(lease);
                        shared.ended(&received.ticket, finished);
                    });
                })
            });
            let ended = tokio::select! {
                ended = &mut reading => ended,
                () = shutdown.requested() => {
                    stopping.cancel();
                    shared.stop();
                    reading.await
                }
            };
            if shutdown.is_requested() {
                return;
            }
            match ended {
                Ok(End::Stopped) => return,
                Ok(End::Again(why)) => {
                    tracing::warn!(receiver = name, why, "the Kafka client is made anew");
                }
                // Its panic was told.
                Err(_) => {}
            }
            (consumer, shared) = loop {
                tokio::select! {
                    () = shutdown.requested() => return,
                    () = tokio::time::sleep(AGAIN) => {}
                }
                let shared = Arc::new(Shared::default());
                match Consumer::start(&name, &config, &shared, &metrics) {
                    Ok(consumer) => break (consumer, shared),
                    Err(error) => tracing::warn!(
                        receiver = name, %error,
                        "the Kafka client cannot be made: put certificate files there that belong \
                         together"
                    ),
                }
            };
        }
    }
}

#[cfg(test)]
mod tests;
