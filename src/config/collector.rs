//! What a Collector's configuration has and ours has not: what it means here, or why it cannot be.
//!
//! A file that comes from a Collector loads where nothing is lost by it: what has no effect here is
//! left out with a warning that says why. What would lose spans, protection or credentials is refused,
//! with what to write instead.

use serde_json::Value;
use wholetrace_runtime::problems::{Problem, Problems};

use super::path::KeyPath;

/// What is done about a key.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// It is left out, with a warning: why it has no effect, and what does its work.
    Idle(&'static str),
    /// The configuration is refused: what would be lost, and what to write instead.
    Refused(&'static str, &'static str),
    /// The same, unless the value is the first: that is what happens here anyway.
    Unless(&'static str, &'static Answer),
}

use Answer::{Idle, Refused, Unless};

const BUFFERS: Answer = Idle("buffers fit themselves to what comes");
const TIMEOUTS: Answer =
    Idle("`limits.header_timeout`, `request_timeout` and `idle_timeout` hold for all listeners");
const METADATA: Answer = Unless("false", &Idle("nothing here reads the headers of requests"));
const SERVER_AUTH: Answer = Refused(
    "everybody could send without it",
    "list who may under `authentication.tenants`, with their tokens",
);
const CLIENT_AUTH: Answer = Refused(
    "requests would go out without credentials",
    "send them as a header: `headers: { authorization: \"Basic ${env:CREDENTIALS}\" }`, or `Bearer`",
);
const TRACES_ONLY: Answer = Idle("there are only traces here");
const BATCHER: Answer = Idle("`sending_queue.batch` says how spans are put together");
const POOL: Answer = Idle("connections are kept and made as they are needed");
const LEVEL: Answer = Idle("there is one level, the fastest");
const MIDDLEWARES: Answer = Idle("there are none here");
const HTTP2: Answer = Idle("a request without an answer ends with `timeout`");

/// Keys of listeners for HTTP.
const HTTP_SERVER: [(&str, Answer); 13] = [
    ("auth", SERVER_AUTH),
    ("include_metadata", METADATA),
    ("response_headers", Idle("answers have the headers of the protocol")),
    (
        "compression_algorithms",
        Idle("bodies in gzip, zstd and deflate are read, and others are answered with 415"),
    ),
    ("read_timeout", TIMEOUTS),
    ("read_header_timeout", TIMEOUTS),
    ("write_timeout", TIMEOUTS),
    ("idle_timeout", TIMEOUTS),
    ("keep_alives_enabled", Unless("true", &Idle("connections are kept: `limits.idle_timeout`"))),
    ("metrics_url_path", TRACES_ONLY),
    ("logs_url_path", TRACES_ONLY),
    ("profiles_url_path", TRACES_ONLY),
    ("middlewares", MIDDLEWARES),
];

/// Of listeners other than those of OTLP.
const TCP_ONLY: [(&str, Answer); 1] = [(
    "transport",
    Unless(
        "tcp",
        &Refused(
            "only OTLP is taken by Unix sockets",
            "leave it out, and write an address and a port as `endpoint`",
        ),
    ),
)];

/// Keys of listeners for gRPC.
const GRPC_SERVER: [(&str, Answer); 7] = [
    ("auth", SERVER_AUTH),
    ("include_metadata", METADATA),
    (
        "max_concurrent_streams",
        Idle("`limits.streams_per_connection` bounds the requests of every connection"),
    ),
    ("read_buffer_size", BUFFERS),
    ("write_buffer_size", BUFFERS),
    ("middlewares", MIDDLEWARES),
    (
        "keepalive.enforcement_policy",
        Idle("senders may ping as often as they like: a ping costs next to nothing"),
    ),
];

const WORKERS: Answer = Idle("datagrams are worked on side by side, on all cores");

/// Keys of `tls`, on both sides.
const TLS: [(&str, Answer); 11] = [
    (
        "min_version",
        Unless(
            "1.2",
            &Refused(
                "TLS 1.2 and 1.3 are spoken, whichever the other side prefers",
                "leave it out",
            ),
        ),
    ),
    (
        "max_version",
        Unless("1.3", &Idle("TLS 1.2 and 1.3 are spoken, whichever the other side prefers")),
    ),
    ("cipher_suites", Idle("only suites that are not known to be weak are spoken")),
    ("curve_preferences", Idle("only curves that are not known to be weak are spoken")),
    (
        "include_insecure_cipher_suites",
        Unless("false", &Idle("suites that are known to be weak are not spoken")),
    ),
    ("client_ca_file_reload", Idle("`reload_interval` says how often all files are looked at")),
    (
        "include_system_ca_certs_pool",
        Unless("false", &Idle("where a `ca_file` is named, it has all who are trusted")),
    ),
    ("ca_pem", PEM),
    ("cert_pem", PEM),
    ("key_pem", PEM),
    ("tpm", Refused("keys come from files", "name a `key_file`")),
];

