//! The mapping that a fleet has agreed on: a record in a topic of its own.
//!
//! The topic has one partition and is compacted. The record's key is `descriptor`, its value JSON:
//! `{"epoch":1,"seed":"0123456789abcdef","partitions":128}`, the seed being the 64-bit key of the
//! hashes in [`routing`](wholetrace_spanlog::routing), in hexadecimal digits. The record with the
//! highest epoch counts, and of several with that epoch the first: who drew a seed at the same time
//! as somebody else gives way.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Message as _, Offset, TopicPartitionList,
    config::FromClientConfigAndContext as _,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, KafkaResult},
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext},
};
use serde::{Deserialize, Serialize};
use wholetrace_spanlog::routing::{Descriptor, Routing};

use super::{client, config::KafkaConfig, topics::TopicsError};

/// The key of the record.
const KEY: &str = "descriptor";
/// The epoch of the first mapping.
const FIRST_EPOCH: u32 = 1;
/// How long reading or writing the record may take.
const WITHIN: Duration = Duration::from_secs(20);
/// How long one request may take.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// Pause between two requests that wait for something.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest record that can be a descriptor.
const RECORD_MAX: usize = 4 << 10;

/// The record.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    epoch: u32,
    /// Hexadecimal: a number that large is not safe with every JSON reader.
    seed: String,
    partitions: u32,
}

/// The mapping that the fleet has agreed on, held against the configuration.
///
/// # Errors
/// When the brokers do not answer, when there is none, or when it is for another number of
/// partitions than is configured.
pub async fn agreed(config: &KafkaConfig) -> Result<Descriptor, TopicsError> {
    let topic = &config.ring.topic;
    let descriptor = stored(config).await?.ok_or_else(|| {
        TopicsError::Ring(format!(
            "the topic `{topic}` does not say which trace belongs to which partition; run \
             `wholetrace topics create`"
        ))
    })?;
    let (agreed, wanted) = (descriptor.partitions, config.spans.partitions);
    if agreed != wanted {
        return Err(TopicsError::Ring(format!(
            "the fleet divides traces among {agreed} partitions, as the topic `{topic}` says, but \
             `log.kafka.spans.partitions` is {wanted}: a process that divides them in another way \
             would split traces; set it to {agreed}, or name other topics"
        )));
    }
    Ok(descriptor)
}

/// The mapping that is stored, if there is one.
///
/// # Errors
/// When the brokers do not answer, or what is stored cannot be understood.
pub async fn stored(config: &KafkaConfig) -> Result<Option<Descriptor>, TopicsError> {
    let mut client = client::common(config, "ring");
    client
        // Needed by the client, never used: nothing is committed and no group is joined.
        .set("group.id", &config.group_id)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true");
    let topic = config.ring.topic.clone();
    blocking(&config.ring.topic, move || read(&client, &topic)).await
}

/// The mapping that is stored; if there is none, one with a seed that is drawn now is stored
/// first, and `true` comes with it.
///
/// # Errors
/// When the brokers do not answer, or what is stored cannot be understood.
pub async fn establish(config: &KafkaConfig) -> Result<(Descriptor, bool), TopicsError> {
    if let Some(descriptor) = stored(config).await? {
        return Ok((descriptor, false));
    }
    let seed = RandomState::new().build_hasher().finish();
    let drawn = Descriptor { epoch: FIRST_EPOCH, seed, partitions: config.spans.partitions };
    store(config, drawn).await?;
    let first = stored(config).await?.unwrap_or(drawn);
    if first != drawn {
        // Compaction keeps the last record: it shall be the one that counts.
        store(config, first).await?;
    }
    Ok((first, first == drawn))
}

async fn store(config: &KafkaConfig, descriptor: Descriptor) -> Result<(), TopicsError> {
    let mut client = client::common(config, "ring");
    client.set("acks", "all").set("message.timeout.ms", WITHIN.as_millis().to_string());
    let topic = config.ring.topic.clone();
    blocking(&config.ring.topic, move || write(&client, &topic, descriptor)).await
}

async fn blocking<T: Send + 'static>(
    topic: &str,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, TopicsError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(error.to_string())).map_err(|reason| {
        TopicsError::Ring(format!(
            "the topic `{topic}`, which says which trace belongs to which partition: {reason}"
        ))
    })
}

