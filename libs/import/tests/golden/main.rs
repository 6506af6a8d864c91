//! What comes of files of other samplers, beside what was expected of them. `UPDATE=1` writes it.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod loader;
mod mangled;

use std::{env, fs, path::PathBuf};

use wholetrace_import::{Imported, Selection, Source, import};

/// Files to read, the configuration that comes of them, and the report.
const CASES: [(&[&str], &str, &str); 9] = [
    (&["agent/collector.yaml"], "agent/wholetrace.yaml", "agent/report.txt"),
    (&["gateway/collector.yaml"], "gateway/wholetrace.yaml", "gateway/report.txt"),
    (
        &["two-tiers/balancer.yaml", "two-tiers/sampler.yaml"],
        "two-tiers/wholetrace.yaml",
        "two-tiers/report.txt",
    ),
    (&["kafka/consumer.yaml", "kafka/producer.yaml"], "kafka/wholetrace.yaml", "kafka/report.txt"),
    (&["configmap/resources.yaml"], "configmap/wholetrace.yaml", "configmap/report.txt"),
    (&["operator/resource.yaml"], "operator/wholetrace.yaml", "operator/report.txt"),
    (&["pipelines/collector.yaml"], "pipelines/wholetrace.yaml", "pipelines/report.txt"),
    (&["rules/rules.yaml", "rules/config.yaml"], "rules/wholetrace.yaml", "rules/report.txt"),
    (&["samplers/rules.yaml"], "samplers/wholetrace.yaml", "samplers/report.txt"),
];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn source(name: &&str) -> Source {
    let text = fs::read_to_string(fixture(name)).expect("a fixture");
    let file = name.rsplit('/').next().unwrap_or(name);
    Source { name: file.to_owned(), text }
}

fn imported(files: &[&str], selection: &Selection) -> Imported {
    let sources: Vec<Source> = files.iter().map(source).collect();
    import(&sources, selection, &loader::checked)
        .unwrap_or_else(|error| panic!("{files:?}: {error}"))
}

#[test]
fn files_become_what_is_expected() {
    for (files, configuration, report) in CASES {
        let imported = imported(files, &Selection::default());
        let end = if imported.loads { "loads" } else { "does not load" };
        let said = format!("{}\n{end}\n", imported.report);
        for (name, text) in [(configuration, &imported.configuration), (report, &said)] {
            if env::var_os("UPDATE").is_some() {
                fs::write(fixture(name), text).expect("it is written");
            }
            let expected = fs::read_to_string(fixture(name)).unwrap_or_default();
            assert_eq!(*text, expected, "{name}: `UPDATE=1` writes what is now");
        }
    }
}

/// Each environment of Refinery's rules, and the policy that its sampler becomes.
#[test]
fn each_sampler_has_its_policy() {
    for (environment, policy) in [
        ("dynamic", "dynamic: { fields: [http.method], goal_sample_rate: 4 }"),
        ("ema", "dynamic: { fields: [service.name], goal_sample_rate: 20 }"),
        ("throughput", "dynamic: { fields: [service.name], goal_throughput_per_sec: 500 }"),
        ("windowed", "dynamic: { fields: [service.name], goal_throughput_per_sec: 50 }"),
        ("total", "dynamic: { fields: [service.name], goal_throughput_per_sec: 10 }"),
        ("everything", "type: always_sample"),
    ] {
        let selection =
            Selection { environment: Some(environment.to_owned()), ..Selection::default() };
        let imported = imported(&["samplers/rules.yaml"], &selection);
        let found = imported.configuration.contains(policy);
        assert!(found, "{environment}: {}", imported.configuration);
    }
}
