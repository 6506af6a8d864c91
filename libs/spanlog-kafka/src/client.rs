//! Every setting of the Kafka client, with its reason.
//!
//! What is not set here is as librdkafka has it.

use std::sync::OnceLock;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use wholetrace_runtime::{tls::ClientTlsConfig, units::HumanDuration};

use super::config::{KafkaConfig, Mechanism, SaslConfig};

/// How often a client counts what it has, for the metrics.
/// With hundreds of partitions that is a document of some 100 KB each time.
const STATISTICS: HumanDuration = HumanDuration::from_secs(10);

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
    // Who comes first decides whether the library frees its tables when the process ends, under the
    // hands of clients that are still at work: this way it does not.
    openssl_sys::init();
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", config.brokers.join(","))
        .set("client.id", format!("{}-{role}{}", config.client_id, at_host()))
        // Firewalls forget silent connections.
        .set("socket.keepalive.enable", "true")
        // A broker that hangs is noticed after this; the default of 60 s is beyond any sender's
        // timeout.
        .set("socket.timeout.ms", "10000")
        .set("socket.connection.setup.timeout.ms", "5000")
        // A broker that is back is found within 2 s, not 10.
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "2000")
        // A new leader is looked up when the old one refuses; this is for changes that no broker tells.
        .set("topic.metadata.refresh.interval.ms", "30000")
        // Topics made by accident would have one partition and one copy.
        .set("allow.auto.create.topics", "false")
        // Our metrics are ours to publish.
        .set("enable.metrics.push", "false")
        .set("message.max.bytes", largest(config).to_string())
        .set_log_level(RDKafkaLogLevel::Info);
    secure(config, &mut client);
    client
}

/// `@` and the name of this machine, as far as it is known: in the brokers' logs and metrics clients
/// of several processes are told apart by it.
fn at_host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = name.trim();
        if name.is_empty() { String::new() } else { format!("@{name}") }
    })
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
        .set("queue.buffering.max.kbytes", kib(settings.max_pending_bytes.get().saturating_mul(2)))
        .set("statistics.interval.ms", STATISTICS.as_millis().to_string());
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
        .set("receive.message.max.bytes", (all + OVERHEAD).to_string())
        .set("statistics.interval.ms", STATISTICS.as_millis().to_string());
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
    client
}

/// The largest batch that we write or read.
fn largest(config: &KafkaConfig) -> u64 {
    config.producer.max_message_bytes.get().saturating_add(OVERHEAD).min(MOST / 2)
}

fn kib(bytes: u64) -> String {
    bytes.div_ceil(1 << 10).clamp(1, 2_000_000).to_string()
}

fn secure(config: &KafkaConfig, client: &mut ClientConfig) {
    let sasl = config.auth.sasl.as_ref();
    let protocol = match (config.encrypted(), sasl.is_some()) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    };
    client.set("security.protocol", protocol);
    if let Some(tls) = config.tls.as_ref().filter(|tls| !tls.insecure) {
        encrypt(tls, client);
    }
    if let Some(sasl) = sasl {
        log_in(sasl, config.tls.as_ref(), client);
    }
}

/// Where the authorities are that are trusted. The client brings its own OpenSSL, which does not know
/// where this system keeps them.
fn authorities(tls: Option<&ClientTlsConfig>) -> String {
    let file = tls.and_then(|tls| tls.ca_file.as_ref());
    file.map_or_else(|| "probe".to_owned(), |file| file.to_string_lossy().into_owned())
}

fn encrypt(tls: &ClientTlsConfig, client: &mut ClientConfig) {
    let path = |path: &std::path::PathBuf| path.to_string_lossy().into_owned();
    client.set("ssl.ca.location", authorities(Some(tls)));
    if let Some(certificate) = &tls.cert_file {
        client.set("ssl.certificate.location", path(certificate));
    }
    if let Some(key) = &tls.key_file {
        client.set("ssl.key.location", path(key));
    }
    let verify = !tls.insecure_skip_verify;
    client
        .set("enable.ssl.certificate.verification", if verify { "true" } else { "false" })
        .set("ssl.endpoint.identification.algorithm", if verify { "https" } else { "none" });
}

fn log_in(sasl: &SaslConfig, tls: Option<&ClientTlsConfig>, client: &mut ClientConfig) {
    client.set("sasl.mechanism", sasl.mechanism.as_str());
    if sasl.mechanism != Mechanism::OauthBearer {
        let password = sasl.password_now().unwrap_or_else(|error| {
            // It could be read when the configuration was checked. The brokers refuse what is there.
            tracing::error!("the password of the Kafka client: {error}");
            sasl.password.clone()
        });
        client.set("sasl.username", &sasl.username).set("sasl.password", password.reveal());
        return;
    }
    if let Some(oauth) = &sasl.oauth {
        client
            // Who gives out the tokens is verified as the brokers are.
            .set("https.ca.location", authorities(tls))
            .set("sasl.oauthbearer.method", "oidc")
            .set("sasl.oauthbearer.token.endpoint.url", &oauth.token_url)
            .set("sasl.oauthbearer.client.id", &oauth.client_id)
            .set("sasl.oauthbearer.client.secret", oauth.client_secret.reveal());
        if !oauth.scopes.is_empty() {
            client.set("sasl.oauthbearer.scope", oauth.scopes.join(" "));
        }
    }
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
