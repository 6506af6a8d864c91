use std::{sync::OnceLock, time::Duration};

use prost::Message as _;
use rdkafka::{
    ClientConfig, Offset,
    consumer::{BaseConsumer, Consumer as _},
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _},
};
use tokio::task::JoinHandle;
use wholetrace_proto::{
    otlp::{ExportTraceServiceRequest, ResourceSpans, ScopeSpans, Span, TracesData},
    thrift::{Kind, Protocol, Writer},
    wire::put_bytes,
};
use wholetrace_runtime::{
    metrics::{Recorder, install},
    units::{ByteSize, HumanDuration},
};
use wholetrace_spanlog::{
    Partition, TopicName,
    memory::{MemoryConfig, MemoryLog},
    routing::{Descriptor, Routing},
};

use super::*;
use crate::{
    admission::{lease::InFlightBudget, memory::MemoryGate, tenants::Tenants},
    config::tenants::AuthenticationConfig,
    ingest::framer::{Framing, ingest},
    metrics::IngestMetrics,
};

const PARTITIONS: u32 = 2;
const TOPIC: &str = "otlp_spans";
const TOPIC_PARTITIONS: i32 = 3;

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// Brokers within this process.
fn brokers() -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, TOPIC_PARTITIONS, 1).unwrap();
    cluster
}

fn config(cluster: &Cluster) -> KafkaReceiverConfig {
    KafkaReceiverConfig {
        brokers: cluster.bootstrap_servers().split(',').map(str::to_owned).collect(),
        in_flight: ByteSize::mib(1),
        ..KafkaReceiverConfig::default()
    }
}

/// A source that reads into a log in memory.
struct Stand {
    log: MemoryLog,
    shutdown: Shutdown,
    source: JoinHandle<()>,
    framer: JoinHandle<()>,
}

impl Stand {
    fn start(cluster: &Cluster) -> Self {
        Self::named("kafka", cluster)
    }

    /// One whose metrics are those of the receiver `name`.
    fn named(name: &str, cluster: &Cluster) -> Self {
        let log =
            MemoryLog::new(MemoryConfig { partitions: PARTITIONS, ..MemoryConfig::default() });
        Self::over_as(name, cluster, log)
    }

    fn over(cluster: &Cluster, log: MemoryLog) -> Self {
        Self::over_as("kafka", cluster, log)
    }

    fn over_as(name: &str, cluster: &Cluster, log: MemoryLog) -> Self {
        let descriptor = Descriptor { epoch: 1, seed: 7, partitions: PARTITIONS };
        let framing = Framing {
            epoch: 1,
            frame_bytes: 1 << 18,
            append_timeout: Duration::from_millis(500),
            log_in_flight: 64 << 20,
        };
        let (ingest, framer) = ingest(log.log().spans.writer, framing, 1_000, IngestMetrics::new());
        let in_flight = InFlightBudget::new(64 << 20);
        let admission = Admission {
            tenants: Tenants::new(&AuthenticationConfig::default(), &in_flight),
            memory: MemoryGate::new(u64::MAX),
            in_flight,
            request_timeout: Duration::from_secs(1),
            body_rate_min: 0,
        };
        let metrics = ReceiverMetrics::new(name);
        let intake = Intake {
            routing: Routing::new(descriptor).unwrap(),
            ingest,
            message_bytes_max: 8 << 20,
            span_bytes_max: 1 << 20,
            metrics: metrics.clone(),
        };
        let source =
            KafkaSource::new(name, &config(cluster), &admission, Arc::new(intake), metrics);
        let shutdown = Shutdown::new();
        let running = source.unwrap().run(shutdown.clone(), Duration::from_secs(1));
        Self { log, shutdown, source: tokio::spawn(running), framer: tokio::spawn(framer.run()) }
    }

    /// The names of the spans in the log.
    fn names(&self) -> Vec<String> {
        let frames = (0..PARTITIONS)
            .flat_map(|partition| self.log.frames(TopicName::Spans, Partition(partition)));
        let spans = frames.flat_map(|frame| {
            let traces = TracesData::decode(frame.payload).unwrap().resource_spans;
            let scopes = traces.into_iter().flat_map(|resource| resource.scope_spans);
            scopes.flat_map(|scope| scope.spans).collect::<Vec<_>>()
        });
        let mut names: Vec<String> = spans.map(|span| span.name).collect();
        names.sort();
        names
    }

