//! Calls of librdkafka that block, from async code.

use std::sync::Arc;

use tokio::sync::Semaphore;
use wholetrace_spanlog::{Extent, Position, ReadError};

use super::consumer::Consumer;

/// How many calls run at a time: each blocks a thread.
const AT_A_TIME: usize = 16;

/// Runs calls that block, a bounded number at a time.
pub(super) struct BlockingCalls {
    free: Semaphore,
}

impl BlockingCalls {
    pub(super) const fn new() -> Self {
        Self { free: Semaphore::const_new(AT_A_TIME) }
    }

    /// Runs `request` on a thread that may block.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        request: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let _turn = self.free.acquire().await.map_err(|_| ReadError::Closed)?;
        let asked = tokio::task::spawn_blocking(request).await;
        asked.unwrap_or_else(|error| Err(ReadError::Failed(error.to_string())))
    }

    /// What a partition holds.
    pub(super) async fn extent(
        &self,
        consumer: &Arc<Consumer>,
        topic: &Arc<str>,
        number: i32,
    ) -> Result<Extent, ReadError> {
        let (consumer, topic) = (Arc::clone(consumer), Arc::clone(topic));
        let (start, end) = self.run(move || consumer.watermarks(&topic, number)).await?;
        Ok(Extent { start: Position(start), end: Position(end) })
    }
}
