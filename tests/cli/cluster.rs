//! The roles of a cluster, as far as they need no brokers.

use super::process::{configuration, run};

const KAFKA: &str = "log: { kafka: { brokers: [127.0.0.1:9] } }\n";
const BACKEND: &str = "exporters: { debug: {} }\n";

#[test]
fn a_log_of_one_machine_is_not_for_a_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = configuration(folder.path(), BACKEND);
    for role in ["gateway", "sampler"] {
        let ran = run(folder.path(), &[role, "--config", &file], &[]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        for expected in [role, "`log.kafka`", "`wholetrace standalone`"] {
            assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
        }
    }
    for action in ["create", "check", "describe"] {
        let ran = run(folder.path(), &["topics", action, "--config", &file], &[]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("no section `log.kafka`"), "{}", ran.stderr);
    }
}

#[test]
fn sections_of_other_roles_are_checked_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "{KAFKA}{BACKEND}receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: x }} }} }} }}\n\
         tail_sampling: {{ policies: [{{ name: a, type: latency }}] }}\nadmim: {{}}\n"
    );
    let file = configuration(folder.path(), &text);
    for command in [&["gateway"] as &[&str], &["sampler"], &["check"], &["topics", "check"]] {
        let ran = run(folder.path(), &[command, &["--config", &file]].concat(), &[]);
        assert_eq!(ran.code, Some(1), "{command:?}: {}", ran.stderr);
        for expected in ["3 problems", "grpc.endpoint", "tail_sampling.policies", "admim"] {
            assert!(ran.stderr.contains(expected), "{command:?}: {expected}: {}", ran.stderr);
        }
    }
}

#[test]
fn a_sampler_must_know_where_traces_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = configuration(folder.path(), KAFKA);
    let ran = run(folder.path(), &["sampler", "--config", &file], &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("no exporter is configured"), "{}", ran.stderr);
    let ran = run(folder.path(), &["check", "--config", &file], &[]);
    assert_eq!(ran.code, Some(0), "a gateway needs none: {}", ran.stderr);
    assert!(ran.stderr.contains("warning: exporters"), "{}", ran.stderr);
}

#[test]
fn memory_is_added_up_for_each_role() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = configuration(folder.path(), &format!("{KAFKA}{BACKEND}"));
    let ran = run(folder.path(), &["check", "--config", &file], &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let (before, sampler) = ran.stdout.split_once("What a sampler may").expect("both roles");
    let (_, gateway) = before.split_once("What a gateway may").expect("both roles");
    assert!(gateway.contains("limits.in_flight") && gateway.contains("log.kafka"), "{gateway}");
    assert!(!gateway.contains("window_cache") && sampler.contains("window_cache"), "{sampler}");
    assert!(!sampler.contains("limits.in_flight") && sampler.contains("log.kafka"), "{sampler}");

    // What one role cannot have is said of that role.
    let bounds = "memory: { limit: 1GiB, window_cache: 2GiB }\n";
    let file = configuration(folder.path(), &format!("{KAFKA}{BACKEND}{bounds}"));
    let arguments = |command| [command, "--config", &file];
    let ran = run(folder.path(), &arguments("check"), &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("of a sampler add up to"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("of a gateway add up to"), "{}", ran.stderr);
}

#[test]
fn brokers_that_do_not_answer_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = configuration(folder.path(), KAFKA);
    let arguments = ["topics", "check", "--config", &file, "--set", "log.kafka.start_timeout=1s"];
    let ran = run(folder.path(), &arguments, &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    for expected in ["no broker of `127.0.0.1:9`", "Connection refused", "log.kafka.brokers"] {
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
    }
}
