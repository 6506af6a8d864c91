//! The files that say who we are to the brokers and whom we trust.
//!
//! The client reads them when it is made, and has no way to read them again. Connections that it has
//! go on; new ones, after what it has read has expired, fail. Who runs it is to be told in time.

use wholetrace_runtime::tls::FileMarks;

use super::config::KafkaConfig;

/// What the files held when the clients were made, and when they were last looked at.
pub(super) struct Credentials {
    files: FileMarks,
    read: u64,
    seen: u64,
}

impl Credentials {
    pub(super) fn mark(config: &KafkaConfig) -> Self {
        let files = FileMarks::new(config.files());
        let read = files.mark();
        Self { files, read, seen: read }
    }

    pub(super) const fn are_none(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether the files hold something else than was read; says so once for each change.
    pub(super) fn look(&mut self) -> bool {
        let holding = self.files.mark();
        let outdated = holding != self.read;
        if holding != self.seen && outdated {
            tracing::warn!(
                files = self.files.names(),
                "certificate, key or password files of the Kafka clients have changed, which go on with \
                 what they read at the start: restart this process before that expires, one process \
                 after the other; nothing is lost"
            );
        }
        self.seen = holding;
        outdated
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use wholetrace_runtime::tls::ClientTlsConfig;

    use super::*;
    use crate::{AuthConfig, Mechanism, SaslConfig};

    #[test]
    fn files_that_have_changed_are_told_until_they_are_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let (ca, password) = (folder.path().join("ca.pem"), folder.path().join("password"));
        fs::write(&ca, "one").unwrap();
        fs::write(&password, "hunter2\n").unwrap();
        let sasl = SaslConfig {
            mechanism: Mechanism::Plain,
            username: "me".to_owned(),
            password: Default::default(),
            password_file: Some(password.clone()),
            oauth: None,
        };
        assert_eq!(sasl.password_now().unwrap().reveal(), "hunter2");
        let config = KafkaConfig {
            tls: Some(ClientTlsConfig { ca_file: Some(ca.clone()), ..ClientTlsConfig::default() }),
            auth: AuthConfig { sasl: Some(sasl) },
            ..KafkaConfig::default()
        };
        let mut credentials = Credentials::mark(&config);
        assert!(!credentials.look());
        for file in [&ca, &password] {
            let old = fs::read(file).unwrap();
            fs::write(file, "two").unwrap();
            assert!(credentials.look() && credentials.look());
            fs::remove_file(file).unwrap();
            assert!(credentials.look());
            fs::write(file, old).unwrap();
            assert!(!credentials.look());
        }
        assert!(Credentials::mark(&KafkaConfig::default()).are_none());
    }
}
