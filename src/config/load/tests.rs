use std::fs;

use wholetrace_sampler::exporter::config::ExporterConfig;

use super::*;

fn load_text(text: &str) -> Result<Loaded, Refused> {
    load_with(text, &[], &[("TOKEN", "hunter2")])
}

/// The configuration `text` with these options and variables.
fn load_with(text: &str, settings: &[&str], variables: &[(&str, &str)]) -> Result<Loaded, Refused> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wholetrace.yaml");
    fs::write(&file, text).unwrap();
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let variables = variables.iter().map(owned).collect();
    let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
    load(&Inputs { files: vec![file], settings, variables }, None)
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

/// Passwords of digits, and of what else is no text to YAML, are taken as they are written, wherever they
/// stand, and print nowhere.
#[test]
fn passwords_are_taken_as_they_are_written() {
    const KEY: &str = "exporters.otlphttp.headers.key";
    let with = |value: &str| {
        format!(
            "exporters:\n  otlphttp:\n    endpoint: http://127.0.0.1:1\n    headers: {{ {value} }}\n"
        )
    };
    let key = |loaded: Loaded| {
        let shown = loaded.effective().unwrap();
        let exporters = loaded.config.exporters.0;
        let Some((_, ExporterConfig::OtlpHttp(exporter))) = exporters.into_iter().next() else {
            panic!("no exporter")
        };
        (exporter.headers["key"].reveal().to_owned(), shown)
    };
    let none = with("other: x");
    for password in ["87654321", "0017", "1.50", "0x1F", "true", "1e400", "-5", "~5"] {
        let option = format!("{KEY}={password}");
        let variable = [("WHOLETRACE__EXPORTERS__OTLPHTTP__HEADERS__KEY", password)];
        for (what, loaded) in [
            ("the file", load_with(&with(&format!("key: {password}")), &[], &[])),
            ("an option", load_with(&none, &[&option], &[])),
            ("a variable", load_with(&none, &[], &variable)),
            (
                "elsewhere",
                load_with(&with("key: '${env:PASSWORD}'"), &[], &[("PASSWORD", password)]),
            ),
        ] {
            let (taken, shown) = key(loaded.unwrap_or_else(|error| panic!("{what}: {error}")));
            assert_eq!(taken, password, "{what}");
            assert!(!shown.contains(&format!("key: {password}")), "{what}: {shown}");
        }
    }
    for password in ["a: 4711", "[4711]", "#4711", "4711 #4711", "'4711", "{4711", "!4711", "*4711"]
    {
        let option = format!("{KEY}={password}");
        assert_eq!(key(load_with(&none, &[&option], &[]).unwrap()).0, password);
    }
    for value in ["key: [4711]", "key: { x: 4711 }"] {
        let said = refused(&with(value));
        assert!(said.contains(KEY) && said.contains("text of a secret"), "{said}");
        assert!(!said.contains("4711"), "{said}");
    }
}

#[test]
fn words_and_numbers_are_what_they_are_for_a_collector() {
    let text = "tail_sampling:\n  policies:\n    - { name: on, type: string_attribute, \
                string_attribute: { key: y, values: [yes, no, off, n] } }\n    \
                - { name: share, type: probabilistic, probabilistic: { sampling_percentage: 010 } }\n\
                exporters: { debug: {} }\n";
    let effective = load_text(text).unwrap().effective().unwrap();
    for expected in ["name: \"on\"", "- \"yes\"", "- \"no\"", "- \"off\"", "sampling_percentage: 8"]
    {
        let plain = expected.replace('"', "");
        assert!(effective.contains(expected) || effective.contains(&plain), "{effective}");
    }
    // Options have no quotes.
    let loaded = load_with(text, &["exporters.file.path=007"], &[]).unwrap();
    let again = load_text(&loaded.effective().unwrap()).unwrap();
    assert_eq!(again.effective().unwrap(), loaded.effective().unwrap());
    let Some((_, ExporterConfig::File(file))) =
        loaded.config.exporters.0.iter().find(|(name, _)| name == "file")
    else {
        panic!("no file")
    };
    assert_eq!(file.path.display().to_string(), "007");
}

#[test]
fn what_does_not_fit_is_said_in_words_of_the_configuration() {
    let said = refused(
        "exporters:\n  otlp: { endpoint: 'a:1', tls: { insecure: yes } }\n  file: { path: 5 }\n\
         tail_sampling:\n  policies:\n    - name: a\n      type: probabilistic\n      \
         probabilistic: { sampling_percentage: ten }\n    - none\n\
         receivers: [otlp]\n",
    );
    for expected in [
        "the text `yes` does not fit: `true` or `false` is wanted",
        "write `true`: `yes` is text here, as it is for a Collector",
        "`5` does not fit: text is wanted",
        "put it in quotes",
        "the text `ten` does not fit: a number is wanted",
        "a list does not fit",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    for of_the_program in ["struct", "f64", "u32", "sequence", "invalid type"] {
        assert!(!said.contains(of_the_program), "{of_the_program}: {said}");
    }
}

#[test]
fn a_section_that_is_there_twice_is_said_with_both_lines() {
    let said = refused("admin: {}\nmemory: {}\nadmim: {}\nadmin: { endpoint: x:1 }\n");
    for expected in [
        "admin (",
        "`admin` is there twice: in line 1 and again in line 4",
        "did you mean `admin`?",
        "2 problems",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let nested = "exporters:\n  otlp: { endpoint: a:1 }\n  otlphttp:\n    endpoint: http://b:1\n    \
                  endpoint: http://c:1\n";
    let said = refused(nested);
    assert!(said.contains("`endpoint` is there twice: a second time in line 5"), "{said}");
    assert!(!said.contains("Policy"), "{said}");
}
