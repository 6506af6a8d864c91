//! A reader of one partition.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use rdkafka::{Message as _, Timestamp, error::RDKafkaErrorCode, message::BorrowedMessage};
use tokio::task::JoinHandle;
use wholetrace_spanlog::{Cursor, Frame, LogTime, Position, ReadError, Replacement};

use super::{
    blocking::BlockingCalls,
    consumer::{FetchSlot, Polled},
    consumer_pool::{ConsumerPool, TAILING},
    header::{self, RecordHeaders},
    identity::{Identities, Watched},
    metrics::Meters,
    topic_partition::TopicPartition,
};

mod damage;

/// How long a cursor trusts the client to tell it of new records, at first. It did not always.
const SWEEP: Duration = Duration::from_millis(50);

/// The same for a partition that is silent for long.
const LONG_SWEEP: Duration = Duration::from_millis(800);

/// How often is told that the brokers do not let us read.
const TELL_REFUSAL: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// Reads one partition in order.
pub(super) struct KafkaCursor {
    slot: Arc<FetchSlot>,
    topic_partition: TopicPartition,
    context: Context,
    /// How far it has read, for the check whether the log is still the same one.
    watched: Option<Arc<Watched>>,
    /// The lowest position not given yet.
    next: u64,
    /// Frames before this time are passed over, until the first that is not.
    from_time: LogTime,
    /// The newest time that was read. In the same log no record before `next` is younger.
    newest: LogTime,
    /// Read, and did not fit.
    held: Option<Frame>,
    /// What ends this cursor.
    fault: Option<ReadError>,
    /// Where something could not be read, and is being read a second time: it may have been damaged
    /// on its way.
    suspect: Option<u64>,
    /// Why the record at the next position cannot be read, if that is to be told next.
    damaged: Option<String>,
    /// What the brokers said when they did not let us read, and when that was told. They say so
    /// again and again; the client says it once.
    refusal: Option<(String, Instant)>,
    /// Whether the client has stopped reading the partition, or is to begin again.
    stopped: bool,
    /// Whether the client said that a position is none that there is, and has given nothing since.
    out_of_range: bool,
    /// Whether all there was has been read.
    at_end: bool,
    /// Whether the client did not tell that there is something.
    unannounced: bool,
    sweep: Duration,
    /// The consumers that it may be on.
    order: &'static [usize],
    /// Whether it reads where nothing waits, until it first comes to the end.
    behind: bool,
    /// A slot on another consumer, being taken. The wait for it may be cancelled.
    moving: Option<Moving>,
}

/// The consumers that a cursor moves to, and its slot there.
type Moving = (&'static [usize], JoinHandle<Result<FetchSlot, ReadError>>);

/// What all cursors of a topic share.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) consumers: Arc<ConsumerPool>,
    pub(super) blocking: Arc<BlockingCalls>,
    pub(super) meters: Arc<Meters>,
    pub(super) identities: Arc<Identities>,
}

/// What was at hand.
enum Taken {
    Frame(Frame),
    /// Nothing of interest; there may be more.
    Nothing,
    /// There is no more at the moment.
    Empty,
}

impl KafkaCursor {
    /// A cursor on `slot` of one of the consumers `order`, which fetches from `next` on or before.
    pub(super) fn new(
        slot: FetchSlot,
        order: &'static [usize],
        topic_partition: TopicPartition,
        next: u64,
        from_time: LogTime,
        context: Context,
    ) -> Self {
        Self {
            slot: Arc::new(slot),
            topic_partition,
            context,
            watched: None,
            next,
            from_time,
            newest: LogTime(0),
            held: None,
            fault: None,
            suspect: None,
            damaged: None,
            refusal: None,
            stopped: false,
            out_of_range: false,
            at_end: false,
            unannounced: false,
            sweep: SWEEP,
            order,
            behind: false,
            moving: None,
        }
    }

    /// The same, for as long as the log is the same.
    pub(super) fn watched(mut self) -> Self {
        self.watched = Some(
            self.context
                .identities
                .watch((self.topic_partition.name, self.topic_partition.partition)),
        );
        self
    }

    /// The same, to be read along with the others once it has come to the end.
    pub(super) const fn catching_up(mut self) -> Self {
        self.behind = true;
        self
    }

    /// The lowest position not given yet.
    pub(super) const fn position(&self) -> u64 {
        self.next
    }

    /// Whether the client found the end of the partition since it last gave a frame.
    pub(super) const fn at_end(&self) -> bool {
        self.at_end
    }

