//! What comes of files of other samplers, beside what was expected of them. `UPDATE=1` writes it.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod loader;
mod mangled;

use std::{env, fs, path::PathBuf};

use wholetrace_import::{Imported, Selection, Source, import};

/// Files to read, the configuration that comes of them, and the report.
const CASES: [(&[&str], &str, &str); 13] = [
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
    (&["head/collector.yaml"], "head/wholetrace.yaml", "head/report.txt"),
    (&["fleet/agent.yaml", "fleet/sampler.yaml"], "fleet/wholetrace.yaml", "fleet/report.txt"),
    (&["formats/collector.yaml"], "formats/wholetrace.yaml", "formats/report.txt"),
    (&["branches/collector.yaml"], "branches/wholetrace.yaml", "branches/report.txt"),
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
    for (environment, policy, lost) in [
        ("dynamic", "dynamic: { fields: [http.method], goal_sample_rate: 4 }", ""),
        ("ema", "goal_sample_rate: 20, max_keys: 50 }", "EMADynamicSampler.FieldList[1]"),
        ("throughput", "dynamic: { fields: [service.name], goal_throughput_per_sec: 500 }", ""),
        ("windowed", "goal_throughput_per_sec: 50 }", ".GoalThroughputPerSec"),
        ("total", "goal_throughput_per_sec: 10 }", ".GoalThroughputPerSec"),
        ("everything", "type: always_sample", ""),
    ] {
        let selection =
            Selection { environment: Some(environment.to_owned()), ..Selection::default() };
        let imported = imported(&["samplers/rules.yaml"], &selection);
        let found = imported.configuration.contains(policy);
        assert!(found, "{environment}: {}", imported.configuration);
        let is_of_it = |path: &&str| path.starts_with(&format!("Samplers.{environment}."));
        let paths = imported.report.lost.iter().map(|entry| entry.place.path.as_str());
        let said: Vec<&str> = paths.filter(is_of_it).collect();
        assert_eq!(said.len(), usize::from(!lost.is_empty()), "{said:?}");
        assert!(said.iter().all(|path| path.ends_with(lost)), "{said:?}");
    }
}

/// Files of Refinery's first version, as TOML and as YAML, and what is no YAML for another reason.
#[test]
fn files_of_the_first_version_are_to_be_converted() {
    for (name, text) in [
        ("rules.toml", "# only\n"),
        ("rules", "Sampler = \"DynamicSampler\"\nSampleRate = 2\n"),
        ("rules", "[dataset1]\n\n    Sampler = \"DeterministicSampler\"\n    SampleRate = 10\n"),
        ("rules.yaml", "Sampler: DynamicSampler\nSampleRate: 2\n"),
    ] {
        let source = Source { name: name.to_owned(), text: text.to_owned() };
        let error = import(&[source], &Selection::default(), &loader::checked)
            .map_or_else(|error| error.to_string(), |imported| panic!("{text}: {imported:?}"));
        assert!(error.starts_with(&format!("{name}: ")), "{error}");
        assert!(error.contains("`convert rules --input OLD --output rules.yaml`"), "{error}");
    }
    let source = Source { name: "c.yaml".to_owned(), text: "a: [\n  b=c".to_owned() };
    let error = import(&[source], &Selection::default(), &loader::checked).map(drop);
    let said = error.map_or_else(|error| error.to_string(), |()| "read".to_owned());
    assert!(said.contains("is not YAML"), "{said}");
}
