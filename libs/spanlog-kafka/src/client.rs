//! Every setting of the Kafka client, with its reason; those of every client of Kafka are in the crate
//! `wholetrace-kafka`.
//!
//! What is not set here is as librdkafka has it.

use rdkafka::config::ClientConfig;
use wholetrace_kafka::count;
use wholetrace_runtime::units::HumanDuration;

use super::config::KafkaConfig;

/// How long the thread that serves a group may be busy before the brokers take it for dead. Our
/// watchdog acts before that.
const MAX_POLL_INTERVAL: HumanDuration = HumanDuration::from_secs(60);

/// `fetch.min.bytes` of the consumer that tails: compressed bytes that a broker gathers before it
/// answers.
const FETCH_MIN: u64 = 512 << 10;

/// `fetch.wait.max.ms` of the other consumers: how often a cursor at the end asks again, and how long
/// a request for metadata may wait behind that. Records that are there are answered at once.
const AT_ONCE: HumanDuration = HumanDuration::from_millis(50);

/// Room for the headers of a record and the frame of a batch around the largest value.
const OVERHEAD: u64 = 64 << 10;

/// The largest number that the client takes for a size.
const MOST: u64 = 2_000_000_000;

/// How long the client keeps decisions and dead letters. Several for one partition come at one
/// moment, and are to be one batch.
const SEVERAL: HumanDuration = HumanDuration::from_millis(2);

/// What a client writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Traffic {
    /// Frames of spans, large ones: several requests are in flight at a time.
    Spans,
    /// Decisions, ticks and dead letters, small ones: one request is in flight at a time, and what comes
    /// meanwhile is one batch.
    Sparse,
}

/// When a broker answers a fetch request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// When enough has come together, or after a wait.
    Gathered,
    /// When there is anything: what is asked for is known to be there.
    AtOnce,
}

/// What all clients have in common; `role` tells them apart in the brokers' logs.
pub(super) fn common(config: &KafkaConfig, role: &str) -> ClientConfig {
    let mut client = config.connection().client(role);
    client
        // Topics made by accident would have one partition and one copy.
        .set("allow.auto.create.topics", "false")
        .set("message.max.bytes", largest(config).to_string());
    client
}

/// A client that writes.
pub(super) fn producer(config: &KafkaConfig, traffic: Traffic) -> ClientConfig {
    let settings = &config.producer;
    let (role, in_flight, linger) = match traffic {
        // A frame is a batch by itself, and has waited for the others before it came.
        Traffic::Spans => ("writer", "8", HumanDuration::from_millis(0)),
        Traffic::Sparse => ("ordered-writer", "1", SEVERAL),
    };
    let mut client = common(config, role);
    let timeout = settings.delivery_timeout.as_millis();
    client
        // Durable means that `min.insync.replicas` brokers have it.
        .set("acks", "all")
        // Spans are de-duplicated by what reads them, and an idempotent producer can fail for good
        // after a broker lost its state.
        .set("enable.idempotence", "false")
        .set("max.in.flight.requests.per.connection", in_flight)
        .set("message.timeout.ms", timeout.to_string())
        // A request that hangs is sent again, to a new leader perhaps, while there is still time.
        .set("request.timeout.ms", (timeout / 2).clamp(1, 5_000).to_string())
        .set("retry.backoff.max.ms", "500")
        // Frames gather before they come here, those of all partitions together: the client would
        // send each partition's at a moment of its own. `Writer::linger` says for how long.
        .set("linger.ms", linger.as_millis().to_string())
        // What leaves at one moment shall not wait for the acknowledgement of what left before.
        .set("socket.nagle.disable", "true")
        .set("compression.codec", settings.compression.as_str())
        // What the topic takes as one batch; a larger record goes alone.
        .set("batch.size", settings.max_message_bytes.get().min(1_000_000).to_string())
        // Our own bound stands in front and is lower: this one would never say by how much.
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", kib(settings.max_pending_bytes.get().saturating_mul(2)));
    count(&mut client);
    client
}

/// A client that reads what it is told to, outside of any group.
pub(super) fn reader(config: &KafkaConfig, answer: Answer) -> ClientConfig {
    let settings = &config.consumer;
    let mut client = common(config, "reader");
    let piece = settings.max_partition_fetch_size.get().min(MOST);
    let all = settings.max_fetch_size.get().max(largest(config)).min(MOST);
    let (least, wait) = match answer {
        // Not more than may come of one partition: where only that one has records, the brokers
        // would wait before each answer for what they may not give.
        Answer::Gathered => (FETCH_MIN.min(piece), settings.max_fetch_wait),
        // Nor for a partition whose end was just read, while the queues of others are full.
        Answer::AtOnce => (1, AT_ONCE.min(settings.max_fetch_wait)),
    };
    client
        // The client wants one to read at all; it never joins it.
        .set("group.id", &config.group_id)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A position that is gone is an error for the cursor, never passed over in silence.
        .set("auto.offset.reset", "error")
        // Tells the end from a pause.
        .set("enable.partition.eof", "true")
        // A damaged record is found here, not by what it does to the spans.
        .set("check.crcs", "true")
        // These two hold for each partition. The default of 64 MiB times 128 would be 8 GiB.
        .set("queued.max.messages.kbytes", kib(settings.queue_bytes.get()))
        .set("queued.min.messages", "1000")
        // A full queue is looked at again after this; the default of 1 s makes hiccups.
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.error.backoff.ms", "200")
        // Traces wait for seconds anyway: a broker answers when it has this much, or after the wait.
        // Without it every batch that a gateway writes is fetched, and paid for, on its own.
        .set("fetch.min.bytes", least.to_string())
        .set("fetch.wait.max.ms", wait.as_millis().to_string())
        .set("fetch.message.max.bytes", piece.to_string())
        .set("fetch.max.bytes", all.to_string())
        .set("receive.message.max.bytes", (all + OVERHEAD).to_string());
    count(&mut client);
    client
}

/// A client that is a member of the group, and reads nothing.
pub(super) fn member(config: &KafkaConfig) -> ClientConfig {
    let mut client = common(config, "member");
    let session = config.session_timeout;
    client
        .set("group.id", &config.group_id)
        // A change of members moves only the partitions that have to move.
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", session.as_millis().to_string())
        .set("heartbeat.interval.ms", config.heartbeat_interval.as_millis().to_string())
        .set("max.poll.interval.ms", MAX_POLL_INTERVAL.max(session).as_millis().to_string())
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        // Its partitions are paused; should one be read all the same, then little of it.
        .set("queued.max.messages.kbytes", "64")
        .set("queued.min.messages", "1")
        .set("fetch.message.max.bytes", "1024");
    if let Some(id) = &config.group_instance_id {
        client.set("group.instance.id", id);
    }
    count(&mut client);
    client
}

/// The largest batch that we write or read.
fn largest(config: &KafkaConfig) -> u64 {
    config.producer.max_message_bytes.get().saturating_add(OVERHEAD).min(MOST / 2)
}

fn kib(bytes: u64) -> String {
    bytes.div_ceil(1 << 10).clamp(1, 2_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames have gathered before they come to the client: it sends what it gets, at once.
    #[test]
    fn the_client_does_not_linger_with_spans() {
        let config = KafkaConfig::default();
        assert!(config.producer.linger.as_millis() > 0);
        assert_eq!(producer(&config, Traffic::Spans).get("linger.ms"), Some("0"));
        assert_eq!(producer(&config, Traffic::Sparse).get("linger.ms"), Some("2"));
    }
}