    /// Whether something is at hand that comes next time: a frame that did not fit, or what cannot be
    /// read behind what was given.
    pub(super) const fn holds(&self) -> bool {
        self.held.is_some() || self.damaged.is_some()
    }

    /// What is at hand, within `max_bytes`; at least one frame if `one_at_least`.
    ///
    /// # Errors
    /// When there is nothing before what went wrong.
    pub(super) fn take(
        &mut self,
        max_bytes: usize,
        one_at_least: bool,
    ) -> Result<Vec<Frame>, ReadError> {
        let (mut frames, mut bytes) = (Vec::new(), 0_usize);
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.watched.as_ref().is_some_and(|watched| watched.is_replaced()) {
            self.stopped = true;
            return Ok(frames);
        }
        loop {
            if self.damaged.is_some() && (!one_at_least || !frames.is_empty()) {
                // What was read before comes first.
                break;
            }
            if let Some(damaged) = self.pass() {
                return Err(damaged);
            }
            let frame = match self.held.take() {
                Some(frame) => frame,
                None => match self.pop() {
                    Ok(Taken::Frame(frame)) => frame,
                    Ok(Taken::Nothing) => continue,
                    Ok(Taken::Empty) => break,
                    Err(error) if frames.is_empty() => return Err(error),
                    // What was read before comes first. A fault is kept; the rest happens again.
                    Err(_) => break,
                },
            };
            let total = bytes.saturating_add(frame.payload.len());
            let needed = one_at_least && frames.is_empty();
            if !needed && total > max_bytes {
                self.held = Some(frame);
                break;
            }
            bytes = total;
            self.next = frame.position.next().0;
            frames.push(frame);
            if bytes >= max_bytes {
                break;
            }
        }
        if !frames.is_empty() {
            if let Some(watched) = &self.watched {
                watched.moved(self.next, self.newest);
            }
            let meters = self.context.meters.topic(self.topic_partition.name);
            meters.read.increment(u64::try_from(frames.len()).unwrap_or_default());
            meters.read_bytes.increment(u64::try_from(bytes).unwrap_or_default());
            if std::mem::take(&mut self.unannounced) {
                self.context
                    .meters
                    .swept
                    .increment(u64::try_from(frames.len()).unwrap_or_default());
            }
        }
        Ok(frames)
    }

    /// The next message of the client's queue.
    fn pop(&mut self) -> Result<Taken, ReadError> {
        if self.stopped {
            // It is started again in `wait`, which may block.
            return Ok(Taken::Empty);
        }
        let slot = Arc::clone(&self.slot);
        match slot.poll(|message| self.read(&message)) {
            Ok(None) => Ok(Taken::Empty),
            Ok(Some(Ok(Some(frame)))) => Ok(Taken::Frame(frame)),
            Ok(Some(Ok(None))) => Ok(Taken::Nothing),
            Ok(Some(Err(fault))) => Err(self.fail(fault)),
            Err(Polled::End) => {
                self.refusal = None;
                (self.at_end, self.out_of_range) = (true, false);
                Ok(Taken::Nothing)
            }
            Err(Polled::Closed) => Err(self.fail(ReadError::Closed)),
            Err(Polled::Damaged(error)) => Ok(self.unreadable(error.to_string())),
            Err(Polled::Error(error)) => self.refused(&error),
        }
    }

    /// A message as a frame. `None` when it is not one of those asked for.
    fn read(&mut self, message: &BorrowedMessage<'_>) -> Result<Option<Frame>, ReadError> {
        let at = u64::try_from(message.offset()).unwrap_or_default();
        if at < self.next {
            return Ok(None);
        }
        (self.at_end, self.out_of_range) = (false, false);
        self.refusal = None;
        let time = match message.timestamp() {
            Timestamp::LogAppendTime(time) | Timestamp::CreateTime(time) => {
                LogTime(u64::try_from(time).unwrap_or_default())
            }
            Timestamp::NotAvailable => LogTime(0),
        };
        if time < self.from_time {
            self.next = at + 1;
            return Ok(None);
        }
        self.newest = self.newest.max(time);
        self.from_time = LogTime(0);
        let position = Position(at);
        let RecordHeaders { kind, epoch, unknown } =
            header::read(self.topic_partition.name, message.headers());
        if let Some(unknown) = unknown {
            self.context.meters.topic(self.topic_partition.name).unknown.increment(1);
            tracing::debug!(
                topic = self.topic_partition.name.as_str(),
                at,
                unknown,
                "a foreign header"
            );
        }
        // A view into what was fetched: kept, it would keep all of it.
        let payload = Bytes::copy_from_slice(message.payload().unwrap_or_default());
        Ok(Some(Frame { position, time, kind, epoch, payload }))
    }