/// Reads the topic to its end.
fn read(client: &ClientConfig, topic: &str) -> Result<Option<Descriptor>, String> {
    let said = |error: KafkaError| format!("it cannot be read: {error}");
    let consumer: BaseConsumer = client.create().map_err(said)?;
    let begun = Instant::now();
    let (first, end) = loop {
        match consumer.fetch_watermarks(topic, 0, ASK_WITHIN) {
            Ok(extent) => break extent,
            // A topic that was made a moment ago is not known to all brokers.
            Err(error) if begun.elapsed() > WITHIN => return Err(said(error)),
            Err(_) => std::thread::sleep(PAUSE),
        }
    };
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(first)).map_err(said)?;
    consumer.assign(&list).map_err(said)?;
    let mut found: Option<Descriptor> = None;
    while begun.elapsed() < WITHIN {
        let message = match consumer.poll(Duration::from_millis(100)) {
            None => continue,
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(found),
            Some(Err(error)) => {
                tracing::debug!(%error, "read the ring's topic");
                continue;
            }
            Some(Ok(message)) => message,
        };
        if message.key() == Some(KEY.as_bytes()) {
            let descriptor = parse(message.payload().unwrap_or_default())?;
            if found.is_none_or(|found| descriptor.epoch > found.epoch) {
                found = Some(descriptor);
            }
        }
        if message.offset() + 1 >= end {
            return Ok(found);
        }
    }
    Err(format!("not read to its end within {} s", WITHIN.as_secs()))
}

fn parse(value: &[u8]) -> Result<Descriptor, String> {
    let bad = |reason: String| {
        let shown = value.get(..value.len().min(200)).unwrap_or_default();
        format!("its record `{}` is no descriptor: {reason}", String::from_utf8_lossy(shown))
    };
    if value.len() > RECORD_MAX {
        return Err(bad(format!("{} bytes, at most {RECORD_MAX} are", value.len())));
    }
    let stored: Stored = serde_json::from_slice(value).map_err(|error| bad(error.to_string()))?;
    let seed = u64::from_str_radix(&stored.seed, 16)
        .map_err(|_| bad("`seed` is not 1 to 16 hexadecimal digits".to_owned()))?;
    let descriptor = Descriptor { epoch: stored.epoch, seed, partitions: stored.partitions };
    // As its users will.
    Routing::new(descriptor).map_err(|error| bad(error.to_string()))?;
    Ok(descriptor)
}

fn json(descriptor: Descriptor) -> Result<Vec<u8>, String> {
    let Descriptor { epoch, seed, partitions } = descriptor;
    let stored = Stored { epoch, seed: format!("{seed:016x}"), partitions };
    serde_json::to_vec(&stored).map_err(|error| error.to_string())
}

/// Appends a record, and waits until it is durable.
fn write(client: &ClientConfig, topic: &str, descriptor: Descriptor) -> Result<(), String> {
    let said = |error: KafkaError| format!("it cannot be written: {error}");
    let producer: BaseProducer<Delivered> =
        BaseProducer::from_config_and_context(client, Delivered::default()).map_err(said)?;
    let value = json(descriptor)?;
    let record = BaseRecord::to(topic).partition(0).key(KEY).payload(&value);
    producer.send(record).map_err(|(error, _)| said(error))?;
    producer.flush(WITHIN).map_err(said)?;
    let result = producer.context().0.lock().unwrap_or_else(PoisonError::into_inner).take();
    result.unwrap_or(Err(KafkaError::Canceled)).map_err(said)
}

/// What became of the one record.
#[derive(Default)]
struct Delivered(Mutex<Option<KafkaResult<()>>>);

impl ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        let result = result.as_ref().map(|_| ()).map_err(|(error, _)| error.clone());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_survives_its_record() {
        for descriptor in [
            Descriptor { epoch: 1, seed: u64::MAX, partitions: 128 },
            Descriptor { epoch: 7, seed: 0, partitions: 1 },
        ] {
            assert_eq!(parse(&json(descriptor).unwrap()), Ok(descriptor));
        }
        let known = br#"{"epoch":1,"seed":"0123456789abcdef","partitions":128}"#;
        let descriptor = Descriptor { epoch: 1, seed: 0x0123_4567_89ab_cdef, partitions: 128 };
        assert_eq!(json(descriptor).unwrap(), known);
    }

    #[test]
    fn what_is_no_descriptor_is_refused_with_its_reason() {
        for (value, reason) in [
            ("", "EOF"),
            ("{}", "missing field"),
            (r#"{"epoch":1,"seed":"xyz","partitions":8}"#, "hexadecimal"),
            (r#"{"epoch":1,"seed":"1","partitions":0}"#, "partitions is `0`"),
            (r#"{"epoch":1,"seed":"1","partitions":8,"nodes":3}"#, "nodes"),
        ] {
            let error = parse(value.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{value}: {error}");
        }
        assert!(parse(&[b' '; RECORD_MAX + 1]).is_err());
    }
}