const PEM: Answer = Refused(
    "certificates and keys come from files",
    "name a `ca_file`, `cert_file` and `key_file`",
);

/// Keys of exporters that speak gRPC.
const GRPC_CLIENT: [(&str, Answer); 6] = [
    ("auth", CLIENT_AUTH),
    (
        "authority",
        Refused(
            "requests go out under the name in `endpoint`",
            "write that name as the `endpoint`, or set `tls.server_name_override` for its certificate",
        ),
    ),
    ("batcher", BATCHER),
    ("compression_params", LEVEL),
    ("middlewares", MIDDLEWARES),
    ("user_agent", Idle("requests say that they come from wholetrace")),
];

/// Keys of exporters that speak HTTP.
const HTTP_CLIENT: [(&str, Answer); 16] = [
    ("auth", CLIENT_AUTH),
    ("batcher", BATCHER),
    ("compression_params", LEVEL),
    ("middlewares", MIDDLEWARES),
    ("metrics_endpoint", TRACES_ONLY),
    ("logs_endpoint", TRACES_ONLY),
    ("profiles_endpoint", TRACES_ONLY),
    ("http2_read_idle_timeout", HTTP2),
    ("http2_ping_timeout", HTTP2),
    ("force_attempt_http2", POOL),
    ("max_idle_conns", POOL),
    ("max_idle_conns_per_host", POOL),
    ("max_conns_per_host", Idle("`sending_queue.num_consumers` bounds the requests under way")),
    ("idle_conn_timeout", POOL),
    ("disable_keep_alives", Unless("false", &POOL)),
    ("cookies", Idle("nothing is kept between requests")),
];

/// Keys of the `file` exporter.
const FILE: [(&str, Answer); 5] = [
    ("compression", Unless("", &Idle("lines are written as they are"))),
    (
        "group_by",
        Refused("all traces go into one file", "leave it out, and name a `path` without `*`"),
    ),
    (
        "encoding",
        Refused(
            "lines of OTLP/JSON are all that is written",
            "leave it out, or write `format: json`",
        ),
    ),
    ("directory_permissions", Idle("folders are made as the umask of the process says")),
    ("batcher", BATCHER),
];

/// Keys of what connects to Kafka, on both sides.
const KAFKA_CLIENT: [(&str, Answer); 14] = [
    ("protocol_version", Idle("the brokers say which version they speak")),
    (
        "resolve_canonical_bootstrap_servers_only",
        Idle("brokers go by the names that they are given"),
    ),
    ("metadata", Idle("the client looks for the leaders of partitions by itself")),
    ("conn_idle_timeout", POOL),
    ("use_leader_epoch", Idle("the client knows leaders by their epochs")),
    ("auth.tls", Refused("the connection would not be encrypted", "write it as `tls`")),
    (
        "auth.plain_text",
        Refused(
            "it would connect without credentials",
            "write `auth: { sasl: { mechanism: PLAIN, username: …, password: … } }`",
        ),
    ),
    (
        "auth.kerberos",
        Refused("Kerberos is not spoken", "log in with `auth.sasl`, or a certificate under `tls`"),
    ),
    ("auth.sasl.version", Idle("the client negotiates it")),
    (
        "auth.sasl.aws_msk",
        Refused("AWS IAM is not spoken", "log in with SCRAM, or a certificate under `tls`"),
    ),
    ("metrics", TRACES_ONLY),
    ("logs", TRACES_ONLY),
    ("profiles", TRACES_ONLY),
    ("batcher", BATCHER),
];

const ONE_TOPIC: Answer = Refused(
    "an exporter writes to one topic",
    "leave it out, and configure an exporter for each topic",
);
const TORN: Answer = Refused(
    "the spans of a trace would go to partitions by chance",
    "leave it out: the key of a message chooses its partition",
);

