//! The framer over a log in memory, in paused time.

use std::collections::BTreeSet;

use proptest::prelude::*;
use prost::Message;
use tokio::{task::JoinHandle, time::sleep};
use wholetrace_proto::otlp::{
    ExportTraceServiceRequest, ResourceSpans, ScopeSpans, Span, TracesData,
};
use wholetrace_runtime::budget::ByteBudget;
use wholetrace_spanlog::{
    Partition, TopicName,
    memory::{AppendFault, MemoryConfig, MemoryLog},
    routing::{Descriptor, Routing},
};

use super::*;
use crate::split::split;

mod off_workers;
mod overload;

const PARTITIONS: u32 = 4;
const TIMEOUT: Duration = Duration::from_secs(4);
const LINGER: Duration = Duration::from_millis(100);

/// A framer at work, and what is needed to send to it.
struct Stand {
    log: MemoryLog,
    routing: Routing,
    budget: ByteBudget,
    ingest: Ingest,
    framer: JoinHandle<()>,
    sent: u64,
}

impl Stand {
    fn start(linger: Duration, log_in_flight: usize) -> Self {
        Self::with(MemoryConfig { linger, ..MemoryConfig::default() }, log_in_flight)
    }

    fn with(config: MemoryConfig, log_in_flight: usize) -> Self {
        let log = MemoryLog::new(MemoryConfig { partitions: PARTITIONS, ..config });
        let writer = log.log().spans.writer;
        Self { log, ..Self::over(writer, log_in_flight) }
    }

    /// One that writes by `writer`.
    fn over(writer: Arc<dyn Writer>, log_in_flight: usize) -> Self {
        let log = MemoryLog::new(MemoryConfig::default());
        let descriptor = Descriptor { epoch: 1, seed: 7, partitions: PARTITIONS };
        let framing =
            Framing { epoch: 1, frame_bytes: 1 << 18, append_timeout: TIMEOUT, log_in_flight };
        let (ingest, framer) = ingest(writer, framing, 1_000, IngestMetrics::new());
        Self {
            log,
            routing: Routing::new(descriptor).unwrap(),
            budget: ByteBudget::new("test", 1 << 30),
            ingest,
            framer: tokio::spawn(framer.run()),
            sent: 0,
        }
    }

    /// A trace of `partition`.
    fn trace(&self, partition: u32) -> u64 {
        (1..).find(|key| self.routing.partition(*key) == Partition(partition)).unwrap()
    }

