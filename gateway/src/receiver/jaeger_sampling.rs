//! Jaeger's remote sampling: its configuration.
//!
//! * Configuration: [`JaegerSamplingConfig`], `remote_sampling` of `receivers.jaeger` (port 5778), with
//!   the file of strategies and how often it is looked at.
//! * Limits: a call may have 64 KiB; connections and the times of heads are those of all receivers, in
//!   `limits`.
//! * Metrics, labelled as the listener is: requests and what was refused of them by reason. No spans.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::{
    problems::{Problem, Problems, join},
    units::HumanDuration,
};

use crate::{
    config::http::{KeepaliveServerConfig, Transport},
    http::route::RouteTable,
    receiver::listener::{Listener, ListenerKind, MessageLimit, SamplingPlace},
    remote_sampling::source,
};

/// Jaeger's remote sampling: answers to `GET /sampling?service=NAME` on a port of its own, to `GET
/// /api/sampling?service=NAME` on that of `thrift_http`, and to `SamplingManager` on that of `grpc`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JaegerSamplingConfig {
    /// Address and port to listen on; port 0 takes a free one. Only this machine reaches a
    /// loopback address.
    pub endpoint: String,
    /// The file with the answers, in Jaeger's format (JSON with `service_strategies` and
    /// `default_strategy`). Required.
    pub strategy_file: PathBuf,
    /// How often the file is looked at; one that has changed answers from then on. 1s to 720h; `0s`
    /// reads it at the start only.
    pub strategy_file_reload_interval: HumanDuration,
}

impl Default for JaegerSamplingConfig {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:5778".to_owned(),
            strategy_file: PathBuf::new(),
            strategy_file_reload_interval: HumanDuration::from_secs(60),
        }
    }
}

impl JaegerSamplingConfig {
    /// What it listens on by itself, for the receiver called `name`, which stands at the key `path`.
    pub(super) fn listener(&self, name: &str, path: &str) -> Listener<'_> {
        // There is nothing to send here.
        let message = MessageLimit::body(1 << 16, 1 << 16);
        Listener {
            name: format!("{name}/remote_sampling"),
            path: join(path, "remote_sampling"),
            kind: ListenerKind::JaegerSampling,
            transport: Transport::Tcp,
            endpoint: &self.endpoint,
            tls: None,
            message,
            keepalive: KeepaliveServerConfig::default(),
            cors: None,
            routes: RouteTable {
                elsewhere: "sampling strategies are asked for by `GET /sampling?service=NAME`"
                    .into(),
                ..RouteTable::default()
            },
            datagrams: None,
            sampling: Some(SamplingPlace { file: &self.strategy_file, paths: None }),
        }
    }

    /// Adds everything that is wrong with it to `problems`; `path` is where it stands.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        let key = "strategy_file_reload_interval";
        let bounds = HumanDuration::from_secs(1)..=HumanDuration::from_secs(720 * 3_600);
        if !self.strategy_file_reload_interval.get().is_zero() {
            problems.within(path, key, &self.strategy_file_reload_interval, &bounds);
        }
        let key = join(path, "strategy_file");
        if self.strategy_file.as_os_str().is_empty() {
            let problem = Problem::new(key, "is not set");
            problems.push_error(problem.hint("name a file with sampling strategies"));
        } else if let Err(error) = source::read(&self.strategy_file) {
            problems.push_error(Problem::new(key, error).hint("write it as Jaeger reads it"));
        }
    }
}
