//! What people do wrong at the first start, and what they are told.

use super::process::{FREE_PORTS, Standalone, configuration, run};

/// An exporter as Collectors have it, its queue counted in requests.
///
/// Guarantee: the file loads, with one warning, which says what the number means here; there is no
/// second problem that follows from it.
#[test]
fn a_queue_of_a_collector_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = configuration(
        folder.path(),
        "exporters:\n  otlp/tempo:\n    endpoint: tempo:4317\n    tls: { insecure: true }\n    \
         sending_queue: { enabled: true, num_consumers: 10, queue_size: 5000 }\n\
         tail_sampling:\n  policies: [{ name: all, type: always_sample }]\n",
    );
    let ran = run(folder.path(), &["check", "--config", &file], &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let warnings: Vec<&str> =
        ran.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    let [warning] = warnings[..] else { panic!("{}", ran.stderr) };
    for expected in [
        "exporters.otlp/tempo.sending_queue.queue_size: counts requests",
        "here the queue is bounded in bytes, and the default is used",
        "nothing is lost",
        "`64MiB`",
    ] {
        assert!(warning.contains(expected), "{expected}: {warning}");
    }
    assert!(ran.stdout.contains("queue_size: 64MiB"), "{}", ran.stdout);
    assert!(ran.stdout.contains("num_consumers: 10"), "{}", ran.stdout);
}

/// A file with exporters and without policies, whose author wants everything forwarded.
///
/// Guarantee: `check` and the start both say what will be dropped, and how to keep it.
#[test]
fn exporters_without_policies_are_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = configuration(folder.path(), "exporters: { debug: {} }\n");
    let expected = ["no policies are configured", "90 % are dropped", "`always_sample`"];
    let ran = run(folder.path(), &["check", "--config", &file], &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for expected in expected {
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
    }
    let mut arguments = vec!["--config", &file];
    arguments.extend(FREE_PORTS);
    let mut running = Standalone::start(folder.path(), &arguments);
    let said = running.wait_for("no policies are configured");
    assert!(said.contains("WARN"), "{said}");
    for expected in expected {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    running.signal("TERM");
    assert_eq!(running.end().code(), Some(0));
}