/// Keys of the `kafka` exporter.
const KAFKA_EXPORTER: [(&str, Answer); 18] = [
    ("topic_from_attribute", ONE_TOPIC),
    ("topic_from_metadata_key", ONE_TOPIC),
    ("traces.topic_from_metadata_key", ONE_TOPIC),
    ("message_key_from_metadata_key", TORN),
    ("traces.message_key_from_metadata_key", TORN),
    ("include_metadata_keys", METADATA),
    ("record_headers", Refused("messages have no headers", "leave it out")),
    ("partition_metrics_by_resource_attributes", TRACES_ONLY),
    ("partition_logs_by_resource_attributes", TRACES_ONLY),
    ("partition_logs_by_trace_id", TRACES_ONLY),
    ("record_partitioner.round_robin", TORN),
    ("record_partitioner.least_backup", TORN),
    ("record_partitioner.extension", TORN),
    ("producer.required_acks", Idle("all in-sync replicas acknowledge, always")),
    ("producer.compression_params", LEVEL),
    ("producer.flush_max_messages", Idle("`producer.linger` says how long messages gather")),
    ("producer.max_broker_write_bytes", Idle("`producer.max_message_bytes` bounds what is sent")),
    ("rack_id", Idle("messages go to leaders, wherever they are")),
];

/// Keys of the `kafka` receiver.
const KAFKA_RECEIVER: [(&str, Answer); 9] = [
    ("message_marking", Idle("a message is marked once the log has its spans, or never can have")),
    ("error_backoff", Idle("what the log refuses is tried again until it is taken")),
    ("autocommit.enable", Unless("true", &Idle("marks are always stored"))),
    ("header_extraction", METADATA),
    ("group_rebalance_strategy", Idle("a change of members moves only what has to move")),
    ("partition_assignment_strategy", Idle("a change of members moves only what has to move")),
    ("rack_id", Idle("messages are read from leaders, wherever they are")),
    ("telemetry", Idle("`admin` has all metrics")),
    ("default_fetch_size", Idle("`max_partition_fetch_size` bounds what comes of a partition")),
];

/// A place in the configuration, and what a Collector has there. The second part is the type of a
/// component.
const PLACES: [(&str, &[(&str, Answer)]); 33] = [
    ("receivers.otlp.protocols.grpc", &GRPC_SERVER),
    ("receivers.otlp.protocols.grpc.tls", &TLS),
    ("receivers.otlp.protocols.http", &HTTP_SERVER),
    ("receivers.otlp.protocols.http.tls", &TLS),
    ("receivers.zipkin", &HTTP_SERVER),
    ("receivers.zipkin", &TCP_ONLY),
    ("receivers.zipkin", &[("parse_string_tags", Unless("false", &Idle("tags stay text")))]),
    ("receivers.zipkin.tls", &TLS),
    ("receivers.kafka", &KAFKA_CLIENT),
    ("receivers.kafka", &KAFKA_RECEIVER),
    ("receivers.kafka.tls", &TLS),
    ("receivers.jaeger.protocols.grpc", &GRPC_SERVER),
    ("receivers.jaeger.protocols.grpc", &TCP_ONLY),
    ("receivers.jaeger.protocols.grpc.tls", &TLS),
    ("receivers.jaeger.protocols.thrift_http", &HTTP_SERVER),
    ("receivers.jaeger.protocols.thrift_http", &TCP_ONLY),
    ("receivers.jaeger.protocols.thrift_http.tls", &TLS),
    ("receivers.jaeger.protocols.thrift_compact", &[("workers", WORKERS)]),
    ("receivers.jaeger.protocols.thrift_binary", &[("workers", WORKERS)]),
    ("exporters.otlp", &GRPC_CLIENT),
    ("exporters.otlp.tls", &TLS),
    ("exporters.otlphttp", &HTTP_CLIENT),
    ("exporters.otlphttp.tls", &TLS),
    ("exporters.kafka", &KAFKA_CLIENT),
    ("exporters.kafka", &KAFKA_EXPORTER),
    ("exporters.kafka.tls", &TLS),
    ("exporters.jaeger", &GRPC_CLIENT),
    ("exporters.jaeger.tls", &TLS),
    ("exporters.zipkin", &HTTP_CLIENT),
    ("exporters.zipkin.tls", &TLS),
    ("exporters.file", &FILE),
    ("exporters.debug", &[("output_paths", Idle("it is always the log of this process"))]),
    ("exporters.debug", &[("loglevel", Idle("`verbosity` says how much is said"))]),
];

/// Names that components have had.
const ALIASES: [(&str, &str); 3] =
    [("otlp_grpc", "otlp"), ("otlp_http", "otlphttp"), ("logging", "debug")];

