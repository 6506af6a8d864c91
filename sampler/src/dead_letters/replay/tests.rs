use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use prost::Message;
use wholetrace_exporter::testing::{Backend, reply};
use wholetrace_proto::otlp::TracesData;
use wholetrace_spanlog::{
    LogTime, Position, TopicName,
    memory::{MemoryConfig, MemoryLog},
};

use super::*;
use crate::testing::{Span, frame, ids};

/// A log with dead letters, and a backend that refuses the spans it is told to.
struct Stand {
    log: MemoryLog,
    backend: Backend,
    refused: Arc<Mutex<Vec<u64>>>,
    away: Arc<AtomicBool>,
}

impl Stand {
    async fn new() -> Self {
        let log = MemoryLog::new(MemoryConfig { position_gap: 2, ..MemoryConfig::default() });
        let (refused, away) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (bad, is_away) = (Arc::clone(&refused), Arc::clone(&away));
        let backend = Backend::start(move |request| {
            if is_away.load(Ordering::Relaxed) {
                return reply(503, &[], "");
            }
            let bad = bad.lock().unwrap().iter().any(|id| ids(&request.body).contains(id));
            if bad { reply(400, &[], "no") } else { reply(200, &[], "") }
        });
        Self { log, backend: backend.await, refused, away }
    }

    async fn add(&self, partition: u32, time_ms: u64, exporter: &str, payload: &[u8]) {
        let dead_letter =
            DeadLetter { reason: "no", exporter, payload, time_ms, ..DeadLetter::default() };
        let record = Record::dead_letter(dead_letter.encode().into());
        let writer = self.log.log().dead_letters.writer;
        writer.append(Partition(partition), record).await.unwrap();
    }

    /// Three traces of one span each.
    async fn three(&self) {
        for id in 1..=3 {
            self.add((id % 2) as u32, 10 * id, "otlphttp", &spans(&[id])).await;
        }
    }

    async fn left(&self) -> Vec<u64> {
        self.left_of(Selection::default()).await
    }

    async fn left_of(&self, selection: Selection) -> Vec<u64> {
        let mut reader = DeadLettersReader::new(self.log.log().dead_letters.reader, selection);
        let mut left = Vec::new();
        while let Some(dead_letter) = reader.next().await.unwrap() {
            left.extend(ids(&dead_letter.payload));
        }
        left.sort_unstable();
        left
    }

    async fn replay(&self, change: impl FnOnce(&mut ReplaySettings)) -> Replayed {
        let mut settings = ReplaySettings {
            selection: Selection::default(),
            to: None,
            give_up_after: Duration::from_secs(3),
            dry_run: false,
        };
        change(&mut settings);
        let endpoint = self.backend.uri("http").to_string();
        let section = serde_json::json!({ "otlphttp": {
            "endpoint": endpoint,
            "retry_on_failure": { "initial_interval": "10ms", "max_interval": "20ms" },
        } });
        let section: ExportersConfig = serde_json::from_value(section).unwrap();
        Replay::new(self.log.log().dead_letters, &section, settings).run().await.unwrap()
    }

    /// The spans of requests that were taken.
    fn sent(&self) -> usize {
        let spans = |body: &[u8]| TracesData::decode(body).map_or(0, |_| ids(body).len());
        self.backend.seen().iter().map(|request| spans(&request.body)).sum()
    }
}

fn spans(ids: &[u64]) -> bytes::Bytes {
    let spans: Vec<Span> =
        ids.iter().map(|id| Span { key: *id, id: *id, ..Span::default() }).collect();
    frame(&spans)
}

#[tokio::test]
async fn what_is_delivered_is_gone_and_what_is_refused_stays() {
    let stand = Stand::new().await;
    stand.three().await;
    stand.refused.lock().unwrap().push(2);
    let replayed = stand.replay(|_| {}).await;
    let expected = Replayed { delivered: 2, spans: 2, refused: 1, ..Replayed::default() };
    assert_eq!(replayed, expected);
    assert_eq!(stand.left().await, [2]);
    stand.refused.lock().unwrap().clear();
    assert_eq!(stand.replay(|_| {}).await.delivered, 1);
    assert_eq!(stand.left().await, [0_u64; 0]);
    assert_eq!(stand.replay(|_| {}).await, Replayed::default());
    // Those that came later are not taken for settled.
    stand.add(1, 9, "otlphttp", &spans(&[4])).await;
    assert_eq!(stand.left().await, [4]);
}

