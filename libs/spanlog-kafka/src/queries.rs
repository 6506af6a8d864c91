//! Questions to the brokers, from async code.

use std::sync::Arc;

use tokio::sync::Semaphore;
use wholetrace_spanlog::{Extent, Position, ReadError};

use super::lane::Lane;

/// How many questions wait for an answer at a time: each blocks a thread.
const AT_A_TIME: usize = 16;

/// Asks the brokers, a bounded number of questions at a time.
pub(super) struct Queries {
    free: Semaphore,
}

impl Queries {
    pub(super) const fn new() -> Self {
        Self { free: Semaphore::const_new(AT_A_TIME) }
    }

    /// Runs `question`, which blocks, on a thread where it may.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let _turn = self.free.acquire().await.map_err(|_| ReadError::Closed)?;
        let asked = tokio::task::spawn_blocking(question).await;
        asked.unwrap_or_else(|error| Err(ReadError::Failed(error.to_string())))
    }

    /// What a partition holds.
    pub(super) async fn extent(
        &self,
        lane: &Arc<Lane>,
        topic: &Arc<str>,
        number: i32,
    ) -> Result<Extent, ReadError> {
        let (lane, topic) = (Arc::clone(lane), Arc::clone(topic));
        let (start, end) = self.run(move || lane.watermarks(&topic, number)).await?;
        Ok(Extent { start: Position(start), end: Position(end) })
    }
}
