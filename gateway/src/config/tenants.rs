//! The `authentication` section: who may send, and how much.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::{
    problems::{Problem, Problems, join},
    secret::Secret,
    units::{ByteSize, HumanDuration},
};

use crate::admission::{
    token::{TOKEN_CHARS_MIN, is_configurable},
    token_files,
};

/// Most tenants: each request's token is compared with all.
const TENANTS_MAX: usize = 1_000;

/// Most bytes of a tenant's name, and of the key it is told under: each resource has both.
const TEXT_BYTES_MAX: usize = 256;
const TOO_LONG: &str = "is longer than 256 bytes";

/// Who may send. Without tenants everybody may who reaches a listener; client certificates are a
/// matter of each listener's `tls`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticationConfig {
    /// The tenants that may send. With one or more, each request to any receiver must carry the token of
    /// one of them, as `Authorization: Bearer TOKEN`, or as `Basic` with the tenant's name as the user
    /// and the token as the password.
    pub tenants: Vec<TenantConfig>,
    /// Key of an attribute that each resource of a tenant gets, with the tenant's name as its value,
    /// whatever its sender set it to: for policies, for `only` of exporters, for the backend. Empty for
    /// none. What comes by the `kafka` receiver has no tenant, and keeps what it has.
    pub tenant_attribute: String,
    /// How often files of tokens are looked at; those that have changed are read again. 1s to 720h; `0s`
    /// reads them at the start only.
    pub reload_interval: HumanDuration,
}

impl Default for AuthenticationConfig {
    fn default() -> Self {
        Self {
            tenants: Vec::new(),
            tenant_attribute: String::new(),
            reload_interval: HumanDuration::from_secs(60),
        }
    }
}

/// A tenant that may send.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TenantConfig {
    /// Name, for messages.
    pub name: String,
    /// Tokens of 16 characters or more; a second one lets senders change over. Take them from
    /// `${env:NAME}` or `${file:PATH}`. Or their hashes: `sha256:` and 64 hexadecimal digits, as
    /// `printf %s TOKEN | sha256sum` writes them.
    pub tokens: Vec<Secret>,
    /// Files with further tokens or hashes, one a line; looked at every `reload_interval`.
    pub token_files: Vec<PathBuf>,
    /// Bytes of request bodies, as they come over the wire, that are taken in a second, counted
    /// over ten seconds; 0 for no bound. Of each gateway, whatever the number of gateways.
    pub bytes_per_second: ByteSize,
}

impl AuthenticationConfig {
    /// Adds everything that is wrong with it to `problems`; `path` is where it stands.
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) {
        if self.reload_interval != HumanDuration::from_secs(0) {
            let bounds = HumanDuration::from_secs(1)..=HumanDuration::from_secs(30 * 86_400);
            problems.within(path, "reload_interval", &self.reload_interval, &bounds);
        }
        let key = &self.tenant_attribute;
        if key.len() > TEXT_BYTES_MAX {
            let problem = Problem::new(join(path, "tenant_attribute"), TOO_LONG);
            problems.push_error(problem.value(key.len()).hint("name it shorter"));
        }
        if !key.is_empty() && self.tenants.is_empty() {
            let message = "is set, and there are no tenants to tell of";
            let hint = "list them in `authentication.tenants`, or remove it";
            problems.error(join(path, "tenant_attribute"), message, hint);
        }
        let path = join(path, "tenants");
        if self.tenants.len() > TENANTS_MAX {
            let problem = Problem::new(path.as_str(), format!("has more than {TENANTS_MAX}"));
            problems.push_error(problem.value(self.tenants.len()).hint("let senders share tokens"));
        }
        for (index, tenant) in self.tenants.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if tenant.name.is_empty() {
                problems.error(join(&path, "name"), "must not be empty", "give each tenant a name");
            }
            if tenant.name.len() > TEXT_BYTES_MAX {
                let problem = Problem::new(join(&path, "name"), TOO_LONG);
                problems.push_error(problem.value(tenant.name.len()).hint("name it shorter"));
            }
            if let Err(error) = token_files::read(&tenant.token_files) {
                let hint = "write one into it, for instance of `openssl rand -hex 24`";
                problems.error(join(&path, "token_files"), error, hint);
            }
            if tenant.tokens.is_empty() && tenant.token_files.is_empty() {
                let hint = "give it one, for instance `${env:NAME}`, or remove the tenant";
                problems.error(join(&path, "tokens"), "names no token", hint);
            }
            for token in &tenant.tokens {
                if !is_configurable(token) {
                    let message = format!(
                        "has one that is not {TOKEN_CHARS_MIN} or more characters of ASCII, nor \
                         `sha256:` and 64 hexadecimal digits"
                    );
                    let hint = "make another, for instance by `openssl rand -hex 24`";
                    problems.error(join(&path, "tokens"), message, hint);
                }
            }
        }
    }
}
