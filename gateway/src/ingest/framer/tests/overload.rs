//! More is sent than the log takes, by senders that do not wait for each other.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
};

use wholetrace_spanlog::{Append, AppendError, Position};

use super::*;

type Answer = oneshot::Sender<Result<Position, AppendError>>;

/// A log that takes so many bytes a second, in order.
struct Slow {
    queue: mpsc::UnboundedSender<(usize, oneshot::Sender<Result<Position, AppendError>>)>,
    written: Arc<AtomicUsize>,
}

impl Slow {
    fn start(bytes_per_second: usize) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the framer bounds what is on its way")]
        let (queue, mut appends) = mpsc::unbounded_channel::<(usize, oneshot::Sender<_>)>();
        let written = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Some((bytes, answer)) = appends.recv().await {
                sleep(Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64)).await;
                drop(answer.send(Ok(Position(1))));
            }
        });
        Self { queue, written }
    }
}

impl Writer for Slow {
    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn append(&self, _: Partition, record: Record) -> Append {
        let (answer, settled) = oneshot::channel();
        let bytes = record.payload.len();
        self.written.fetch_add(bytes, Ordering::Relaxed);
        drop(self.queue.send((bytes, answer)));
        Append::pending(settled)
    }

    fn append_batch(
        &self,
        _: usize,
        records: &mut dyn ExactSizeIterator<Item = (Partition, Record)>,
    ) -> Result<Vec<Append>, AppendError> {
        Ok(records.map(|(partition, record)| self.append(partition, record)).collect())
    }
}

/// Brokers with a producer quota each, as Kafka keeps it: a request that goes beyond is taken and
/// answered, and then nothing is read from the connection until the rate of the last eleven seconds
/// is the quota again. A client that has no answer for too long connects anew, and sends all again.
struct Throttled {
    brokers: Vec<mpsc::UnboundedSender<(usize, Answer)>>,
    written: Arc<AtomicUsize>,
}

/// What Kafka looks at: `quota.window.num` windows of `quota.window.size.seconds`.
const QUOTA_WINDOWS: f64 = 11.0;

/// After this time without an answer the client connects anew.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

impl Throttled {
    fn start(brokers: usize, bytes_per_second: usize) -> Self {
        let written = Arc::new(AtomicUsize::new(0));
        let start = |_| {
            #[expect(clippy::disallowed_methods, reason = "the framer bounds what is on its way")]
            let (queue, appends) = mpsc::unbounded_channel();
            tokio::spawn(broker(appends, bytes_per_second as f64, Arc::clone(&written)));
            queue
        };
        Self { brokers: (0..brokers).map(start).collect(), written }
    }
}

async fn broker(
    mut appends: mpsc::UnboundedReceiver<(usize, Answer)>,
    quota: f64,
    written: Arc<AtomicUsize>,
) {
    let mut taken: VecDeque<(Instant, usize)> = VecDeque::new();
    let mut waiting: VecDeque<(Instant, usize, Answer)> = VecDeque::new();
    let mut muted_until = Instant::now();
    let mut open = true;
    while open || !waiting.is_empty() {
        let first = waiting.front().map(|(since, ..)| *since + REQUEST_TIMEOUT);
        tokio::select! {
            next = appends.recv(), if open => match next {
                Some((bytes, answer)) => waiting.push_back((Instant::now(), bytes, answer)),
                None => open = false,
            },
            () = sleep_until(muted_until), if !waiting.is_empty() => {
                let now = Instant::now();
                let Some((_, bytes, answer)) = waiting.pop_front() else { continue };
                written.fetch_add(bytes, Ordering::Relaxed);
                drop(answer.send(Ok(Position(1))));
                taken.push_back((now, bytes));
                taken.retain(|(at, _)| now - *at < Duration::from_secs_f64(QUOTA_WINDOWS));
                let sum: usize = taken.iter().map(|(_, bytes)| bytes).sum();
                let beyond = sum as f64 / QUOTA_WINDOWS - quota;
                let mute = (beyond / quota * QUOTA_WINDOWS).max(0.0);
                muted_until = now + Duration::from_secs_f64(mute);
            }
            () = sleep_until(first.unwrap_or(muted_until)), if first.is_some() => {
                // The new connection is not muted, and what the old one had is read from it all the same.
                muted_until = Instant::now();
                for (since, bytes, _) in &mut waiting {
                    written.fetch_add(*bytes, Ordering::Relaxed);
                    *since = Instant::now();
                }
            }
        }
    }
}

