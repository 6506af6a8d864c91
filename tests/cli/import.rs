//! `wholetrace import`: what it writes loads, what it says is true, and its exit codes.

use std::{fs, path::Path};

use super::process::{Ran, run};

const AGENT: &str = include_str!("../../libs/import/tests/fixtures/agent/collector.yaml");
const GATEWAY: &str = include_str!("../../libs/import/tests/fixtures/gateway/collector.yaml");
const BALANCER: &str = include_str!("../../libs/import/tests/fixtures/two-tiers/balancer.yaml");
const SAMPLER: &str = include_str!("../../libs/import/tests/fixtures/two-tiers/sampler.yaml");
#[cfg(feature = "kafka")]
const PRODUCER: &str = include_str!("../../libs/import/tests/fixtures/kafka/producer.yaml");
#[cfg(feature = "kafka")]
const CONSUMER: &str = include_str!("../../libs/import/tests/fixtures/kafka/consumer.yaml");
#[cfg(feature = "kafka")]
const FORMATS: &str = include_str!("../../libs/import/tests/fixtures/formats/collector.yaml");
const CONFIGMAP: &str = include_str!("../../libs/import/tests/fixtures/configmap/resources.yaml");
const SAMPLERS: &str = include_str!("../../libs/import/tests/fixtures/samplers/rules.yaml");
const RULES: &str = include_str!("../../libs/import/tests/fixtures/rules/rules.yaml");
const REFINERY: &str = include_str!("../../libs/import/tests/fixtures/rules/config.yaml");
const HEAD: &str = include_str!("../../libs/import/tests/fixtures/head/collector.yaml");
const AGENTS: &str = include_str!("../../libs/import/tests/fixtures/fleet/agent.yaml");
const FLEET: &str = include_str!("../../libs/import/tests/fixtures/fleet/sampler.yaml");
const PIPELINES: &str = include_str!("../../libs/import/tests/fixtures/pipelines/collector.yaml");

/// Variables that the fixtures name.
const VARIABLES: [(&str, &str); 5] = [
    ("SEND_KEY", "another-key-of-honeycomb"),
    ("HONEYCOMB_API_KEY", "a-key-of-honeycomb"),
    ("MY_POD_IP", "127.0.0.1"),
    ("SENDERS_TOKEN", "a-token-of-many-letters"),
    ("KAFKA_PASSWORD", "hunter2"),
];

/// Imports `texts`, in files `0.yaml`, `1.yaml`, …, with `options`.
fn imported(folder: &Path, texts: &[&str], options: &[&str]) -> Ran {
    let names: Vec<String> = (0..texts.len()).map(|index| format!("{index}.yaml")).collect();
    for (name, text) in names.iter().zip(texts) {
        fs::write(folder.join(name), text).expect("a fixture is written");
    }
    let mut arguments = vec!["import"];
    arguments.extend(names.iter().map(String::as_str));
    arguments.extend(options);
    run(folder, &arguments, &[])
}

