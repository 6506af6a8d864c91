//! How brokers are reached.

use std::{path::PathBuf, sync::OnceLock};

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use wholetrace_runtime::{
    problems::{Problem, Problems, join},
    tls::{ClientTlsConfig, tell_expiration},
};

use crate::security::{AuthConfig, Mechanism, SaslConfig};

/// How brokers are reached, as configured.
#[derive(Clone, Copy, Debug)]
pub struct Connection<'c> {
    /// Brokers to begin with, as `host:port`.
    pub brokers: &'c [String],
    /// Name of this process in the brokers' logs.
    pub client_id: &'c str,
    /// TLS; unset, connections are not encrypted.
    pub tls: Option<&'c ClientTlsConfig>,
    /// How we prove who we are.
    pub auth: &'c AuthConfig,
}

impl Connection<'_> {
    /// The settings that every client has which connects so; `role` tells clients of one process apart
    /// in the brokers' logs. What is not set here is as librdkafka has it.
    #[must_use]
    pub fn client(&self, role: &str) -> ClientConfig {
        // Who comes first decides whether the library frees its tables when the process ends, under the
        // hands of clients that are still at work: this way it does not.
        openssl_sys::init();
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", self.brokers.join(","))
            .set("client.id", format!("{}-{role}{}", self.client_id, at_host()))
            // Firewalls forget silent connections.
            .set("socket.keepalive.enable", "true")
            // A broker that hangs is noticed after this; the default of 60 s is beyond any sender's
            // timeout.
            .set("socket.timeout.ms", "10000")
            // What a broker of Java's gives its clients. All come at once when it has been started anew,
            // and its first handshakes of TLS are slow: who gives up early makes it do them again.
            .set("socket.connection.setup.timeout.ms", "10000")
            // A broker that is back is found within 2 s, not 10.
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "2000")
            // A new leader is looked up when the old one refuses; this is for changes that no broker
            // tells.
            .set("topic.metadata.refresh.interval.ms", "30000")
            // Our metrics are ours to publish.
            .set("enable.metrics.push", "false")
            .set_log_level(RDKafkaLogLevel::Info);
        secure(self, &mut client);
        if let Some(shown) = self.tls.and_then(|tls| tls.cert_file.as_deref()) {
            tell_expiration(shown);
        }
        client
    }

    /// Adds everything that is wrong with it to `problems`; `path` is where its keys stand (`brokers`,
    /// `client_id`, `tls`, `auth`). Reads the certificate files, connects to nobody.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        self.check_brokers(&join(path, "brokers"), problems);
        check_name(&join(path, "client_id"), self.client_id, problems);
        let at = join(path, "tls");
        if let Some(tls) = self.tls {
            tls.check(&at, problems);
            if tls.server_name_override.is_some() {
                let message = "the Kafka client verifies brokers by the names they go by";
                problems.error(join(&at, "server_name_override"), message, "remove it");
            }
        }
        self.auth.check(&join(path, "auth"), self.is_encrypted(), problems);
    }

    fn check_brokers(&self, path: &str, problems: &mut Problems) {
        if self.brokers.is_empty() {
            problems.error(path, "names no broker", "for instance `[kafka-1:9092, kafka-2:9092]`");
        }
        for broker in self.brokers {
            let port = broker.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            let port = port.and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none() || broker.contains([',', '/', ' ']) {
                let problem = Problem::new(path, "is not the address of a broker").value(broker);
                problems.push_error(problem.hint("write `host:port`, one in each item"));
            }
        }
    }

    /// Whether it is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some_and(|tls| !tls.insecure)
    }

    /// The files that clients read when they are made: certificates, keys, a password.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let tls = self.tls.filter(|tls| !tls.insecure);
        let mut files = tls.map(ClientTlsConfig::files).unwrap_or_default();
        files.extend(self.auth.sasl.iter().filter_map(|sasl| sasl.password_file.clone()));
        files
    }
}

/// Adds a problem where `name`, which goes into the protocol and stands at `path`, is empty, long or
/// cannot be printed.
pub fn check_name(path: &str, name: &str, problems: &mut Problems) {
    if name.is_empty() || name.len() > 249 || name.chars().any(char::is_control) {
        let problem = Problem::new(path, "must be 1 to 249 printable characters").value(name);
        problems.push_error(problem);
    }
}

/// `@` and the name of this machine, as far as it is known: in the brokers' logs and metrics clients
/// of several processes are told apart by it.
fn at_host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = name.trim();
        if name.is_empty() { String::new() } else { format!("@{name}") }
    })
}

fn secure(connection: &Connection<'_>, client: &mut ClientConfig) {
    let sasl = connection.auth.sasl.as_ref();
    let protocol = match (connection.is_encrypted(), sasl.is_some()) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    };
    client.set("security.protocol", protocol);
    if let Some(tls) = connection.tls.filter(|tls| !tls.insecure) {
        encrypt(tls, client);
    }
    if let Some(sasl) = sasl {
        log_in(sasl, connection.tls, client);
    }
}

/// Where the authorities are that are trusted. The client brings its own OpenSSL, which does not know
/// where this system keeps them.
fn authorities(tls: Option<&ClientTlsConfig>) -> String {
    let file = tls.and_then(|tls| tls.ca_file.as_ref());
    file.map_or_else(|| "probe".to_owned(), |file| file.to_string_lossy().into_owned())
}

fn encrypt(tls: &ClientTlsConfig, client: &mut ClientConfig) {
    let path = |path: &std::path::PathBuf| path.to_string_lossy().into_owned();
    client.set("ssl.ca.location", authorities(Some(tls)));
    if let Some(certificate) = &tls.cert_file {
        client.set("ssl.certificate.location", path(certificate));
    }
    if let Some(key) = &tls.key_file {
        client.set("ssl.key.location", path(key));
    }
    let verify = !tls.insecure_skip_verify;
    client
        .set("enable.ssl.certificate.verification", if verify { "true" } else { "false" })
        .set("ssl.endpoint.identification.algorithm", if verify { "https" } else { "none" });
}

fn log_in(sasl: &SaslConfig, tls: Option<&ClientTlsConfig>, client: &mut ClientConfig) {
    client.set("sasl.mechanism", sasl.mechanism.as_str());
    if sasl.mechanism != Mechanism::OauthBearer {
        let password = sasl.password_now().unwrap_or_else(|error| {
            // It could be read when the configuration was checked. The brokers refuse what is there.
            tracing::error!("the password of the Kafka client: {error}");
            sasl.password.clone()
        });
        client.set("sasl.username", &sasl.username).set("sasl.password", password.reveal());
        return;
    }
    if let Some(oauth) = &sasl.oauth {
        client
            // Who gives out the tokens is verified as the brokers are.
            .set("https.ca.location", authorities(tls))
            .set("sasl.oauthbearer.method", "oidc")
            .set("sasl.oauthbearer.token.endpoint.url", &oauth.token_url)
            .set("sasl.oauthbearer.client.id", &oauth.client_id)
            .set("sasl.oauthbearer.client.secret", oauth.client_secret.reveal());
        if !oauth.scopes.is_empty() {
            client.set("sasl.oauthbearer.scope", oauth.scopes.join(" "));
        }
    }
}
