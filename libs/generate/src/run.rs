//! Runs a plan: paces the traces, fills requests, and tells how it went.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::Instant,
};

use super::{
    encode::{Encoder, Spans},
    ids,
    options::Options,
    record::{Record, Sent},
    schedule::{MIXED_TRACES, Schedule},
    send::{Delivered, Sender},
    shape,
};

/// How often spans that are due leave.
const TICK: Duration = Duration::from_millis(10);
/// How long a span waits for its request to fill, at a rate.
const FLUSH: Duration = Duration::from_millis(200);
/// Traces that begin at once at most. A load that was held back catches up step by step, since all
/// that is encoded waits in memory until it is sent.
const MOST_TRACES: u64 = 2_000;
/// Spans that are encoded at once at most.
const MOST_SPANS: usize = 50_000;
/// Requests that wait for a connection.
const WAITING_REQUESTS: usize = 2;
/// Requests that are under way in an open loop at most.
const OPEN_REQUESTS: usize = 4_096;

/// A request on its way to a connection.
struct Request {
    body: Bytes,
    spans: u64,
    sent: Vec<Sent>,
}

/// Longest time to an answer that is told exactly, in milliseconds.
const ANSWER_MAX: usize = 10_000;

/// How many requests were answered after how many milliseconds.
#[derive(Clone, Debug, Default)]
struct Answers(Vec<u64>);

impl Answers {
    fn add(&mut self, after: Duration) {
        let millis = usize::try_from(after.as_millis()).map_or(ANSWER_MAX, |it| it.min(ANSWER_MAX));
        if self.0.len() <= millis {
            self.0.resize(millis + 1, 0);
        }
        if let Some(count) = self.0.get_mut(millis) {
            *count += 1;
        }
    }