#[tokio::test]
async fn of_a_letter_that_is_refused_in_part_the_rest_stays() {
    let stand = Stand::new().await;
    stand.add(0, 70, "otlphttp", &spans(&[1, 2, 3, 4])).await;
    stand.add(0, 80, "otlphttp", &spans(&[5])).await;
    stand.refused.lock().unwrap().push(3);
    let replayed = stand.replay(|_| {}).await;
    let expected = Replayed { delivered: 2, spans: 4, refused: 1, ..Replayed::default() };
    assert_eq!(replayed, expected);
    let selection = Selection { since_ms: 70, exporter: Some("otlphttp".to_owned()) };
    assert_eq!(stand.left_of(selection).await, [3], "with its time and exporter");
    assert_eq!(stand.left_of(Selection { since_ms: 71, exporter: None }).await, [0_u64; 0]);
}

#[tokio::test]
async fn a_backend_that_takes_nothing_loses_nothing() {
    let stand = Stand::new().await;
    stand.three().await;
    stand.away.store(true, Ordering::Relaxed);
    let replayed = stand.replay(|settings| settings.give_up_after = Duration::from_millis(300));
    assert_eq!(replayed.await, Replayed { unanswered: 3, ..Replayed::default() });
    assert_eq!(stand.left().await, [1, 2, 3]);
}

/// The process dies behind the delivery and before its mark.
#[tokio::test]
async fn what_is_not_marked_is_sent_again() {
    let stand = Stand::new().await;
    stand.three().await;
    stand.log.hold(TopicName::DeadLetters);
    let replay = stand.replay(|_| {});
    let died = timeout(Duration::from_millis(300), replay).await;
    assert!(died.is_err() && stand.sent() == 3);
    stand.log.crash(0);
    assert_eq!(stand.left().await, [1, 2, 3]);
    assert_eq!(stand.replay(|_| {}).await.delivered, 3);
    assert_eq!((stand.left().await, stand.sent()), (vec![], 6));
}

#[tokio::test]
async fn others_are_left_alone() {
    let stand = Stand::new().await;
    stand.three().await;
    stand.add(2, 40, "otlp/gone", &spans(&[4])).await;
    stand.add(2, 50, "", b"no spans").await;
    stand.add(2, 60, "otlphttp", b"").await;
    let dry = stand.replay(|settings| settings.dry_run = true).await;
    let expected =
        Replayed { delivered: 3, spans: 3, homeless: 1, without_spans: 2, ..Replayed::default() };
    assert_eq!((dry, stand.sent()), (expected, 0));
    let late = |settings: &mut ReplaySettings| settings.selection.since_ms = 20;
    assert_eq!(stand.replay(late).await, Replayed { delivered: 2, spans: 2, ..expected });
    assert_eq!(
        stand.left_of(Selection { since_ms: 0, exporter: Some("otlphttp".into()) }).await,
        [1]
    );
    let to = |settings: &mut ReplaySettings| {
        settings.selection.exporter = Some("otlp/gone".to_owned());
        settings.to = Some("otlphttp".to_owned());
    };
    assert_eq!(stand.replay(to).await, Replayed { delivered: 1, spans: 1, ..Replayed::default() });
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_passed_over_and_counted() {
    let log = MemoryLog::default();
    log.set_time(Some(LogTime(7)));
    let topic = log.log().dead_letters;
    let append =
        |payload: Vec<u8>| topic.writer.append(Partition(0), Record::dead_letter(payload.into()));
    let dead_letter = DeadLetter { exporter: "one", ..DeadLetter::default() }.encode();
    for payload in [dead_letter.clone(), b"\xff".to_vec(), dead_letter.clone(), dead_letter] {
        append(payload).await.unwrap();
    }
    log.damage(TopicName::DeadLetters, Partition(0), Some(Position(2)));
    // What may pass is tried again.
    log.fail_reads(TopicName::DeadLetters, 3);
    let mut reader = DeadLettersReader::new(Arc::clone(&topic.reader), Selection::default());
    let mut found = Vec::new();
    while let Some(dead_letter) = reader.next().await.unwrap() {
        found.push((dead_letter.position.0, dead_letter.time_ms));
    }
    assert_eq!((found, reader.damaged()), (vec![(0, 7), (3, 7)], 2));
    log.fail_reads(TopicName::DeadLetters, 100);
    let mut reader = DeadLettersReader::new(topic.reader, Selection::default());
    assert!(reader.next().await.is_err());
}
