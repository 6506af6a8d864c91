use std::{collections::BTreeMap, time::Duration};

use prost::Message as _;
use rdkafka::{
    ClientConfig, Message as _,
    consumer::{BaseConsumer, Consumer as _},
    mocking::MockCluster,
    producer::DefaultProducerContext,
};
use wholetrace_proto::{
    id::TraceId, jaeger::api_v2, otlp::TracesData, otlp_json, translated::Limits, wire::put_bytes,
};

use super::*;
use crate::{
    config::kafka::MessageEncoding,
    testing::frames::{self, Span},
};

const SHAPE: Shape = Shape {
    encoding: MessageEncoding::OtlpProto,
    by_trace: true,
    max_bytes: 1_000_000,
    batch_bytes: 4_000_000,
};

/// Spans of so many traces, in turn.
fn spans(traces: u64, count: u64) -> Vec<Span> {
    (0..count).map(|id| Span { key: id % traces * 8 + 1, id: id + 1, ..Span::default() }).collect()
}

/// A batch of two pieces.
fn batch(spans: &[Span]) -> Batch {
    let (one, other) = spans.split_at(spans.len() / 2);
    Batch::new(vec![frames::frame(one), frames::frame(other)], spans.len() as u64)
}

/// The services, trace ids and span ids in `messages`, each with the keys of its messages.
fn found(messages: &[(Option<String>, Vec<u8>)]) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for (key, value) in messages {
        for resource in TracesData::decode(&**value).unwrap().resource_spans {
            let service = format!("{:?}", resource.resource);
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let trace = span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
                if let Some(key) = key {
                    assert_eq!(*key, trace, "the key is the trace id");
                }
                found.push((service.clone(), trace, format!("{:?}", span.span_id)));
            }
        }
    }
    found.sort();
    found
}

fn made(batch: &Batch, shape: Shape) -> Vec<(Option<String>, Vec<u8>)> {
    let messages = messages(batch, shape).unwrap();
    messages.into_iter().map(|message| (message.key, message.value)).collect()
}

/// What a batch holds, whatever the messages.
fn whole(batch: &Batch) -> Vec<(String, String, String)> {
    found(&[(None, batch.pieces().concat())])
}

#[test]
fn a_trace_is_a_message_under_its_id() {
    let batch = batch(&spans(5, 40));
    let made = made(&batch, SHAPE);
    assert_eq!(made.len(), 5);
    assert_eq!(found(&made), whole(&batch));
}

#[test]
fn without_a_key_what_fits_is_one_message() {
    let batch = batch(&spans(5, 40));
    let shape = Shape { by_trace: false, ..SHAPE };
    let all = made(&batch, shape);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].0.as_deref(), found(&all)), (None, whole(&batch)));
}

#[test]
fn trap_08_no_message_is_larger_than_it_may_be_and_nothing_is_left_out() {
    let batch = batch(&spans(3, 200));
    for (by_trace, encoding) in [
        (true, MessageEncoding::OtlpProto),
        (false, MessageEncoding::OtlpProto),
        (true, MessageEncoding::OtlpJson),
        (false, MessageEncoding::OtlpJson),
    ] {
        let max_bytes = 2_048;
        let mut all = made(&batch, Shape { encoding, by_trace, max_bytes, ..SHAPE });
        assert!(all.len() > 3, "{by_trace} {encoding:?}");
        assert!(all.iter().all(|(_, value)| value.len() <= max_bytes), "{by_trace} {encoding:?}");
        if encoding == MessageEncoding::OtlpJson {
            for (_, value) in &mut all {
                *value = otlp_json::to_protobuf(value, &mut Limits::default()).unwrap().bytes;
            }
        }
        assert_eq!(found(&all), whole(&batch), "{by_trace} {encoding:?}");
    }
}

/// What reads such topics puts one message into a request, as our receiver of topics does.
fn of_jaeger(message: &[u8]) -> TracesData {
    let (mut batch, mut request) = (Vec::new(), Vec::new());
    put_bytes(&mut batch, 1, message);
    put_bytes(&mut request, 1, &batch);
    let translated = api_v2::to_protobuf(&request, &mut Limits::default()).unwrap();
    assert_eq!((translated.spans, translated.rejected.first()), (1, None));
    TracesData::decode(&*translated.bytes).unwrap()
}

#[test]
fn each_span_is_a_message_of_jaeger_under_the_id_of_its_trace() {
    let spans = spans(5, 40);
    let batch = batch(&spans);
    let ids = |traces: TracesData| {
        let resources = traces.resource_spans.into_iter().map(|one| {
            let mut service = one.resource.unwrap().attributes.into_iter();
            let service = service.find(|attribute| attribute.key == "service.name");
            (format!("{:?}", service.unwrap().value), one.scope_spans)
        });
        let spans = resources.flat_map(|(service, scopes)| {
            let spans = scopes.into_iter().flat_map(|scope| scope.spans);
            spans.map(move |span| (span.trace_id, span.span_id, span.name, service.clone()))
        });
        spans.collect::<Vec<_>>()
    };
    let mut whole = ids(TracesData::decode(&*batch.pieces().concat()).unwrap());
    // They have keys however the exporter is told to write them.
    for by_trace in [true, false] {
        let shape = Shape { encoding: MessageEncoding::JaegerProto, by_trace, ..SHAPE };
        let mut read = Vec::new();
        for (key, value) in made(&batch, shape) {
            let span = ids(of_jaeger(&value)).remove(0);
            let digits: String = span.0.iter().map(|byte| format!("{byte:02x}")).collect();
            let short = digits.strip_prefix("0000000000000000").unwrap_or(&digits);
            assert_eq!(key.as_deref(), Some(short));
            read.push(span);
        }
        read.sort();
        whole.sort();
        assert_eq!(read, whole);
    }
}