    /// Sends a request with a span of `bytes` for each of `partitions`; its number names them.
    fn send(&mut self, partitions: &[u32], bytes: usize) -> JoinHandle<Outcome> {
        self.sent += 1;
        let name = format!("{:06}{}", self.sent, "x".repeat(bytes));
        let spans = partitions.iter().map(|partition| {
            let mut trace_id = vec![9; 8];
            trace_id.extend_from_slice(&self.trace(*partition).to_be_bytes());
            Span { trace_id, span_id: vec![1; 8], name: name.clone(), ..Span::default() }
        });
        let scope_spans = vec![ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let lease = RequestLease::take(&self.budget, body.len()).unwrap();
        let split = split(body.into(), &self.routing, 1 << 20, None).unwrap();
        let ingest = self.ingest.clone();
        tokio::spawn(async move { ingest.append(split, lease).await })
    }

    /// Numbers of the requests with spans in `partition`, as they stand there.
    fn numbers(&self, partition: u32) -> Vec<u64> {
        let frames = self.log.frames(TopicName::Spans, Partition(partition));
        let spans = frames.into_iter().flat_map(|frame| {
            let traces = TracesData::decode(frame.payload).unwrap();
            let scopes = traces.resource_spans.into_iter().flat_map(|all| all.scope_spans);
            scopes.flat_map(|scope| scope.spans).collect::<Vec<_>>()
        });
        spans.map(|span| span.name[..6].parse().unwrap()).collect()
    }

    fn frames(&self) -> Vec<usize> {
        let frames = |partition| self.log.frames(TopicName::Spans, Partition(partition)).len();
        (0..PARTITIONS).map(frames).collect()
    }

    fn stick(&self, partition: u32, stuck: bool) {
        self.log.stick(TopicName::Spans, Partition(partition), stuck);
    }

    /// Ends the framer, and sees that nothing is held any more.
    async fn end(self) {
        drop(self.ingest);
        self.framer.await.unwrap();
        assert_eq!(self.budget.used(), 0);
    }
}

/// All that comes within a period leaves at one moment, a frame for each partition.
#[tokio::test(start_paused = true)]
async fn what_comes_within_a_period_leaves_together() {
    let mut stand = Stand::start(LINGER, 64 << 20);
    // The first one does not wait for others.
    stand.send(&[0], 10).await.unwrap().unwrap();
    assert_eq!(stand.frames(), [1, 0, 0, 0]);
    let sends: Vec<_> = (0..20).map(|number| stand.send(&[number % 3], 10)).collect();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(stand.frames(), [1, 0, 0, 0]);
    for send in sends {
        send.await.unwrap().unwrap();
    }
    assert_eq!(stand.frames(), [2, 1, 1, 0]);
    stand.end().await;
}

/// Of a burst that the log has no room for, the older requests are taken; of the others nothing is
/// written.
#[tokio::test(start_paused = true)]
async fn what_there_is_no_room_for_is_refused_before_it_is_written() {
    let config =
        MemoryConfig { linger: LINGER, max_waiting_bytes: 250_000, ..MemoryConfig::default() };
    let mut stand = Stand::with(config, 64 << 20);
    stand.log.hold(TopicName::Spans);
    let first = stand.send(&[0], 10_000);
    sleep(LINGER).await;
    let mut sends = vec![first];
    sends.extend((0..16).map(|_| stand.send(&[0, 1, 2, 3], 10_000)));
    sleep(LINGER * 3).await;
    stand.log.resume(TopicName::Spans);
    let mut taken = BTreeSet::new();
    for (send, number) in sends.into_iter().zip(1..) {
        match send.await.unwrap() {
            Ok(()) => _ = taken.insert(number),
            Err(refused) => assert_eq!(refused.reason.label(), "log_busy"),
        }
    }
    assert_eq!(taken, BTreeSet::from([1, 2, 3, 4, 5]));
    for partition in 0..PARTITIONS {
        assert!(stand.numbers(partition).iter().all(|number| taken.contains(number)));
    }
    stand.end().await;
}

/// What has the size of a burst does not wait for the moment.
#[tokio::test(start_paused = true)]
async fn what_is_large_leaves_before_the_moment() {
    let mut stand = Stand::start(Duration::from_secs(1), 64 << 20);
    stand.send(&[0], 10).await.unwrap().unwrap();
    let begun = Instant::now();
    let sends: Vec<_> = (0..4).map(|number| stand.send(&[number], 300_000)).collect();
    for send in sends {
        send.await.unwrap().unwrap();
    }
    assert_eq!(Instant::now(), begun, "no time passes");
    stand.end().await;
}

/// A frame that fails refuses the requests with spans in it, and not the others of its burst.
#[tokio::test(start_paused = true)]
async fn a_failed_frame_refuses_its_own_requests_of_a_burst() {
    let mut stand = Stand::start(LINGER, 64 << 20);
    stand.send(&[0], 10).await.unwrap().unwrap();
    let (first, both, second) =
        (stand.send(&[1], 10), stand.send(&[1, 2], 10), stand.send(&[2], 10));
    // Frames are handed over by partition.
    stand.log.plan(TopicName::Spans, &AppendFault::FailBefore, 1);
    let reason = |outcome: Outcome| outcome.unwrap_err().reason;
    assert_eq!(reason(first.await.unwrap()), RejectReason::LogFailed);
    assert_eq!(reason(both.await.unwrap()), RejectReason::LogFailed);
    assert_eq!(second.await.unwrap(), Ok(()));
    assert_eq!(stand.frames(), [1, 0, 1, 0]);
    stand.end().await;
}

/// Others go on as ever while one partition is silent for long, whatever is sent to it.
#[tokio::test(start_paused = true)]
async fn a_stuck_partition_costs_the_others_nothing() {
    for linger in [Duration::ZERO, LINGER] {
        let mut stand = Stand::start(linger, 4 << 20);
        stand.stick(0, true);
        let mut refused = BTreeSet::new();
        let mut waiting = Vec::new();
        for round in 0..200 {
            // 2 MB a second for it, of which it may have 1 MiB.
            waiting.push(stand.send(&[0], 100_000));
            waiting.push(stand.send(&[3, 0, 2], 10));
            let well = stand.send(&[1 + round % 3], 1_000);
            sleep(Duration::from_millis(50)).await;
            // Once it is known to be stuck, nobody waits for it.
            if well.is_finished() || round > 60 {
                assert_eq!(well.await.unwrap(), Ok(()), "round {round}, {linger:?}");
            }
        }
        for send in waiting {
            refused.insert(send.await.unwrap().unwrap_err().reason.label());
        }
        assert_eq!(refused, BTreeSet::from(["log_stuck", "log_timeout"]));
        stand.stick(0, false);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(stand.send(&[0, 1, 2, 3], 10).await.unwrap(), Ok(()));
        stand.end().await;
    }
}

/// What happens in a random run.
#[derive(Clone, Debug)]
enum Event {
    Send(BTreeSet<u32>, usize),
    Stick(u32, bool),
    Fault(AppendFault),
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let partitions = prop::collection::btree_set(0..PARTITIONS, 1..=4);
    let event = prop_oneof![
        6 => (partitions, prop_oneof![Just(10), Just(5_000), Just(150_000)])
            .prop_map(|(partitions, bytes)| Event::Send(partitions, bytes)),
        1 => (0..PARTITIONS, any::<bool>()).prop_map(|(partition, on)| Event::Stick(partition, on)),
        1 => prop_oneof![
            Just(AppendFault::FailBefore),
            Just(AppendFault::FailAfter),
            Just(AppendFault::Duplicate)
        ]
        .prop_map(Event::Fault),
        3 => prop_oneof![Just(1), Just(60), Just(700), Just(3_000)].prop_map(Event::Wait),
    ];
    prop::collection::vec(event, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever sticks and fails: each request is answered, what was acknowledged is in the log,
    /// what has only to do with healthy partitions is acknowledged, and all bytes come back.
    #[test]
    fn prop_acknowledged_is_durable_and_nothing_hangs(
        events in events(),
        bursts in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(events, if bursts { LINGER } else { Duration::ZERO }));
    }
}

async fn run(events: Vec<Event>, linger: Duration) {
    let mut stand = Stand::start(linger, 2 << 20);
    let faults = events.iter().any(|event| matches!(event, Event::Fault(_)));
    let ever_stuck: BTreeSet<u32> = events
        .iter()
        .filter_map(|event| match event {
            Event::Stick(partition, true) => Some(*partition),
            _ => None,
        })
        .collect();
    let mut sends = Vec::new();
    for event in events {
        match event {
            Event::Send(partitions, bytes) => {
                let all: Vec<u32> = partitions.iter().copied().collect();
                sends.push((stand.sent + 1, partitions, stand.send(&all, bytes)));
            }
            Event::Stick(partition, on) => stand.stick(partition, on),
            Event::Fault(fault) => stand.log.plan(TopicName::Spans, &fault, 1),
            Event::Wait(millis) => sleep(Duration::from_millis(millis)).await,
        }
    }
    for (number, partitions, send) in sends {
        let outcome = send.await.unwrap();
        if outcome.is_ok() {
            for partition in &partitions {
                assert!(stand.numbers(*partition).contains(&number), "{number} in {partition}");
            }
        } else {
            assert!(faults || !partitions.is_disjoint(&ever_stuck), "{number}: {outcome:?}");
        }
    }
    for partition in 0..PARTITIONS {
        stand.stick(partition, false);
    }
    stand.end().await;
}
