//! Starting and stopping.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _};

use super::process::{FREE_PORTS, Standalone, configuration, get, run};

#[test]
fn it_says_where_everything_is_and_stops_when_asked_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut running = Standalone::start(folder.path(), &FREE_PORTS);
    for expected in ["OTLP gRPC", "OTLP HTTP", "Zipkin", "errors, ten-percent", "kept-traces.jsonl"]
    {
        running.wait_for(expected);
    }
    running.wait_for("wholetrace generate --endpoint http://127.0.0.1:");
    let admin = running.address("/metrics");
    assert!(get(&admin, "/livez").starts_with("HTTP/1.1 200"));
    let metrics = get(&admin, "/metrics");
    assert!(metrics.contains("wholetrace_process_build_info"), "{metrics}");
    assert!(folder.path().join("wholetrace-data").is_dir());
    running.signal("TERM");
    running.wait_for("SIGTERM");
    running.wait_for("stopped in order");
    assert_eq!(running.end().code(), Some(0));
}

#[test]
fn a_port_in_use_is_said_with_its_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    for key in
        ["receivers.otlp.protocols.grpc.endpoint", "receivers.zipkin.endpoint", "admin.endpoint"]
    {
        let setting = format!("{key}={address}");
        let mut arguments = vec!["standalone"];
        arguments.extend(FREE_PORTS);
        arguments.extend(["--set", &setting]);
        let ran = run(folder.path(), &arguments, &[]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        for expected in [&address, key, "the port is in use"] {
            assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
        }
    }
    let data = folder.path().join("wholetrace-data");
    assert!(!data.exists(), "no data folder is made when the ports are not to be had");
}

#[test]
fn a_data_folder_that_cannot_be_used_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("a file");
    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign).expect("a folder");
    fs::write(foreign.join("somebody's"), "x").expect("a file");
    let mut rows = vec![file.join("below"), foreign];
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).expect("a folder");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).expect("permissions");
    // Nothing is locked to root.
    if fs::write(locked.join("probe"), "").is_err() {
        rows.push(locked.join("below"));
    }
    for directory in rows {
        let directory = directory.display().to_string();
        let setting = format!("log.embedded.directory={directory}");
        let mut arguments = vec!["standalone"];
        arguments.extend(FREE_PORTS);
        arguments.extend(["--set", &setting]);
        let ran = run(folder.path(), &arguments, &[]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains(&directory), "{}", ran.stderr);
        assert!(ran.stderr.matches("os error").count() <= 1, "why is said once: {}", ran.stderr);
    }
}

#[test]
fn one_folder_is_used_by_one_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let _running = Standalone::start(folder.path(), &FREE_PORTS);
    let mut arguments = vec!["standalone"];
    arguments.extend(FREE_PORTS);
    let ran = run(folder.path(), &arguments, &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("wholetrace-data"), "{}", ran.stderr);
}

#[test]
fn policies_are_reloaded_and_bad_ones_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let policies =
        |list: &str| configuration(folder.path(), &format!("tail_sampling:\n  policies: {list}\n"));
    let file = policies("[{ name: a, type: always_sample }]");
    let mut arguments = vec!["--config", &file];
    arguments.extend(FREE_PORTS);
    let mut running = Standalone::start(folder.path(), &arguments);

    // The changed file is noticed by itself.
    policies("[{ name: a, type: always_sample }, { name: b, type: always_sample }]");
    running.wait_for("the policies are reloaded policies=2");
    policies("[{ name: a, type: nonsense }]");
    running.wait_for("everything stays as it is");
    policies("[{ name: c, type: always_sample }]");
    running.wait_for("the policies are reloaded policies=1");
    running.signal("HUP");
    running.wait_for("SIGHUP: the policies are reloaded");

    running.signal("INT");
    assert_eq!(running.end().code(), Some(0));
}

#[test]
fn what_is_not_reloaded_is_said_by_its_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let with = |cache: &str, more: &str| {
        let policies = "policies: [{ name: a, type: always_sample }]";
        let sampling = format!("tail_sampling: {{ {policies}, decision_cache: {{ {cache} }} }}\n");
        configuration(folder.path(), &format!("{sampling}{more}"))
    };
    let file = with("max_age: 1h", "");
    let mut arguments = vec!["--config", &file];
    arguments.extend(FREE_PORTS);
    let mut running = Standalone::start(folder.path(), &arguments);
    with("max_age: 2h, max_entries: 5", "memory: { window_cache: 3MiB }\n");
    let line = running.wait_for("has changed");
    assert!(line.contains("`memory.window_cache`"), "{line}");
    assert!(line.contains("takes effect at the next start"), "{line}");
    running.wait_for("the policies are reloaded");
    running.signal("TERM");
    assert_eq!(running.end().code(), Some(0));
}

/// Scenario: the system refuses every write to the files of the log.
///
/// Guarantee: the process says so once and ends with 1, for a supervisor to start it again: it does
/// not stay and seem alive (I7).
#[test]
fn a_log_that_cannot_be_written_ends_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = configuration(folder.path(), "exporters: { debug: {} }\n");
    let mut arguments = vec!["--config", &file];
    arguments.extend(FREE_PORTS);
    let mut running = Standalone::start_to_be_limited(folder.path(), &arguments);
    let endpoint = format!("http://{}", running.address("OTLP gRPC"));
    let send = |more: &[&str]| {
        let few = ["generate", "--endpoint", &endpoint, "--traces", "5", "--late", "0"];
        run(folder.path(), &[&few, more].concat(), &[]).code
    };
    assert_eq!(send(&[]), Some(0), "as long as it can be written");
    running.limit_files();
    assert_eq!(send(&["--give-up-after", "1s"]), Some(1), "nothing can be acknowledged");
    let (status, said) = running.last_words();
    let text = said.join("\n");
    assert_eq!(status.code(), Some(1), "{text}");
    let errors: Vec<_> = said.iter().filter(|line| line.contains(" ERROR ")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    // The system's own words for this.
    assert!(errors[0].contains("File too large"), "{text}");
    let last = said.iter().find(|line| line.contains("stopped because of a failure"));
    assert!(last.is_some_and(|line| line.contains("File too large")), "{text}");
    assert!(!text.contains("it goes on by itself"), "{text}");
}