impl Writer for Throttled {
    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn linger(&self) -> Duration {
        LINGER
    }

    fn append(&self, partition: Partition, record: Record) -> Append {
        let (answer, settled) = oneshot::channel();
        let broker = partition.0 as usize % self.brokers.len();
        drop(self.brokers[broker].send((record.payload.len(), answer)));
        Append::pending(settled)
    }

    fn append_batch(
        &self,
        _: usize,
        records: &mut dyn ExactSizeIterator<Item = (Partition, Record)>,
    ) -> Result<Vec<Append>, AppendError> {
        Ok(records.map(|(partition, record)| self.append(partition, record)).collect())
    }
}

/// A log that takes `a_second` bytes is sent `percent` of that for a minute, in requests that go to
/// `spread` partitions each: nearly all that is written is acknowledged, and the log is not idle
/// meanwhile.
async fn overload(
    writer: Arc<dyn Writer>,
    written: Arc<AtomicUsize>,
    a_second: usize,
    percent: usize,
    log_in_flight: usize,
    spread: u32,
) {
    const SECONDS: usize = 60;
    const REQUEST: usize = 20_000;
    let mut stand = Stand::over(writer, log_in_flight);
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut sends = tokio::task::JoinSet::new();
    let requests = a_second * SECONDS / REQUEST * percent / 100;
    let pause = Duration::from_secs(SECONDS as u64) / requests as u32;
    for number in 0..requests as u32 {
        let partitions: Vec<u32> = (0..spread).map(|next| (number + next) % PARTITIONS).collect();
        let send = stand.send(&partitions, REQUEST / spread as usize);
        let acknowledged = Arc::clone(&acknowledged);
        sends.spawn(async move {
            match send.await.unwrap() {
                Ok(()) => _ = acknowledged.fetch_add(REQUEST, Ordering::Relaxed),
                Err(refused) => assert!(refused.advice().is_some(), "{refused}"),
            }
        });
        sleep(pause).await;
    }
    while sends.join_next().await.is_some() {}
    let (written, acknowledged) =
        (written.load(Ordering::Relaxed), acknowledged.load(Ordering::Relaxed));
    let all = a_second * SECONDS;
    let case = format!("at {percent} %, {log_in_flight} bytes in flight, {spread} partitions");
    println!("{case}: {acknowledged} of {written} written, {all} possible");
    assert!(acknowledged * 10 >= written * 9, "{acknowledged} of {written} {case}");
    assert!(acknowledged * 10 >= all * 9, "{acknowledged} of {all} possible {case}");
    stand.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_written_under_overload_is_acknowledged() {
    const A_SECOND: usize = 2_000_000;
    for (percent, log_in_flight) in [(150, 64 << 20), (300, 64 << 20), (150, 2 << 20)] {
        for spread in [1, PARTITIONS] {
            let slow = Slow::start(A_SECOND);
            let written = Arc::clone(&slow.written);
            overload(Arc::new(slow), written, A_SECOND, percent, log_in_flight, spread).await;
        }
    }
}

/// The same where brokers throttle: they are fast, until they are silent for a while, each at a
/// time of its own.
#[tokio::test(start_paused = true)]
async fn what_is_written_beyond_a_quota_is_acknowledged() {
    const QUOTA: usize = 500_000;
    for percent in [150, 300] {
        for brokers in [1, 2, 4] {
            for spread in [1, 2, PARTITIONS] {
                let throttled = Throttled::start(brokers, QUOTA);
                let written = Arc::clone(&throttled.written);
                let all = QUOTA * brokers;
                overload(Arc::new(throttled), written, all, percent, 64 << 20, spread).await;
            }
        }
    }
}