#[test]
fn ids_of_64_bits_are_short_in_keys_of_jaeger() {
    for (id, key) in [([0; 8], "0101010101010101"), ([1; 8], "01010101010101010101010101010101")] {
        let id = TraceId([id, [1; 8]].concat().try_into().unwrap());
        assert_eq!(messages::jaeger_key(id), key);
    }
}

/// A span of Jaeger's repeats its resource: the messages of a batch may be many times as large as that.
#[test]
fn messages_of_jaeger_have_bounds_one_by_one_and_together() {
    let spans = spans(1, 40);
    let shape = |max_bytes, batch_bytes| Shape {
        encoding: MessageEncoding::JaegerProto,
        max_bytes,
        batch_bytes,
        ..SHAPE
    };
    let together = messages(&batch(&spans), shape(1_000_000, 500)).unwrap_err();
    assert!(matches!(together, ExportError::Oversized { .. }), "{together:?}");
    let alone = Batch::new(vec![frames::frame(&spans[..1])], 1);
    assert_eq!(messages(&alone, shape(1_000_000, 1)).unwrap().len(), 1);
    let error = messages(&batch(&spans), shape(100, 4_000_000)).unwrap_err();
    assert!(matches!(error, ExportError::Rejected { .. }), "{error:?}");
    let error = messages(&alone, shape(100, 4_000_000)).unwrap_err();
    assert!(matches!(error, ExportError::Permanent { .. }), "{error:?}");
}

/// The queue halves what is rejected, until the span is alone and goes to the dead letters.
#[test]
fn a_span_that_is_larger_than_a_message_is_refused_alone() {
    let spans = spans(1, 2);
    let shape = Shape { max_bytes: 100, ..SHAPE };
    let error = messages(&batch(&spans), shape).unwrap_err();
    assert!(matches!(error, ExportError::Rejected { .. }), "{error:?}");
    let alone = Batch::new(vec![frames::frame(&spans[..1])], 1);
    let error = messages(&alone, shape).unwrap_err();
    assert!(matches!(error, ExportError::Permanent { .. }), "{error:?}");
    assert!(error.to_string().contains("`producer.max_message_bytes` is 100"), "{error}");
}

/// Brokers within this process, with a topic of four partitions.
fn brokers() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("otlp_spans", 4, 1).unwrap();
    cluster
}

fn exporter(brokers: &str) -> KafkaExporter {
    let brokers = vec![brokers.to_owned()];
    KafkaExporter::new("kafka", &KafkaExporterConfig { brokers, ..Default::default() }).unwrap()
}

#[tokio::test]
async fn what_is_acknowledged_is_in_the_topic_with_a_trace_in_one_partition() {
    let cluster = brokers();
    let exporter = exporter(&cluster.bootstrap_servers());
    let spans = spans(20, 100);
    let sent = batch(&spans);
    assert_eq!(exporter.export(sent.clone()).await, Ok(Accepted::default()));
    assert_eq!(exporter.export(sent.clone()).await, Ok(Accepted::default()));
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "test")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&["otlp_spans"]).unwrap();
    let (mut read, mut partitions) = (Vec::new(), BTreeMap::new());
    while read.len() < 40 {
        let Some(message) = consumer.poll(Duration::from_secs(10)) else { continue };
        let message = message.unwrap();
        let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
        let partition = partitions.entry(key.clone()).or_insert_with(|| message.partition());
        assert_eq!(*partition, message.partition(), "{key}");
        read.push((Some(key), message.payload().unwrap().to_vec()));
    }
    let mut twice = [whole(&sent), whole(&sent)].concat();
    twice.sort();
    assert_eq!(found(&read), twice);
    assert!(partitions.values().any(|one| Some(one) != partitions.values().next()));
}

#[tokio::test]
async fn without_brokers_spans_are_sent_again_later() {
    let mut config = KafkaExporterConfig {
        brokers: vec!["127.0.0.1:1".to_owned()],
        ..KafkaExporterConfig::default()
    };
    config.timeout = wholetrace_runtime::units::HumanDuration::from_secs(1);
    let exporter = KafkaExporter::new("kafka", &config).unwrap();
    assert_eq!(exporter.endpoint(), "127.0.0.1:1/otlp_spans");
    let error = exporter.export(batch(&spans(1, 2))).await.unwrap_err();
    assert!(matches!(error, ExportError::Retryable { .. }), "{error:?}");
    assert!(error.to_string().contains("otlp_spans"), "{error}");
}
