//! The page about the client says what is true.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use wholetrace_runtime::{secret::Secret, tls::ClientTlsConfig};

use crate::{
    AuthConfig, KafkaConfig, Mechanism, OauthConfig, SaslConfig,
    client::{self, Answer, Traffic},
};

/// Settings of every client there is, with all that can be configured.
fn settings() -> BTreeSet<String> {
    let tls = ClientTlsConfig {
        ca_file: Some(PathBuf::from("ca.pem")),
        cert_file: Some(PathBuf::from("client.pem")),
        key_file: Some(PathBuf::from("client.key")),
        ..ClientTlsConfig::default()
    };
    let password = SaslConfig {
        mechanism: Mechanism::ScramSha512,
        username: "somebody".to_owned(),
        password: Secret::new("secret"),
        password_file: None,
        oauth: None,
    };
    let token = SaslConfig {
        mechanism: Mechanism::OauthBearer,
        oauth: Some(OauthConfig { scopes: vec!["spans".to_owned()], ..OauthConfig::default() }),
        ..password.clone()
    };
    let mut found = BTreeSet::new();
    for sasl in [password, token] {
        let config = KafkaConfig {
            group_instance_id: Some("me".to_owned()),
            tls: Some(tls.clone()),
            auth: AuthConfig { sasl: Some(sasl) },
            ..KafkaConfig::default()
        };
        let clients = [
            client::producer(&config, Traffic::Spans),
            client::producer(&config, Traffic::Sparse),
            client::reader(&config, Answer::Gathered),
            client::reader(&config, Answer::AtOnce),
            client::member(&config),
        ];
        found.extend(clients.iter().flat_map(|client| {
            let keys = client.config_map().into_keys();
            keys.map(str::to_owned).collect::<Vec<_>>()
        }));
    }
    // Derived from how much of the client's log is wanted.
    found.remove("log_level");
    found
}

fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            sources(&entry, all);
        } else {
            all.push_str(&fs::read_to_string(entry).unwrap());
        }
    }
}

#[test]
fn the_page_names_every_setting_and_no_test_that_is_not_there() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(here.join("../../docs/kafka-client.md")).unwrap();
    let (pitfalls, table) = page.split_once("## Every setting").expect("the table of settings");
    let told: BTreeSet<String> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next())
        .flat_map(|cell| cell.split("`, `"))
        .map(|key| key.trim_end_matches('`').to_owned())
        .collect();
    assert_eq!(told, settings());

    let mut code = String::new();
    for folder in ["src", "../../gateway/src", "../../sampler/src"] {
        sources(&here.join(folder), &mut code);
    }
    let named = pitfalls.split('*').skip(1).step_by(2);
    let missing: Vec<&str> = named
        // Names that are shortened have their ends.
        .filter(|name| !name.split('…').all(|part| code.contains(part)))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(pitfalls.matches('*').count() > 30, "tests are named in italics");
}