    /// The time, in milliseconds, within which this share of the requests was answered.
    fn within(&self, share: f64) -> usize {
        let wanted = self.0.iter().sum::<u64>() as f64 * share;
        let mut seen = 0;
        let found = self.0.iter().position(|count| {
            seen += count;
            seen as f64 >= wanted
        });
        found.map_or(0, |millis| millis + 1)
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
struct Totals {
    traces: u64,
    spans: u64,
    requests: u64,
    repeats: u64,
    rejected: u64,
    failed: u64,
    /// From the first try to the acknowledgement.
    answers: Answers,
}

/// Sends what `options` say and prints a summary.
///
/// # Errors
/// When the endpoint is no address, nothing could be delivered, the ids cannot be read or the record
/// cannot be written.
pub async fn run(mut options: Options) -> anyhow::Result<()> {
    let ids = options.ids.as_deref().map(ids::read).transpose()?.unwrap_or_default();
    if !ids.is_empty() {
        let most = ids.len() as u64;
        options.traces = if options.traces == 0 { most } else { most.min(options.traces) };
    }
    let begun = Instant::now();
    let totals = Arc::new(Mutex::new(Totals::default()));
    let record = options.record.is_some().then(|| Arc::new(Mutex::new(Record::default())));
    let mut connections = JoinSet::new();
    let mut requests = Vec::new();
    let told = Arc::new(AtomicBool::new(false));
    let open = options.open_loop.then(|| Arc::new(Semaphore::new(OPEN_REQUESTS)));
    for service in 0..usize::from(options.services) {
        let (sender, receiver) = mpsc::channel(WAITING_REQUESTS);
        let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
        for number in 0..usize::from(options.connections) {
            let delivery = Delivery {
                connection: Sender::new(&options, service + number, &told)?,
                totals: totals.clone(),
                record: record.clone(),
            };
            let requests = receiver.clone();
            match &open {
                None => connections.spawn(delivery.one_after_the_other(requests)),
                Some(open) => connections.spawn(delivery.each_at_its_time(requests, open.clone())),
            };
        }
        requests.push(sender);
    }
    let mut producer = Producer::new(&options, (requests, ids), record.clone());
    tokio::select! {
        () = producer.run() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    let traces = producer.begun_traces;
    producer.flush_all().await;
    drop(producer);
    let mut first_error = None;
    while let Some(ended) = connections.join_next().await {
        if let Err(error) = ended.unwrap_or_else(|error| Err(error.into())) {
            first_error.get_or_insert(error);
        }
    }
    let mut totals = std::mem::take(&mut *totals.lock().unwrap_or_else(PoisonError::into_inner));
    totals.traces = traces;
    if let (Some(path), Some(record)) = (&options.record, record) {
        let record = std::mem::take(&mut *record.lock().unwrap_or_else(PoisonError::into_inner));
        record
            .write(path)
            .map_err(|error| anyhow::anyhow!("writing the record `{}`: {error}", path.display()))?;
    }
    print_summary(&totals, begun.elapsed());
    first_error.map_or(Ok(()), Err)
}

#[expect(clippy::print_stdout, reason = "the summary is what the command is for")]
fn print_summary(totals: &Totals, elapsed: Duration) {
    let Totals { traces, spans, requests, repeats, rejected, failed, answers } = totals;
    let seconds = elapsed.as_secs_f64();
    println!(
        "{spans} spans of {traces} traces acknowledged in {requests} requests and {seconds:.1} s ({:.0} spans/s); \
         {repeats} repeats, {rejected} spans rejected, {failed} spans not delivered; \
         half of the requests within {} ms, 99 % within {} ms",
        *spans as f64 / seconds.max(0.001),
        answers.within(0.5),
        answers.within(0.99)
    );
}

/// Plans, paces and batches.
struct Producer<'a> {
    options: &'a Options,
    /// Those that somebody has chosen, if any.
    ids: Vec<[u8; 16]>,
    encoder: Encoder,
    requests: Vec<mpsc::Sender<Request>>,
    open: Vec<(Spans, Vec<Sent>)>,
    schedule: Schedule,
    record: Option<Arc<Mutex<Record>>>,
    begun: Instant,
    begun_traces: u64,
    /// Nobody takes requests any more.
    over: bool,
    /// Whether it was said what follows the last trace.
    told: bool,
}

impl<'a> Producer<'a> {
    fn new(
        options: &'a Options,
        (requests, ids): (Vec<mpsc::Sender<Request>>, Vec<[u8; 16]>),
        record: Option<Arc<Mutex<Record>>>,
    ) -> Self {
        Self {
            options,
            ids,
            encoder: Encoder::new(options),
            open: requests.iter().map(|_| Default::default()).collect(),
            requests,
            schedule: Schedule::default(),
            record,
            begun: Instant::now(),
            begun_traces: 0,
            over: false,
            told: false,
        }
    }

    async fn run(&mut self) {
        if self.options.rate > 0.0 { self.run_paced().await } else { self.run_unpaced().await }
    }

    /// Whether the run is over, and how many traces it may begin at once if not.
    fn room(&self, wanted: u64) -> u64 {
        let options = self.options;
        if self.over || !options.duration.is_zero() && self.begun.elapsed() >= options.duration {
            return 0;
        }
        if options.traces == 0 { wanted } else { wanted.min(options.traces - self.begun_traces) }
    }

    async fn run_paced(&mut self) {
        let late_by = micros(self.options.late_by);
        let mut tick = tokio::time::interval(TICK);
        let mut flushed = Instant::now();
        loop {
            tick.tick().await;
            let now = micros(self.begun.elapsed());
            let target = (now as f64 / 1e6 * self.options.rate) as u64;
            let room = self.room(target.saturating_sub(self.begun_traces));
            for _ in 0..room.min(MOST_TRACES) {
                self.begin(now, late_by);
            }
            while self.leave(now).await {}
            if flushed.elapsed() >= FLUSH {
                self.flush_all().await;
                flushed = Instant::now();
            }
            if self.over || self.room(1) == 0 {
                if self.over || self.schedule.next_due().is_none() {
                    return;
                }
                self.tell_what_follows(now);
            }
        }
    }

    /// Says once, when the last trace has begun, how long its spans and late ones are to come.
    #[expect(clippy::print_stderr, reason = "it is for who waits at the terminal")]
    fn tell_what_follows(&mut self, now: u64) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let left = self.schedule.last_due().unwrap_or(now).saturating_sub(now).div_ceil(1_000_000);
        if left > 1 {
            let traces = self.begun_traces;
            eprintln!("{traces} traces are begun; their slow and late spans follow for {left} s");
        }
    }

    async fn run_unpaced(&mut self) {
        loop {
            let room = self.room(MIXED_TRACES as u64);
            if room == 0 {
                return;
            }
            let now = micros(self.begun.elapsed());
            for _ in 0..room {
                self.begin(now, 0);
            }
            while self.leave(u64::MAX).await {}
        }
    }

    fn begin(&mut self, now: u64, late_by: u64) {
        let mut trace = shape::plan(self.options, self.begun_traces);
        let chosen = usize::try_from(self.begun_traces).ok().and_then(|at| self.ids.get(at));
        trace.id = chosen.copied().unwrap_or(trace.id);
        self.begun_traces += 1;
        if let Some(record) = &self.record {
            record.lock().unwrap_or_else(PoisonError::into_inner).plan(&trace);
        }
        self.schedule.begin(trace, now, late_by);
    }

    /// Sends of what is due at `now` a part, as full requests. Tells whether there is more.
    async fn leave(&mut self, now: u64) -> bool {
        let since_epoch =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let run_start = u64::try_from(since_epoch.as_nanos())
            .unwrap_or_default()
            .saturating_sub(micros(self.begun.elapsed()) * 1_000);
        let mut full = Vec::new();
        let (open, encoder, recording) = (&mut self.open, &self.encoder, self.record.is_some());
        let batch = u64::from(self.options.batch);
        let more = self.schedule.due(now, MOST_SPANS, |trace, start, index| {
            let Some(span) = trace.spans.get(index) else { return };
            let Some((spans, sent)) = open.get_mut(usize::from(span.service)) else { return };
            encoder.span(trace.id, run_start + start * 1_000, span, spans);
            if recording {
                sent.push(Sent { trace_id: trace.id, span_id: span.id });
            }
            if spans.count >= batch {
                full.push((span.service, std::mem::take(spans), std::mem::take(sent)));
            }
        });
        for (service, spans, sent) in full {
            self.send(service, spans, sent).await;
        }
        more
    }

    async fn flush_all(&mut self) {
        for service in 0..self.options.services {
            let Some((spans, sent)) = self.open.get_mut(usize::from(service)) else { continue };
            let (spans, sent) = (std::mem::take(spans), std::mem::take(sent));
            if spans.count > 0 {
                self.send(service, spans, sent).await;
            }
        }
    }

    async fn send(&mut self, service: u8, spans: Spans, sent: Vec<Sent>) {
        let request = Request {
            body: self.encoder.request(service, &spans).into(),
            spans: spans.count,
            sent,
        };
        if let Some(requests) = self.requests.get(usize::from(service)) {
            // Fails once all its connections have given up; they report why.
            self.over |= requests.send(request).await.is_err();
        }
    }
}

/// Delivers requests of one service by one connection, and notes what became of them.
#[derive(Clone)]
struct Delivery {
    connection: Sender,
    totals: Arc<Mutex<Totals>>,
    record: Option<Arc<Mutex<Record>>>,
}

/// Where the requests of one service come from; its connections share it.
type Requests = Arc<tokio::sync::Mutex<mpsc::Receiver<Request>>>;

impl Delivery {
    /// Until there are no more, or until it is clear that nobody takes any.
    async fn one_after_the_other(mut self, requests: Requests) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        loop {
            let request = requests.lock().await.recv().await;
            let Some(request) = request else { return outcome };
            outcome = outcome.and(self.deliver(&request).await);
            if outcome.is_err() && self.totals().requests == 0 {
                return outcome;
            }
        }
    }

