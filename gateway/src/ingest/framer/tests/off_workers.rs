//! Large frames are not written by a thread that serves sockets.

use std::sync::{Mutex, mpsc::Receiver};

use wholetrace_spanlog::{Append, AppendError, Position};

use super::*;

/// A log that takes a batch once another task has said so: which it cannot where the only worker
/// writes the batch.
struct Waits(Mutex<Receiver<()>>);

impl Writer for Waits {
    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn append(&self, _: Partition, _: Record) -> Append {
        let said = self.0.lock().unwrap().recv_timeout(Duration::from_secs(10));
        Append::settled(said.map(|()| Position(1)).map_err(|_| AppendError::Closed))
    }

    fn append_batch(
        &self,
        _: usize,
        records: &mut dyn ExactSizeIterator<Item = (Partition, Record)>,
    ) -> Result<Vec<Append>, AppendError> {
        Ok(records.map(|(partition, record)| self.append(partition, record)).collect())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn sockets_are_served_while_large_frames_are_written() {
    let (say, said) = std::sync::mpsc::channel();
    let mut stand = Stand::over(Arc::new(Waits(Mutex::new(said))), 64 << 20);
    let send = stand.send(&[0, 1], LONG_WORK / 3 * 2);
    // Runs on the worker, after the framer has been woken.
    let other = tokio::spawn(async move {
        sleep(Duration::from_millis(200)).await;
        say.send(()).unwrap();
        say.send(()).unwrap();
    });
    send.await.unwrap().unwrap();
    other.await.unwrap();
    stand.end().await;
}
