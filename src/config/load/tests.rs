use std::fs;

use super::*;

fn load_text(text: &str) -> Result<Loaded, Refused> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wholetrace.yaml");
    fs::write(&file, text).unwrap();
    let variables = [("TOKEN".to_owned(), "hunter2".to_owned())].into();
    load(&Inputs { files: vec![file], settings: Vec::new(), variables }, None)
}

fn refused(text: &str) -> String {
    load_text(text).unwrap_err().to_string()
}

#[test]
fn nothing_configured_is_a_configuration() {
    let loaded = load(&Inputs::default(), None).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let text = loaded.effective().unwrap();
    for expected in ["127.0.0.1:4317", "kept-traces.jsonl", "decision_wait: 10s", "ERROR"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn options_change_the_defaults_in_part() {
    let settings = ["tail_sampling.decision_wait=2s", "receivers.zipkin.endpoint=127.0.0.1:1"];
    let settings = settings.map(str::to_owned).to_vec();
    let loaded = load(&Inputs { settings, ..Inputs::default() }, None).unwrap();
    let text = loaded.effective().unwrap();
    for expected in ["decision_wait: 2s", "ten-percent", "127.0.0.1:1", "127.0.0.1:4317"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn the_effective_configuration_is_a_configuration() {
    let first = load(&Inputs::default(), None).unwrap().effective().unwrap();
    let second = load_text(&first).unwrap().effective().unwrap();
    assert_eq!(first, second);
}

#[test]
fn all_problems_are_told_with_their_lines() {
    let said = refused(
        "receivers:\n  otlp:\n    protocols:\n      grpc: { endpiont: x }\n  jaegr: {}\n\
         tail_sampling:\n  decision_wait: 5 parsecs\n  policies:\n    - name: a\n      type: latency\n\
         exporters:\n  otpl: {}\n  file: { path: x }\nadmim: {}\n",
    );
    for expected in [
        "receivers.otlp.protocols.grpc.endpiont (",
        "wholetrace.yaml:4)",
        "did you mean `endpoint`?",
        "receivers.jaegr (",
        "decision_wait",
        "wholetrace.yaml:7)",
        "5 parsecs",
        "did you mean `otlp`?",
        "did you mean `admin`?",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn sections_of_a_collector_are_explained() {
    let said = refused("processors: { batch: {} }\nservice: { pipelines: {} }\n");
    assert!(said.contains("2 problems") && said.contains("to the top"), "{said}");
}

#[test]
fn a_small_machine_has_smaller_defaults() {
    // What the limit means to the defaults, and that they fit.
    let loaded = load_text("memory: { limit: 1GiB }\n").unwrap();
    assert_eq!(loaded.config.memory.window_cache, ByteSize::mib(128));
    assert!(Cost::of(&loaded.config, Role::Standalone).total() < 1 << 30);
    let said = refused("memory: { limit: 256MiB }\n");
    assert!(said.contains("add up to"), "{said}");
}

#[test]
fn secrets_are_not_told() {
    let text = "exporters:\n  otlphttp:\n    endpoint: http://127.0.0.1:1\n    \
                headers: { authorization: '${env:TOKEN}' }\n";
    let effective = load_text(text).unwrap().effective().unwrap();
    assert!(!effective.contains("hunter2"), "{effective}");
    let plain = text.replace("${env:TOKEN}", "hunter2");
    let effective = load_text(&plain).unwrap().effective().unwrap();
    assert!(!effective.contains("hunter2"), "{effective}");
    let said = refused(&format!("{text}admin: {{ endpoint: '${{env:TOKEN}}' }}\n"));
    assert!(said.contains("admin.endpoint") && !said.contains("hunter2"), "{said}");
}

#[test]
fn a_configuration_that_cannot_fit_is_refused_with_its_sum() {
    let said = refused("memory: { limit: 1GiB, window_cache: 2GiB }\n");
    assert!(said.contains("memory.limit") && said.contains("window_cache"), "{said}");
}