/// Guarantee: what is written is accepted by `check`, without a word about what it left out.
#[test]
fn what_is_written_loads() {
    let rows: [(&[&str], &[&str]); 11] = [
        (&[AGENT], &["receivers:", "zipkin: { endpoint: 0.0.0.0:9411 }", "type: always_sample"]),
        (&[GATEWAY], &["decision_wait: 20s", "tenants:", "Bearer ${file:", "ten-percent"]),
        (&[BALANCER, SAMPLER], &["hash_salt: fleet", "wholetrace standalone"]),
        #[cfg(feature = "kafka")]
        (&[PRODUCER, CONSUMER], &["SCRAM-SHA-512", "wholetrace topics create"]),
        #[cfg(feature = "kafka")]
        (&[FORMATS], &["thrift_compact:", "mechanism: PLAIN", "kafka/ingester:"]),
        #[cfg(not(feature = "kafka"))]
        (&[AGENT], &[]),
        #[cfg(not(feature = "kafka"))]
        (&[AGENT], &[]),
        (&[CONFIGMAP], &["sampling_percentage: 25", "type: probabilistic_sampler"]),
        (&[RULES, REFINERY], &["goal_sample_rate: 10", "min_spans: 1001", "decision_wait: 30s"]),
        (&[HEAD], &["mode: equalizing", "compatibility: collector"]),
        (&[AGENTS, FLEET], &["hash_seed: 22", "mode: proportional"]),
        (&[SAMPLERS], &["# 1 in 8", "decision_wait: 60s", "x-honeycomb-team"]),
        (&[PIPELINES], &["zipkin: {}", "otlp/a:", "otlp/b:"]),
    ];
    for (texts, expected) in rows {
        let folder = tempfile::tempdir().expect("a folder");
        let ran = imported(folder.path(), texts, &["-o", "wholetrace.yaml"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(ran.stdout, "", "it goes into the file");
        let file = folder.path().join("wholetrace.yaml");
        let written = fs::read_to_string(&file).expect("it is written");
        for expected in expected {
            assert!(written.contains(expected), "{expected}: {written}");
        }
        // The file that a secret comes from is on another machine.
        let secret = folder.path().join("tempo");
        fs::write(&secret, "secret of tempo").expect("a secret is written");
        let secret = secret.display().to_string();
        let here = written.replace("/var/run/secrets/tempo", &secret);
        let here = here.replace("tls: { ca_file: /etc/kafka/ca.pem }", "");
        fs::write(&file, here).expect("it is written");
        let checked = run(folder.path(), &["check", "--config", "wholetrace.yaml"], &VARIABLES);
        assert_eq!(checked.code, Some(0), "{}\n{written}", checked.stderr);
        for idle in ["has no effect", "not needed", "counts requests"] {
            assert!(!checked.stderr.contains(idle), "{}", checked.stderr);
        }
    }
}

/// Guarantee: the sampler of each environment of Refinery becomes a policy with keys that are read.
#[test]
fn each_sampler_of_refinery_is_read() {
    for (environment, policy, settings) in [
        ("dynamic", "dynamic", &["goal_sample_rate: 4", "- http.method"] as &[&str]),
        ("ema", "dynamic", &["goal_sample_rate: 20", "max_keys: 50"]),
        ("throughput", "dynamic", &["goal_throughput_per_sec: 500", "- service.name"]),
        ("windowed", "dynamic", &["goal_throughput_per_sec: 50"]),
        ("total", "dynamic", &["goal_throughput_per_sec: 10"]),
        ("everything", "always_sample", &[]),
        ("__default__", "probabilistic", &["sampling_percentage: 12.5"]),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let options = ["-o", "wholetrace.yaml", "--environment", environment];
        let ran = imported(folder.path(), &[SAMPLERS], &options);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let checked = run(folder.path(), &["check", "--config", "wholetrace.yaml"], &VARIABLES);
        assert_eq!(checked.code, Some(0), "{environment}: {}", checked.stderr);
        assert!(!checked.stderr.contains("tail_sampling"), "{}", checked.stderr);
        let kind = format!("type: {policy}\n");
        for expected in settings.iter().copied().chain([kind.as_str()]) {
            assert!(checked.stdout.contains(expected), "{expected}: {}", checked.stdout);
        }
    }
}

/// Guarantee: with a sampler by chance in front of the policies of a Collector those traces are kept that
/// both keep, and thresholds tell so.
#[test]
fn a_sampler_in_front_of_policies_is_a_part_of_each() {
    const FRONT: &str = "\
receivers: { otlp: { protocols: { grpc: } } }
processors:
  probabilistic_sampler: { sampling_percentage: 50, mode: equalizing }
  tail_sampling:
    policies:
      - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }
      - name: no-probes
        type: drop
        drop: { drop_sub_policy: [{ name: p, type: string_attribute, string_attribute: { key: p, values: [x] } }] }
exporters: { otlp: { endpoint: 'a:4317' } }
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [probabilistic_sampler, tail_sampling]
      exporters: [otlp]
";
    const TESTS: &str = "\
config: wholetrace.yaml
tests:
  - name: half of all failures
    trace: [{ status: ERROR }]
    expect: { probability: 50%, threshold: '8' }
  - name: one that the sampler does not let through
    randomness: least
    trace: [{ status: ERROR }]
    expect: not_sampled
  - name: one that the policies do not want
    randomness: most
    trace: [{}]
    expect: not_sampled
  - name: another sampler before was stricter, and its spans keep their higher threshold
    randomness: most
    trace: [{ status: ERROR, tracestate: 'ot=th:e666' }]
    expect: { verdict: kept, threshold: '8' }
  - name: drop wins
    randomness: most
    trace: [{ status: ERROR, attributes: { p: x } }]
    expect: { verdict: dropped, policy: no-probes }
";
    let folder = tempfile::tempdir().expect("a folder");
    let ran = imported(folder.path(), &[FRONT], &["-o", "wholetrace.yaml", "--strict"]);
    assert_eq!(ran.code, Some(0), "nothing is lost: {}", ran.stderr);
    fs::write(folder.path().join("it.test.yaml"), TESTS).expect("tests are written");
    let ran = run(folder.path(), &["test", "it.test.yaml"], &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("5 passed, 0 failed"), "{}", ran.stdout);
}

/// Guarantee: certificates, passwords and tokens are files of the machine where the process is to run:
/// that they are not on this one costs no protection.
#[test]
fn files_of_another_machine_are_taken() {
    const SECURE: &str = "\
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 0.0.0.0:4317
        include_metadata: true
        tls: { cert_file: /nowhere/a.pem, key_file: /nowhere/a.key, client_ca_file: /nowhere/ca.pem }
        auth: { authenticator: bearertokenauth }
processors:
  tail_sampling: { num_traces: 5, policies: [{ name: all, type: always_sample }] }
exporters:
  otlp:
    endpoint: tempo:4317
    tls: { ca_file: /nowhere/ca.pem, cert_file: /nowhere/b.pem, key_file: /nowhere/b.key }
  otlphttp:
    endpoint: https://tempo:4318
    tls: { ca_file: /nowhere/ca.pem }
    headers: { key: \"${file:/nowhere/key}\" }
extensions:
  bearertokenauth: { filename: /nowhere/tokens }
service:
  extensions: [bearertokenauth]
  pipelines:
    traces: { receivers: [otlp], processors: [tail_sampling], exporters: [otlp, otlphttp] }
";
    let folder = tempfile::tempdir().expect("a folder");
    let ran = imported(folder.path(), &[SECURE], &["--strict"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for file in ["a.pem", "a.key", "ca.pem", "b.pem", "b.key", "key", "tokens"] {
        assert!(ran.stdout.contains(&format!("/nowhere/{file}")), "{file}: {}", ran.stdout);
    }
    for idle in ["num_traces", "include_metadata"] {
        assert!(!ran.stdout.contains(idle), "the rest is looked at: {}", ran.stdout);
    }
    #[cfg(feature = "kafka")]
    {
        let ran = imported(folder.path(), &[PRODUCER, CONSUMER], &["--strict"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stdout.contains("ca_file: /etc/kafka/ca.pem"), "{}", ran.stdout);
    }
}

/// Guarantee: who starts a process with the file of another sampler is told of this command.
#[test]
fn other_commands_say_that_it_exists() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("other.yaml"), AGENT).expect("a fixture is written");
    fs::write(folder.path().join("rules.yaml"), SAMPLERS).expect("a fixture is written");
    for file in ["other.yaml", "rules.yaml"] {
        for command in ["check", "standalone", "gateway", "sampler"] {
            let ran = run(folder.path(), &[command, "--config", file], &[]);
            assert_eq!(ran.code, Some(1), "{}", ran.stderr);
            let said = ran.stderr.matches("`wholetrace import FILE`").count();
            assert_eq!(said, 1, "{command} {file}: {}", ran.stderr);
        }
    }
}

/// Guarantee: each thing that would be lost is said with its key path and the way to get it.
#[test]
fn what_would_be_lost_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = imported(folder.path(), &[GATEWAY], &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("# Does what a Collector does"), "{}", ran.stdout);
    let (rest, lost) = ran.stderr.split_once("\nlost: ").expect("three lists");
    let (taken, not_needed) = rest.split_once("\nnot needed: ").expect("three lists");
    for expected in ["processors.tail_sampling", "receivers.otlp.protocols.grpc.auth"] {
        assert!(taken.contains(expected), "{expected}: {taken}");
    }
    for expected in [
        "processors.batch",
        "processors.tail_sampling.num_traces",
        "receivers.otlp.protocols.http.include_metadata",
        "exporters.otlphttp/tempo.sending_queue.queue_size",
        "extensions.file_storage",
    ] {
        assert!(not_needed.contains(expected), "{expected}: {not_needed}");
    }
    for expected in [
        "connectors.spanmetrics",
        "service.pipelines.metrics",
        "processors.k8sattributes",
        "exporters.otlp/vendor.auth",
        "without credentials",
        "to get it: ",
    ] {
        assert!(lost.contains(expected), "{expected}: {lost}");
    }
}

#[test]
fn exit_codes_tell_losses_and_files_that_cannot_be_read() {
    const FINE: &str = "receivers: { otlp: { protocols: { grpc: } } }\n\
        processors: { tail_sampling: { policies: [{ name: all, type: always_sample }] } }\n\
        exporters: { otlp: { endpoint: 'a:4317' } }\n\
        service: { pipelines: { traces: { receivers: [otlp], processors: [tail_sampling], \
        exporters: [otlp] } } }\n";
    const UNKNOWN: &str = "{ name: odd, type: of_another_version }";
    let folder = tempfile::tempdir().expect("a folder");
    let unknown = FINE.replace("{ name: all, type: always_sample }", UNKNOWN);
    let rows: [(&str, &[&str], i32, &str); 10] = [
        (FINE, &["--strict"], 0, "nothing is lost"),
        (PIPELINES, &[], 0, "lost: "),
        (PIPELINES, &["--strict"], 2, "traces/archive"),
        (PIPELINES, &["--pipeline", "traces/archive"], 0, "service.pipelines.traces/archive"),
        (PIPELINES, &["--pipeline", "traces/none"], 1, "there are `traces/in`"),
        (&unknown, &[], 1, "processors.tail_sampling.policies[0].type"),
        ("a: [", &[], 1, "is not YAML"),
        ("Sampler = \"DynamicSampler\"\n", &[], 1, "Refinery's own converter"),
        ("receivers: { otlp: {} }", &[], 1, "service.pipelines"),
        ("admin: {}\nreceivers: {}", &[], 1, "neither"),
    ];
    for (text, options, code, expected) in rows {
        let ran = imported(folder.path(), &[text], options);
        assert_eq!(ran.code, Some(code), "{text}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
        if text == unknown {
            assert!(ran.stdout.contains(UNKNOWN), "it is written as it stands: {}", ran.stdout);
        }
    }
    let ran = run(folder.path(), &["import", "nowhere.yaml"], &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("`nowhere.yaml` cannot be read"), "{}", ran.stderr);
}