/// Takes what only a Collector has out of `tree`, or refuses it.
pub(super) fn translate(tree: &mut Value, problems: &mut Problems) {
    for (place, keys) in PLACES {
        let steps: Vec<&str> = place.split('.').collect();
        each(tree, &steps, &KeyPath::default(), &mut |value, path| {
            for (key, answer) in keys {
                take(value, path, key, *answer, problems);
            }
        });
    }
    for kind in ["otlp", "otlphttp", "jaeger", "zipkin"] {
        each(tree, &["exporters", kind], &KeyPath::default(), &mut |exporter, path| {
            move_tls(exporter, path, problems);
            name_the_host(exporter);
            bound_the_time(exporter, path, problems);
            spoken_compression(exporter, path, problems);
        });
    }
    for kind in ["otlp", "otlphttp", "kafka", "jaeger", "zipkin", "file", "debug"] {
        let queue = ["exporters", kind, "sending_queue"];
        each(tree, &queue, &KeyPath::default(), &mut |queue, path| {
            super::queue::translate(queue, path, problems);
        });
    }
}

/// Calls `visit` with every map at `steps`, of which the second is the type of a component.
fn each(
    value: &mut Value,
    steps: &[&str],
    path: &KeyPath,
    visit: &mut dyn FnMut(&mut Value, &KeyPath),
) {
    let Some((step, rest)) = steps.split_first() else {
        if value.is_object() {
            visit(value, path);
        }
        return;
    };
    let Some(map) = value.as_object_mut() else { return };
    let is_component = path.parent().is_some_and(|parent| parent.parent().is_none());
    for (key, below) in map {
        let kind = key.split('/').next().unwrap_or_default();
        let kind = ALIASES.iter().find(|(alias, _)| *alias == kind).map_or(kind, |(_, kind)| kind);
        if key == step || (is_component && kind == *step) {
            each(below, rest, &path.key(key), visit);
        }
    }
}

/// Answers to `key`, which may have dots, in the map `value`, which is at `path`.
fn take(value: &mut Value, path: &KeyPath, key: &str, answer: Answer, problems: &mut Problems) {
    let Some(below) = KeyPath::parse(key) else { return };
    let Some(found) = below.of(value) else { return };
    let path = path.join(&below).to_string();
    let mut answer = answer;
    while let Unless(usual, otherwise) = answer {
        if found.is_null() || text(found) == usual {
            answer = Idle("");
        } else {
            answer = *otherwise;
        }
    }
    match answer {
        Idle("") | Unless(..) => {}
        Idle(why) => problems.warn(path, "has no effect", why),
        Refused(why, hint) => problems.error(path, why, hint),
    }
    below.remove(value);
}

/// A scalar as it is written.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Keys of `tls` that stood beside it in earlier versions of the Collector.
const BESIDE_TLS: [&str; 6] = [
    "insecure",
    "insecure_skip_verify",
    "ca_file",
    "cert_file",
    "key_file",
    "server_name_override",
];

fn move_tls(exporter: &mut Value, path: &KeyPath, problems: &mut Problems) {
    for key in BESIDE_TLS {
        let Some(value) = exporter.as_object_mut().and_then(|map| map.shift_remove(key)) else {
            continue;
        };
        let tls = KeyPath::default().key("tls").key(key);
        if tls.of(exporter).is_none() && tls.set(exporter, value) {
            let place = path.key(key).to_string();
            problems.warn(
                place,
                "stands under `tls` today",
                format!("write `tls: {{ {key}: … }}`"),
            );
        }
    }
}

/// `:4317` is this machine, as it is for a Collector.
fn name_the_host(exporter: &mut Value) {
    if let Some(Value::String(endpoint)) = exporter.get_mut("endpoint")
        && endpoint.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
    {
        endpoint.insert_str(0, "localhost");
    }
}

/// No time at all means no bound for a Collector: a backend that never answers would hold everything.
fn bound_the_time(exporter: &mut Value, path: &KeyPath, problems: &mut Problems) {
    let is_none = exporter.get("timeout").is_some_and(|value| ["0", "0s"].contains(&&*text(value)));
    if is_none && path_of("timeout").remove(exporter) {
        let hint = "a backend that never answers would hold everything: the default is used";
        problems.warn(path.key("timeout").to_string(), "`0` has no effect", hint);
    }
}

/// Compressions of the Collector that are not spoken here.
const NOT_SPOKEN: [&str; 5] = ["snappy", "x-snappy-framed", "lz4", "zlib", "deflate"];

fn spoken_compression(exporter: &mut Value, path: &KeyPath, problems: &mut Problems) {
    let Some(Value::String(named)) = exporter.get("compression") else { return };
    if NOT_SPOKEN.contains(&named.as_str()) {
        let place = path.key("compression").to_string();
        let message =
            format!("`{named}` is not spoken: `gzip` is used, which every receiver reads");
        problems
            .push_warning(Problem::new(place, message).hint("or take `zstd`, which costs less"));
        path_of("compression").set(exporter, Value::String("gzip".to_owned()));
    }
}

fn path_of(key: &str) -> KeyPath {
    KeyPath::default().key(key)
}
