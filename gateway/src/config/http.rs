//! Settings that receivers over HTTP share, in the Collector's words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::{
    problems::{Problem, Problems, join},
    units::HumanDuration,
};

/// How a listener is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// At an address and a port.
    #[default]
    Tcp,
    /// By a Unix socket.
    Unix,
}

/// Pings on HTTP/2 connections, and how long these live.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeepaliveConfig {
    /// What the server does on its own.
    pub server_parameters: KeepaliveServerConfig,
}

/// When the server pings, and when it closes connections.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeepaliveServerConfig {
    /// Silence after which a ping is sent. 1s to 24h.
    pub time: HumanDuration,
    /// Time to answer it; then the connection is closed. 1s to 10m.
    pub timeout: HumanDuration,
    /// After this time, a tenth more or less by chance, a connection takes no new requests: its sender
    /// makes another one, through a load balancer to a gateway that was added meanwhile. 1s to 8760h;
    /// `0s` for no bound.
    pub max_connection_age: HumanDuration,
    /// How long requests that were under way by then may take; after it they are cut off. 1s to
    /// 8760h; `0s` for no bound but `limits.request_timeout`.
    pub max_connection_age_grace: HumanDuration,
    /// Time without requests after which a connection is closed, if it is shorter than
    /// `limits.idle_timeout`. 1s to 8760h; `0s` for that.
    pub max_connection_idle: HumanDuration,
}

impl Default for KeepaliveServerConfig {
    fn default() -> Self {
        let unbounded = HumanDuration::from_secs(0);
        Self {
            time: HumanDuration::from_secs(30),
            timeout: HumanDuration::from_secs(20),
            max_connection_age: unbounded,
            max_connection_age_grace: unbounded,
            max_connection_idle: unbounded,
        }
    }
}

impl KeepaliveServerConfig {
    /// Adds everything that is wrong with it to `problems`; `path` is where it stands.
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) {
        let secs = HumanDuration::from_secs;
        problems.within(path, "time", &self.time, &(secs(1)..=secs(86_400)));
        problems.within(path, "timeout", &self.timeout, &(secs(1)..=secs(600)));
        for (key, value) in [
            ("max_connection_age", self.max_connection_age),
            ("max_connection_age_grace", self.max_connection_age_grace),
            ("max_connection_idle", self.max_connection_idle),
        ] {
            if value != secs(0) {
                problems.within(path, key, &value, &(secs(1)..=secs(8_760 * 3_600)));
            }
        }
    }
}

/// Cross-origin requests, from browsers.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CorsConfig {
    /// Origins that may send, such as `https://shop.example`, with `*` for any run of characters;
    /// a lone `*` is every origin.
    pub allowed_origins: Vec<String>,
    /// Headers they may use beside the simple ones; `*` is every header. `Content-Type`,
    /// `Content-Encoding` and `traceparent` need not be listed.
    pub allowed_headers: Vec<String>,
    /// Seconds for which browsers may remember the answer; 0 leaves it to them.
    pub max_age: u32,
}

impl CorsConfig {
    /// Adds everything that is wrong with it to `problems`; `path` is where it stands.
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) {
        if self.allowed_origins.is_empty() {
            let problem = Problem::new(join(path, "allowed_origins"), "no origin is named");
            let hint = "name the origins of your pages, or leave `cors` out";
            problems.push_error(problem.hint(hint));
        }
    }
}
