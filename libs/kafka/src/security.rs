//! Who we are to the brokers.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::{
    problems::{Problem, Problems, join},
    secret::Secret,
};

/// Authentication at the brokers. A client certificate goes into `tls` instead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// User and password, or a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sasl: Option<SaslConfig>,
}

/// How to log in at the brokers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaslConfig {
    /// How the brokers want it.
    pub mechanism: Mechanism,
    /// The user; for all mechanisms but `OAUTHBEARER`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// The user's password: `${env:…}` or `${file:…}` keeps it out of the configuration.
    #[serde(default)]
    pub password: Secret,
    /// A file that holds the password, in place of `password`; a line end at its end does not count.
    /// Clients that are made later use what it holds then, and a warning says when that has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Where tokens come from; for `OAUTHBEARER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OauthConfig>,
}

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Mechanism {
    /// The password as it is: only over TLS.
    #[serde(rename = "PLAIN")]
    Plain,
    /// The password is proved, not sent; with SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    /// A token, which is fetched and renewed with the client credentials of `oauth`.
    #[serde(rename = "OAUTHBEARER")]
    OauthBearer,
}

impl Mechanism {
    /// Its name in the protocol.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }
}

/// Tokens by OAuth 2 client credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OauthConfig {
    /// Where tokens are given out, `https://…`.
    pub token_url: String,
    /// Who asks.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
    /// What is asked for.
    pub scopes: Vec<String>,
}

impl AuthConfig {
    /// Adds what is wrong with it to `problems`; `path` is where it stands. Reads the password file.
    pub(crate) fn check(&self, path: &str, encrypted: bool, problems: &mut Problems) {
        let Some(sasl) = &self.sasl else { return };
        let path = join(path, "sasl");
        if sasl.mechanism == Mechanism::OauthBearer {
            sasl.check_oauth(&path, problems);
        } else {
            sasl.check_password(&path, problems);
        }
        let shown = matches!(sasl.mechanism, Mechanism::Plain | Mechanism::OauthBearer);
        if shown && !encrypted {
            problems.warn(
                join(&path, "mechanism"),
                format!("{} over connections that are not encrypted", sasl.mechanism.as_str()),
                "who listens can log in as well: configure `tls`",
            );
        }
    }
}

impl SaslConfig {
    /// The password as it is now.
    ///
    /// # Errors
    /// When its file cannot be read; the error names it.
    pub(crate) fn password_now(&self) -> Result<Secret, String> {
        let Some(path) = &self.password_file else { return Ok(self.password.clone()) };
        Secret::from_file(path)
            .map_err(|error| format!("`{}` cannot be read: {error}", path.display()))
    }

    fn check_password_file(&self, path: &str, problems: &mut Problems) {
        if !self.password.reveal().is_empty() {
            let hint = "remove one of them";
            problems.error(path, "stands beside `password`", hint);
        }
        match self.password_now() {
            Err(message) => problems.error(path, message, "name a readable text file"),
            Ok(password) if password.reveal().is_empty() => {
                problems.error(path, "names an empty file", "write the password into it");
            }
            Ok(_) => {}
        }
    }

    fn check_password(&self, path: &str, problems: &mut Problems) {
        let mechanism = self.mechanism.as_str();
        let none = self.password.reveal().is_empty();
        if self.password_file.is_some() {
            self.check_password_file(&join(path, "password_file"), problems);
        }
        for (key, empty) in [
            ("username", self.username.is_empty()),
            ("password", none && self.password_file.is_none()),
        ] {
            if empty {
                problems.error(join(path, key), format!("is needed for {mechanism}"), "");
            }
        }
        if self.oauth.is_some() {
            let hint = "remove it, or set `mechanism: OAUTHBEARER`";
            problems.error(join(path, "oauth"), format!("is not for {mechanism}"), hint);
        }
    }

    fn check_oauth(&self, path: &str, problems: &mut Problems) {
        let at = join(path, "oauth");
        let Some(oauth) = &self.oauth else {
            let hint = "name `token_url`, `client_id` and `client_secret`";
            problems.error(at, "is needed for OAUTHBEARER", hint);
            return;
        };
        let url = &oauth.token_url;
        if !url.starts_with("https://") && !url.starts_with("http://") {
            let problem = Problem::new(join(&at, "token_url"), "is not an URL").value(url);
            problems.push_error(problem.hint("for instance `https://login.example.org/token`"));
        }
        for (key, empty) in [
            ("client_id", oauth.client_id.is_empty()),
            ("client_secret", oauth.client_secret.reveal().is_empty()),
        ] {
            if empty {
                problems.error(join(&at, key), "is needed", "");
            }
        }
        let password = !self.password.reveal().is_empty() || self.password_file.is_some();
        if !self.username.is_empty() || password {
            problems.error(path, "OAUTHBEARER takes no `username` or `password`", "remove them");
        }
    }
}