    /// The same, without waiting for the answers.
    async fn each_at_its_time(
        self,
        requests: Requests,
        open: Arc<Semaphore>,
    ) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        let mut under_way = JoinSet::new();
        loop {
            while let Some(ended) = under_way.try_join_next() {
                let ended = ended.unwrap_or_else(|error| Err(error.into()));
                outcome = outcome.and(ended);
            }
            let request = requests.lock().await.recv().await;
            let Some(request) = request else { break };
            let Ok(permit) = Arc::clone(&open).try_acquire_owned() else {
                self.totals().failed += request.spans;
                continue;
            };
            let mut delivery = self.clone();
            under_way.spawn(async move {
                let delivered = delivery.deliver(&request).await;
                drop(permit);
                delivered
            });
        }
        while let Some(ended) = under_way.join_next().await {
            let ended = ended.unwrap_or_else(|error| Err(error.into()));
            outcome = outcome.and(ended);
        }
        outcome
    }

    async fn deliver(&mut self, request: &Request) -> anyhow::Result<()> {
        let begun = Instant::now();
        let delivered = self.connection.deliver(&request.body).await;
        let mut totals = self.totals();
        match delivered {
            Ok(Delivered { repeats, rejected }) => {
                totals.spans += request.spans - rejected.min(request.spans);
                totals.requests += 1;
                totals.answers.add(begun.elapsed());
                totals.repeats += repeats;
                totals.rejected += rejected;
                if let Some(record) = &self.record {
                    record.lock().unwrap_or_else(PoisonError::into_inner).acknowledge(
                        &request.sent,
                        begun,
                        repeats > 0,
                    );
                }
                Ok(())
            }
            Err(error) => {
                totals.failed += request.spans;
                Err(error)
            }
        }
    }

    fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
