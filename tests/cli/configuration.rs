//! Configurations that are refused, and what is said about those that are not.

use super::process::{configuration, run};

/// Each row: a configuration and what must be said of it.
const REFUSED: [(&str, &[&str]); 15] = [
    ("admim: {}", &["admim", "unknown key", "did you mean `admin`?"]),
    ("admin: { endpont: x }", &["admin.endpont", "did you mean `endpoint`?"]),
    ("receivers: { lightstep: {} }", &["receivers.lightstep", "there are: otlp, zipkin, jaeger"]),
    ("exporters: { otpl: {} }", &["exporters.otpl", "did you mean `otlp`?"]),
    (
        "tail_sampling: { decision_wait: 5 parsecs, policies: [{ name: a, type: always_sample }] }",
        &["tail_sampling.decision_wait", "5 parsecs", "is not a duration", "`10s`"],
    ),
    (
        "tail_sampling: { decision_wait: 48h, policies: [{ name: a, type: always_sample }] }",
        &["tail_sampling.decision_wait", "48h", "24h"],
    ),
    (
        "tail_sampling: { policies: [{ name: a, type: or, or: {} }] }",
        &["tail_sampling.policies[0].or.or_sub_policy", "at least one policy"],
    ),
    ("log: { embedded: { quota: lots } }", &["log.embedded.quota", "`lots` is not a size"]),
    ("log: { kafak: {} }", &["log.kafak", "did you mean `kafka`?"]),
    ("log: { kafka: { brokers: [a] } }", &["log.kafka.brokers", "`a`", "host:port"]),
    ("log: { kafka:, embedded: }", &["both `embedded` and `kafka`", "remove `embedded`"]),
    (
        "log: { kafka: { producer: { max_message_bytes: 64KiB } } }",
        &["log.kafka.producer.max_message_bytes", "`limits.frame_bytes`"],
    ),
    ("logging: { level: loud }", &["logging.level", "loud", "`debug`"]),
    ("memory: { limit: 100MiB }", &["memory.limit", "add up to", "or lower"]),
    ("admin: [\n", &["is not YAML"]),
];

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, expected) in REFUSED {
        let folder = tempfile::tempdir().expect("a folder");
        let file = configuration(folder.path(), text);
        for command in ["check", "standalone"] {
            let ran = run(folder.path(), &[command, "--config", &file], &[]);
            assert_eq!(ran.code, Some(1), "{text}: {}", ran.stderr);
            assert!(ran.stderr.contains("wholetrace.yaml"), "{text}: {}", ran.stderr);
            for expected in expected {
                assert!(ran.stderr.contains(expected), "{text}: {expected}: {}", ran.stderr);
            }
        }
        let left = folder.path().join("wholetrace-data");
        assert!(!left.exists(), "{text}: nothing is made of a refused configuration");
    }
}

#[test]
fn all_problems_are_said_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let all: Vec<&str> = REFUSED.iter().map(|(text, _)| *text).collect();
    // Sections that are there twice are no YAML: the first of each.
    let text = [all[1], all[2], all[3], all[4], all[7], all[12]].join("\n");
    let file = configuration(folder.path(), &text);
    let ran = run(folder.path(), &["check", "--config", &file, "--set", "x"], &[]);
    for expected in [
        "7 problems",
        "admin.endpont",
        "wholetrace.yaml:1",
        "receivers.lightstep",
        "exporters.otpl",
        "decision_wait",
        "wholetrace.yaml:4",
        "log.embedded.quota",
        "logging.level",
        "--set",
    ] {
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
    }
}

#[test]
fn a_file_that_is_not_there_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = run(folder.path(), &["check", "--config", "nowhere.yaml"], &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("nowhere.yaml"), "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot be read"), "{}", ran.stderr);
}

#[test]
fn options_win_over_variables_and_variables_over_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = configuration(
        folder.path(),
        "admin: { endpoint: 127.0.0.1:1 }\nlogging: { level: warn, format: json }\n",
    );
    let arguments = ["check", "--config", &file, "--set", "admin.endpoint=127.0.0.1:3"];
    let variables =
        [("WHOLETRACE__ADMIN__ENDPOINT", "127.0.0.1:2"), ("WHOLETRACE__LOGGING__LEVEL", "debug")];
    let ran = run(folder.path(), &arguments, &variables);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for expected in ["127.0.0.1:3", "level: debug", "format: json", "together at most"] {
        assert!(ran.stdout.contains(expected), "{expected}: {}", ran.stdout);
    }
}

#[test]
fn secrets_are_never_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = "exporters:\n  otlphttp:\n    endpoint: http://127.0.0.1:1\n    \
                headers: { authorization: 'Bearer ${env:TOKEN}', plain: hunter2 }\n";
    let bad = format!("{good}    timeout: ${{env:TOKEN}}\n");
    for (text, code) in [(good, 0), (bad.as_str(), 1)] {
        let file = configuration(folder.path(), text);
        let ran = run(folder.path(), &["check", "--config", &file], &[("TOKEN", "hunter2")]);
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
    let file = configuration(folder.path(), good);
    let ran = run(folder.path(), &["check", "--config", &file], &[]);
    assert!(ran.stderr.contains("`TOKEN` is not set"), "{}", ran.stderr);
}

#[test]
fn keys_that_are_not_needed_are_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = configuration(
        folder.path(),
        "tail_sampling: { num_traces: 100, policies: [{ name: a, type: always_sample }] }\n",
    );
    let ran = run(folder.path(), &["check", "--config", &file], &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: tail_sampling.num_traces"), "{}", ran.stderr);
}

/// Guarantee: somebody who has never seen a policy knows what these do.
#[test]
fn policies_are_explained_in_words() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let ran = run(root, &["check", "--explain", "--config", "examples/policies.yaml"], &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for expected in [
        "A trace is decided 10s after its first span",
        "`no-health-checks` discards traces with an attribute `url.path`, of a span or its resource, \
         that is `/healthz` or `/readyz`.",
        "`errors` keeps traces with a span whose status is `ERROR`.",
        "in which the pattern `^/checkout` is found, and that lasted longer than 2s.",
        "`the-rest` keeps traces by chance: 1% of all, 1 in 100.",
        "looks at: the attribute `url.path` of each resource and each span; the earliest start",
        "costs: at most 8 bytes for each undecided trace; 1 pattern",
        "bytes are remembered",
    ] {
        assert!(ran.stdout.contains(expected), "{expected}\n{}", ran.stdout);
    }
    let discards = ran.stdout.find("no-health-checks");
    assert!(discards < ran.stdout.find("`errors`"), "{}", ran.stdout);
}