    /// What an error of the client means.
    fn refused(&mut self, error: &rdkafka::error::KafkaError) -> Result<Taken, ReadError> {
        use RDKafkaErrorCode as Code;
        let text = error.to_string();
        match error.rdkafka_error_code() {
            // The position is out of the partition's range, and the client has stopped. Or some other
            // position was: behind a batch that it cannot read the client goes on at a number that it
            // takes out of the middle of it, and tells of that later, even after it was started
            // again. So it counts when nothing else comes.
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                self.out_of_range = true;
                Ok(Taken::Nothing)
            }
            Some(Code::TopicAuthorizationFailed) => {
                let text = format!("{text}: allow this user Read on the topic");
                self.refusal = Some((text.clone(), Instant::now()));
                Err(ReadError::Failed(text))
            }
            _ => Err(ReadError::Failed(text)),
        }
    }

    /// The cursor ends here.
    fn fail(&mut self, fault: ReadError) -> ReadError {
        self.fault = Some(fault.clone());
        fault
    }

    /// Lets the client go on, if it can.
    async fn start_again(&mut self) -> Result<(), ReadError> {
        let replaced = self.watched.as_ref().is_some_and(|watched| watched.is_replaced());
        if self.out_of_range || replaced {
            self.find_out(replaced).await?;
        }
        // It comes again.
        self.held = None;
        let (slot, from) = (Arc::clone(&self.slot), self.next);
        self.context.blocking.run(move || slot.restart(from)).await?;
        (self.stopped, self.out_of_range) = (false, false);
        Ok(())
    }

    /// Finds out why the client stopped. Fails when that ends this cursor.
    async fn find_out(&mut self, replaced: bool) -> Result<(), ReadError> {
        let TopicPartition { topic, number, partition, .. } = &self.topic_partition;
        let (partition, asked) = (*partition, Position(self.next));
        let extent = self.context.blocking.extent(self.slot.consumer(), topic, *number).await?;
        let oldest = extent.start;
        if replaced {
            return Err(self.fail(extent.replaced(partition, asked, Replacement::Younger)));
        }
        if asked < oldest {
            return Err(self.fail(ReadError::Gone { partition: partition.0, asked, oldest }));
        }
        if let Err(replaced) = extent.reaches(partition, asked) {
            self.context.identities.forget((self.topic_partition.name, partition));
            return Err(self.fail(replaced));
        }
        Ok(())
    }

    /// Whether it is to read on another consumer: having caught up, on the first one; and when its own
    /// one was replaced.
    fn is_to_move(&self) -> bool {
        self.moving.is_some() || (self.behind && self.at_end) || self.slot.consumer().is_retired()
    }

    /// Moves to another consumer.
    async fn change_consumer(&mut self) -> Result<(), ReadError> {
        let order = if self.behind && self.at_end { &TAILING } else { self.order };
        let (order, moving) = self.moving.get_or_insert_with(|| {
            let slot = self.topic_partition.take_slot(&self.context.consumers, order, self.next);
            let blocking = Arc::clone(&self.context.blocking);
            (order, tokio::spawn(async move { blocking.run(slot).await }))
        });
        let (order, moved) = (*order, moving.await);
        self.moving = None;
        // What it gives again of what the other one gave meanwhile is passed over.
        let slot = moved.map_err(|error| ReadError::Failed(error.to_string())).flatten()?;
        (self.slot, self.order) = (Arc::new(slot), order);
        self.behind &= order != TAILING;
        Ok(())
    }

    /// Waits until there may be something to take.
    pub(super) async fn wait(&mut self) -> Result<(), ReadError> {
        if self.stopped {
            self.start_again().await?;
        }
        if self.is_to_move() {
            return self.change_consumer().await;
        }
        let announced = tokio::time::timeout(self.sweep, self.slot.ready()).await.is_ok();
        self.unannounced = !announced;
        if self.out_of_range && !announced {
            self.stopped = true;
        }
        if let Some((text, told)) = &mut self.refusal
            && told.elapsed() > TELL_REFUSAL
        {
            *told = Instant::now();
            return Err(ReadError::Failed(text.clone()));
        }
        self.sweep = if announced { SWEEP } else { (self.sweep * 2).min(LONG_SWEEP) };
        Ok(())
    }
}

impl Cursor for KafkaCursor {
    fn next(&mut self, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Frame>, ReadError>> {
        Box::pin(async move {
            loop {
                let frames = self.take(max_bytes, true)?;
                if !frames.is_empty() {
                    return Ok(frames);
                }
                self.wait().await?;
            }
        })
    }
}
