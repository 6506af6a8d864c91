use std::fs;

use wholetrace_exporter::config::ExporterConfig;

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
    load(&Inputs { files: vec![file], settings, variables, ..Inputs::default() }, None)
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

/// What it sends would come back to it, kept again for as long as decisions are remembered.
#[test]
fn an_exporter_that_points_at_an_own_listener_is_refused() {
    let said = refused("exporters: { otlp: { endpoint: 'http://localhost:4317' } }");
    for expected in
        ["exporters.otlp.endpoint", "receivers.otlp.protocols.grpc.endpoint", "go round for ever"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let elsewhere = "exporters: { otlp: { endpoint: 'http://localhost:14317' } }";
    assert!(load_text(elsewhere).is_ok());
    #[cfg(feature = "kafka")]
    {
        // Gateways and samplers are processes of their own, which need not be on one machine.
        let cluster =
            "log: { kafka: {} }\nexporters: { otlp: { endpoint: 'http://localhost:4317' } }";
        assert!(load_text(cluster).is_ok());
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
    let second = load_text(&first).unwrap();
    assert_eq!(first, second.effective().unwrap());
    // It has every key: none of them is taken for one that means something to others only.
    assert_eq!(warnings(&second), Vec::<String>::new());
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
    let said = refused(
        "processors: { batch: {}, tail_sampling: {}, resource/x: {}, k8sattributes: }\n\
         extensions: { basicauth/client: {}, health_check: {} }\n\
         service:\n  telemetry: {}\n  pipelines:\n    \
         traces: { receivers: [otlp], exporters: [otlp] }\n    \
         traces/2: { receivers: [otlp], exporters: [otlp/2] }\n    metrics: {}\n\
         exporters: { jaeger_thrift: {}, otlp: { endpoint: a:1 }, loki: {} }\nreceivers: { otlp: { protocols: { grpc: } }, skywalking: {} }\n",
    );
    for expected in [
        "move the block `tail_sampling` to the top of the file",
        "leave `batch` out: that is done here anyway",
        "`resource/x`, `k8sattributes` will not happen here",
        "`basicauth/client`: exporters send credentials as `headers: { authorization:",
        "leave `health_check` out",
        "the pipelines `traces`, `traces/2` differ",
        "`metrics` stay with a Collector",
        "instead of `telemetry` there are `logging` and `admin`",
        "write `otlp/jaeger: { endpoint: \"HOST:4317\" }`",
        "there are only traces here",
        "spans come as OTLP, Zipkin or Jaeger",
        "6 problems",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let said = refused("service: { pipelines: { traces: {}, traces/b: {} } }\n");
    assert!(said.contains("leave it out: all receivers feed"), "{said}");
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

fn warnings(loaded: &Loaded) -> Vec<String> {
    loaded.warnings.iter().map(ToString::to_string).collect()
}

/// Each key, where a Collector has it, and what is said of it: of those in the first list in a
/// warning, of those in the second in an error. None is unknown.
#[test]
fn keys_of_a_collector_are_known() {
    const GRPC: &str = "receivers.otlp.protocols.grpc";
    const HTTP: &str = "receivers.otlp.protocols.http";
    let with = |place: &str, key: &str, value: &str| {
        let option = format!("{place}.{key}={value}");
        let text = "receivers:\n  otlp: { protocols: { grpc: {}, http: {} } }\n  zipkin: {}\n\
                    exporters:\n  otlp: { endpoint: a:1 }\n  otlphttp: { endpoint: http://a:1 }\n  \
                    zipkin: { endpoint: http://a:1 }\n  \
                    file: { path: x }\n  debug: {}\n\
                    tail_sampling: { policies: [{ name: a, type: always_sample }] }\n";
        load_with(text, &[&option], &[])
    };
    for (place, key, value, said) in [
        (GRPC, "include_metadata", "true", "nothing here reads the headers"),
        (GRPC, "max_concurrent_streams", "100", "limits.streams_per_connection"),
        (GRPC, "read_buffer_size", "524288", "buffers fit"),
        (GRPC, "write_buffer_size", "524288", "buffers fit"),
        (GRPC, "keepalive.enforcement_policy", "{min_time: 30s}", "as often as they like"),
        (HTTP, "include_metadata", "true", "nothing here reads the headers"),
        (HTTP, "compression_algorithms", "[gzip]", "gzip, zstd and deflate are read"),
        (HTTP, "idle_timeout", "1m", "hold for all listeners"),
        (HTTP, "read_timeout", "1m", "hold for all listeners"),
        (HTTP, "metrics_url_path", "/m", "only traces"),
        (HTTP, "logs_url_path", "/l", "only traces"),
        ("receivers.zipkin", "parse_string_tags", "true", "tags stay text"),
        ("exporters.otlp", "batcher", "{enabled: true}", "`sending_queue.batch`"),
        ("exporters.otlp", "compression", "snappy", "`snappy` is not spoken: `gzip` is used"),
        ("exporters.otlp", "timeout", "0", "`0` has no effect"),
        ("exporters.otlp", "timeout", "0s", "`0` has no effect"),
        ("exporters.otlp", "insecure", "true", "stands under `tls` today"),
        ("exporters.otlp", "tls.cipher_suites", "[x]", "only suites"),
        ("exporters.otlphttp", "http2_read_idle_timeout", "10s", "ends with `timeout`"),
        ("exporters.otlphttp", "http2_ping_timeout", "10s", "ends with `timeout`"),
        ("exporters.otlphttp", "max_idle_conns", "5", "as they are needed"),
        ("exporters.otlphttp", "compression", "lz4", "`lz4` is not spoken"),
        ("exporters.zipkin", "compression", "lz4", "`lz4` is not spoken"),
        ("exporters.zipkin", "max_idle_conns", "5", "as they are needed"),
        ("exporters.zipkin", "sending_queue.storage", "file_storage", "the log holds"),
        ("exporters.file", "compression", "zstd", "lines are written as they are"),
        (
            "exporters.otlp",
            "sending_queue.queue_size",
            "5000",
            "counts requests; here the queue is bounded in bytes",
        ),
        ("exporters.otlp", "sending_queue.sizer", "requests", "`requests` has no effect"),
        ("exporters.otlp", "sending_queue.storage", "file_storage", "the log holds"),
        ("exporters.otlp", "sending_queue.enabled", "false", "there always is a queue"),
        ("exporters.otlp", "sending_queue.block_on_overflow", "false", "waits in the log"),
        ("exporters.otlp", "sending_queue.wait_for_result", "false", "once the backend has them"),
        ("exporters.otlp", "sending_queue.batch.max_size", "100", "100KiB are used"),
        ("exporters.otlp", "sending_queue.batch.min_size", "8192", "has no effect"),
        ("tail_sampling.policies[0]", "type", "always_sample", ""),
    ] {
        let loaded = with(place, key, value).unwrap_or_else(|error| panic!("{key}: {error}"));
        let warnings = warnings(&loaded);
        let found = warnings.iter().any(|line| line.starts_with(place) && line.contains(said));
        assert!(found || said.is_empty(), "{place}.{key}: {warnings:#?}");
        assert_eq!(warnings.len(), usize::from(!said.is_empty()), "{warnings:#?}");
    }
    for (place, key, value, said) in [
        (GRPC, "auth", "{authenticator: oidc}", "everybody could send"),
        (HTTP, "auth", "{authenticator: oidc}", "authentication.tenants"),
        ("receivers.zipkin", "transport", "unix", "only OTLP is taken"),
        ("exporters.otlp", "auth", "{authenticator: basicauth/x}", "authorization"),
        ("exporters.otlphttp", "auth", "{authenticator: basicauth/x}", "without credentials"),
        ("exporters.otlp", "tls.min_version", "'1.3'", "TLS 1.2 and 1.3"),
        ("exporters.otlp", "tls.key_pem", "4711", "come from files"),
        ("exporters.file", "group_by", "{enabled: true}", "all traces go into one file"),
    ] {
        let said_of_it = with(place, key, value).unwrap_err().to_string();
        assert!(said_of_it.contains("has 1 problem:"), "{said_of_it}");
        assert!(said_of_it.contains(&format!("{place}.{key}")), "{said_of_it}");
        assert!(said_of_it.contains(said), "{said}: {said_of_it}");
        assert!(!said_of_it.contains("4711"), "{said_of_it}");
    }
    // What says what is done anyway.
    for (place, key, value) in [
        (GRPC, "transport", "tcp"),
        ("receivers.zipkin", "transport", "tcp"),
        (GRPC, "include_metadata", "false"),
        ("exporters.otlp", "tls.min_version", "1.2"),
        ("exporters.otlp", "sending_queue.sizer", "bytes"),
        ("exporters.otlp", "sending_queue.batch.max_size", "0"),
        ("exporters.file", "compression", "''"),
    ] {
        let loaded = with(place, key, value).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert!(loaded.warnings.is_empty(), "{key}: {:?}", warnings(&loaded));
    }
}

#[test]
fn queues_of_a_collector_are_translated() {
    let queue = |block: &str| {
        let text = format!(
            "exporters: {{ otlp_grpc/x: {{ endpoint: ':1', tls: {{ insecure: true }}, sending_queue: {block} }} }}\n\
             tail_sampling: {{ policies: [{{ name: a, type: always_sample }}] }}\n"
        );
        let loaded = load_text(&text).unwrap_or_else(|error| panic!("{block}: {error}"));
        let warnings = warnings(&loaded).len();
        let queue = loaded.config.exporters.0.into_iter().next().unwrap().1.queue().clone();
        (queue.queue_size.get(), queue.batch.max_size.get(), warnings)
    };
    let (usual, batch) = (64 << 20, 1 << 20);
    for (block, expected) in [
        ("{ enabled: true, num_consumers: 10, queue_size: 5000 }", (usual, batch, 1)),
        ("{ queue_size: '5000' }", (usual, batch, 1)),
        ("{ sizer: items, queue_size: 2000000 }", (usual, batch, 2)),
        ("{ sizer: bytes, queue_size: 2000000 }", (2_000_000, batch, 0)),
        ("{ queue_size: 2097152 }", (2 << 20, batch, 0)),
        ("{ queue_size: 16MiB, batch: { max_size: 64KiB } }", (16 << 20, 64 << 10, 0)),
        ("{ batch: { sizer: items, max_size: 512 } }", (usual, 512 << 10, 2)),
        ("{ batch: { max_size: 8192, min_size: 100 } }", (usual, batch, 2)),
    ] {
        assert_eq!(queue(block), expected, "{block}");
    }
}

#[test]
fn no_key_without_a_value_is_shown() {
    let shown = load(&Inputs::default(), None).unwrap().effective().unwrap();
    assert!(!shown.contains("null") && shown.contains("max_entries: 4000000"), "{shown}");
}