    /// The same without what is there again.
    fn distinct(&self) -> Vec<String> {
        let mut names = self.names();
        names.dedup();
        names
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..1_200 {
            if is_so(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what}: not within a minute; {} are there", self.names().len());
    }

    fn stick(&self, stuck: bool) {
        let all = (0..PARTITIONS).map(Partition);
        all.for_each(|partition| self.log.stick(TopicName::Spans, partition, stuck));
    }

    async fn end(self) {
        self.shutdown.request();
        self.source.await.unwrap();
        // A log that is stuck answers it never.
        self.framer.abort();
    }
}

fn span(id: u64, name: &str) -> Span {
    let trace_id = [1_u64.to_be_bytes(), id.to_be_bytes()].concat();
    Span { trace_id, span_id: vec![1; 8], name: name.to_owned(), ..Span::default() }
}

fn otlp(spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// Writes messages to the topic, one partition after the other.
fn write(cluster: &Cluster, messages: &[Vec<u8>]) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
    for (number, message) in (0..TOPIC_PARTITIONS).cycle().zip(messages) {
        let record = BaseRecord::<(), [u8]>::to(TOPIC).payload(message).partition(number);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// Writes thirty messages, three times as much as may be in flight. Gives the names of their spans.
fn write_large(cluster: &Cluster) -> Vec<String> {
    let names: Vec<String> =
        (0..30).map(|number| format!("{number:02}{}", "x".repeat(100_000))).collect();
    let message = |(id, name): (u64, &String)| otlp(vec![span(id, name)]);
    write(cluster, &(0..).zip(&names).map(message).collect::<Vec<_>>());
    names
}

/// How many messages are marked in the group, by what the brokers have stored.
fn marked(cluster: &Cluster) -> i64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", KafkaReceiverConfig::default().group_id)
        .create()
        .unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_range(TOPIC, 0, TOPIC_PARTITIONS - 1);
    let stored = consumer.committed_offsets(list, Duration::from_secs(30)).unwrap();
    let offsets = stored.elements().into_iter().map(|one| match one.offset() {
        Offset::Offset(offset) => offset,
        _ => 0,
    });
    offsets.sum()
}

fn recorder() -> &'static Recorder {
    static RECORDER: OnceLock<Recorder> = OnceLock::new();
    RECORDER.get_or_init(|| install(&[crate::METRICS]).unwrap())
}

/// The spans of the receiver `kafka/bad` that were refused for `reason`.
fn spans_refused(reason: &str) -> u64 {
    let label = format!("reason=\"{reason}\"");
    let lines = recorder().render();
    let mine = lines.lines().filter(|line| {
        let is_ours = line.contains("kafka/bad") && line.contains(&label);
        is_ours && line.starts_with("wholetrace_gateway_spans_refused_total")
    });
    mine.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// A message with these fields.
fn fields(fields: &[(u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|(number, bytes)| put_bytes(&mut out, *number, bytes));
    out
}

/// Of each encoding: the bad span costs nobody else, and is counted by its reason.
#[tokio::test(flavor = "multi_thread")]
async fn trap_05_a_bad_span_fails_no_message() {
    recorder();
    let cluster = brokers();
    let (long, id) = ([7; 16], [2; 8]);
    let json = |ids: &str, rest: &str| format!(r#"{{{ids},"name":"good"}},{rest}"#);
    let otlp_ids = r#""traceId":"00000000000000010000000000000007","spanId":"00000000000000aa""#;
    let otlp_json = json(otlp_ids, r#"{"traceId":"7"},{"name":7}"#);
    let zipkin_json = json(r#""traceId":"7","id":"2""#, r#"{"traceId":"7"},null"#);
    let good = fields(&[(1, &long), (3, &id), (5, b"good")]);
    let no_id = fields(&[(1, &long), (5, b"bad")]);
    let mut thrift = Writer::new(Protocol::Binary);
    thrift.put_list(Kind::Struct, 2);
    for (trace, name) in [(7, "good"), (0, "bad")] {
        thrift.structure(|span| {
            span.i64(1, trace);
            span.text(3, name);
            span.i64(4, 2);
        });
    }
    let cut_off = [&good[..], &[0x5a, 2, 0x0a, 9]].concat();
    write(
        &cluster,
        &[
            otlp(vec![span(1, "good"), Span::default(), span(2, "good")]),
            format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{otlp_json}]}}]}}]}}"#).into(),
            format!("[{zipkin_json}]").into(),
            fields(&[(1, &good), (1, &no_id), (1, &cut_off)]),
            thrift.into_bytes(),
            // A span in each message.
            fields(&[(1, &long), (2, &id), (3, b"good")]),
            fields(&[(1, &long), (2, &[0; 8]), (3, b"bad")]),
            fields(&[(1, &long), (2, &id), (3, b"bad"), (8, &[0x0a, 9])]),
        ],
    );
    let stand = Stand::named("kafka/bad", &cluster);
    stand.until("all spans", |stand| stand.names().len() == 7).await;
    stand.until("all marks", |_| marked(&cluster) == 8).await;
    assert_eq!(stand.names(), vec!["good"; 7]);
    assert_eq!((spans_refused("span_id"), spans_refused("span_malformed")), (6, 4));
    stand.end().await;
}

/// What cannot be read stops nobody, a bad span fails nobody, and all of it is marked at the end.
#[tokio::test(flavor = "multi_thread")]
async fn messages_of_all_formats_come_into_the_log() {
    let cluster = brokers();
    let trace = "00000000000000010000000000000007";
    let span_json =
        format!(r#"{{"traceId":"{trace}","spanId":"00000000000000aa","name":"otlp-json"}}"#);
    let json = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span_json}]}}]}}]}}"#);
    let zipkin = format!(
        r#"[{{"traceId":"{trace}","id":"00000000000000ab","name":"zipkin"}},{{"id":"no trace"}}]"#
    );
    let messages = [
        otlp(vec![span(1, "otlp"), Span::default(), span(2, "otlp")]),
        json.into_bytes(),
        zipkin.into_bytes(),
        b"{ nothing that can be read".to_vec(),
        b"\x0a\xff\xff".to_vec(),
        Vec::new(),
        otlp(vec![span(3, "last")]),
    ];
    write(&cluster, &messages);
    let stand = Stand::start(&cluster);
    stand.until("all spans", |stand| stand.names().len() == 5).await;
    assert_eq!(stand.names(), ["last", "otlp", "otlp", "otlp-json", "zipkin"]);
    stand.until("all marks", |_| marked(&cluster) == 7).await;
    stand.end().await;
}

/// More than may be in flight, so that reading pauses; and nothing is marked that the log has not.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_does_not_take_is_not_marked_and_comes_again() {
    let cluster = brokers();
    let expected = write_large(&cluster);
    let stand = Stand::start(&cluster);
    stand.stick(true);
    // Whatever came before the log stuck is in it; the others wait, and are not marked.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let log = stand.log.clone();
    let before = stand.names().len();
    stand.end().await;
    assert!(marked(&cluster) <= before as i64, "{before} were in the log");
    let stand = Stand::over(&cluster, log);
    stand.stick(false);
    stand.until("all spans", |stand| stand.distinct() == expected).await;
    // Those that came to the log too late are tried again before.
    stand.until("all marks", |_| marked(&cluster) == 30).await;
    stand.end().await;
}

/// A process that goes on reading after the log was away: it needs no restart.
#[tokio::test(flavor = "multi_thread")]
async fn reading_goes_on_when_the_log_does() {
    let cluster = brokers();
    let stand = Stand::start(&cluster);
    stand.stick(true);
    let expected = write_large(&cluster);
    // Longer than it waits for room before it pauses.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(marked(&cluster), 0);
    stand.stick(false);
    stand.until("all spans", |stand| stand.distinct() == expected).await;
    // Those that came to the log too late are tried again before.
    stand.until("all marks", |_| marked(&cluster) == 30).await;
    stand.end().await;
}

#[test]
fn mistakes_of_the_configuration_are_told() {
    let config = KafkaReceiverConfig {
        brokers: vec!["kafka".to_owned()],
        traces: serde_json::from_str(r#"{"topics": [], "exclude_topics": ["logs"]}"#).unwrap(),
        heartbeat_interval: HumanDuration::from_secs(5),
        ..KafkaReceiverConfig::default()
    };
    let mut problems = wholetrace_runtime::problems::Problems::new();
    config.check("receivers.kafka", &mut problems);
    let told: Vec<String> = problems.errors().iter().map(ToString::to_string).collect();
    for expected in ["brokers", "traces.topics", "traces.exclude_topics", "heartbeat_interval"] {
        assert!(told.iter().any(|one| one.contains(expected)), "{expected}: {told:?}");
    }
    assert_eq!(told.len(), 4, "{told:?}");
}
