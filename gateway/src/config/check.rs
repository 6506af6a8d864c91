//! Tells every problem of the gateway's configuration at once.

use std::{collections::BTreeMap, net::ToSocketAddrs};

use wholetrace_runtime::{
    listen,
    problems::{Problem, Problems, join},
    tls::ServerTlsConfig,
    units::{ByteSize, HumanDuration},
};

use super::{
    limits::{LimitsConfig, OTLP_NEED, ZIPKIN_NEED},
    receivers::{OtlpGrpcConfig, OtlpHttpConfig, ReceiversConfig, ZipkinConfig},
};

/// Adds the problems of `limits`, at key `path`, to `problems`.
pub(crate) fn check_limits(limits: &LimitsConfig, path: &str, problems: &mut Problems) {
    let millis = HumanDuration::from_millis;
    let secs = HumanDuration::from_secs;
    problems.within(path, "connections", &limits.connections, &(1..=1_000_000));
    for (key, value, bounds) in [
        ("header_timeout", limits.header_timeout, millis(100)..=secs(600)),
        ("request_timeout", limits.request_timeout, millis(100)..=secs(600)),
        ("idle_timeout", limits.idle_timeout, millis(100)..=secs(86_400)),
        ("append_timeout", limits.append_timeout, millis(100)..=secs(60)),
        ("drain_timeout", limits.drain_timeout, secs(0)..=secs(600)),
    ] {
        problems.within(path, key, &value, &bounds);
    }
    let streams = limits.streams_per_connection;
    problems.within(path, "streams_per_connection", &streams, &(1..=10_000));
    problems.within(path, "waiting_requests", &limits.waiting_requests, &(1..=1_000_000));
    let (kib, mib) = (ByteSize::kib, ByteSize::mib);
    for (key, value, bounds) in [
        ("header_bytes", limits.header_bytes, kib(8)..=mib(1)),
        ("min_body_rate", limits.min_body_rate, ByteSize::bytes(0)..=ByteSize::gib(1)),
        ("in_flight", limits.in_flight, mib(1)..=ByteSize::gib(1 << 20)),
        ("log_in_flight", limits.log_in_flight, mib(1)..=ByteSize::gib(4)),
        ("span_bytes", limits.span_bytes, kib(1)..=mib(64)),
        ("frame_bytes", limits.frame_bytes, kib(1)..=mib(16)),
    ] {
        problems.within(path, key, &value, &bounds);
    }
    if limits.frame_bytes > limits.span_bytes {
        let message = format!("must be at most `span_bytes`, which is {}", limits.span_bytes);
        problems.push_error(
            Problem::new(join(path, "frame_bytes"), message)
                .value(limits.frame_bytes)
                .hint("lower it, or raise `span_bytes`, which bounds the records of the log"),
        );
    }
}

/// Adds the problems of `receivers`, at key `path`, to `problems`.
pub(crate) fn check_receivers(
    receivers: &ReceiversConfig,
    limits: &LimitsConfig,
    path: &str,
    problems: &mut Problems,
) {
    let mut listeners = Listeners { taken: BTreeMap::new(), limits, problems };
    for (name, otlp) in &receivers.otlp {
        let path = format!("{path}.{name}.protocols");
        if otlp.protocols.grpc.is_none() && otlp.protocols.http.is_none() {
            let problem = Problem::new(path.as_str(), "no protocol is named");
            listeners.problems.push_error(problem.hint("name `grpc`, `http` or both below it"));
        }
        if let Some(grpc) = &otlp.protocols.grpc {
            listeners.grpc(grpc, &join(&path, "grpc"));
        }
        if let Some(http) = &otlp.protocols.http {
            listeners.http(http, &join(&path, "http"));
        }
    }
    for (name, zipkin) in &receivers.zipkin {
        listeners.zipkin(zipkin, &join(path, name));
    }
    if receivers.otlp.is_empty() && receivers.zipkin.is_empty() {
        let hint = "name one, such as `otlp`, or leave the section out for the usual ones";
        problems.push_error(Problem::new(path, "there is no receiver").hint(hint));
    }
}

struct Listeners<'a> {
    /// Fixed endpoints, with the key that took each.
    taken: BTreeMap<String, String>,
    limits: &'a LimitsConfig,
    problems: &'a mut Problems,
}

impl Listeners<'_> {
    fn grpc(&mut self, grpc: &OtlpGrpcConfig, path: &str) {
        self.endpoint(&grpc.endpoint, grpc.tls.as_ref(), path);
        let (key, size) = ("max_recv_msg_size_mib", grpc.max_recv_msg_size_mib);
        self.problems.within(path, key, &size, &(1..=1_024));
        let usual = size == OtlpGrpcConfig::default().max_recv_msg_size_mib;
        self.fits(u64::from(size) << 20, usual, OTLP_NEED, path, key);
        let server = &grpc.keepalive.server_parameters;
        let path = join(path, "keepalive.server_parameters");
        let secs = HumanDuration::from_secs;
        self.problems.within(&path, "time", &server.time, &(secs(1)..=secs(86_400)));
        self.problems.within(&path, "timeout", &server.timeout, &(secs(1)..=secs(600)));
        for (key, value) in [
            ("max_connection_age", server.max_connection_age),
            ("max_connection_age_grace", server.max_connection_age_grace),
            ("max_connection_idle", server.max_connection_idle),
        ] {
            if value != secs(0) {
                self.problems.within(&path, key, &value, &(secs(1)..=secs(8_760 * 3_600)));
            }
        }
    }

    fn http(&mut self, http: &OtlpHttpConfig, path: &str) {
        self.endpoint(&http.endpoint, http.tls.as_ref(), path);
        let usual = OtlpHttpConfig::default().max_request_body_size;
        self.body_size(http.max_request_body_size, usual, OTLP_NEED, path);
        let extra = http.extra_traces_url_paths.iter().map(|url| ("extra_traces_url_paths", url));
        for (key, url) in [("traces_url_path", &http.traces_url_path)].into_iter().chain(extra) {
            if !url.starts_with('/') {
                let problem = Problem::new(join(path, key), "must begin with a slash").value(url);
                self.problems.push_error(problem.hint("write it as in `/v1/traces`"));
            }
        }
        if http.cors.as_ref().is_some_and(|cors| cors.allowed_origins.is_empty()) {
            let problem = Problem::new(join(path, "cors.allowed_origins"), "no origin is named");
            let hint = "name the origins of your pages, or leave `cors` out";
            self.problems.push_error(problem.hint(hint));
        }
    }

    fn zipkin(&mut self, zipkin: &ZipkinConfig, path: &str) {
        self.endpoint(&zipkin.endpoint, zipkin.tls.as_ref(), path);
        let usual = ZipkinConfig::default().max_request_body_size;
        self.body_size(zipkin.max_request_body_size, usual, ZIPKIN_NEED, path);
    }

    fn body_size(&mut self, size: u64, usual: u64, need: u64, path: &str) {
        let key = "max_request_body_size";
        self.problems.within(path, key, &size, &(1_024..=1 << 30));
        self.fits(size, size == usual, need, path, key);
    }

    /// A request that is allowed must not be one for which there is never room. The `usual` size
    /// means as much as there is room for.
    fn fits(&mut self, size: u64, usual: bool, need: u64, path: &str, key: &str) {
        let in_flight = self.limits.in_flight;
        let most = ByteSize::bytes(self.limits.largest(need));
        if size > most.get() && !usual {
            let message = format!(
                "must be at most {most}, since such a request takes {need} times its size of \
                 `limits.in_flight`, which is {in_flight}"
            );
            let problem = Problem::new(join(path, key), message).value(ByteSize::bytes(size));
            self.problems.push_error(problem.hint("lower it, or raise `limits.in_flight`"));
        }
    }

    fn endpoint(&mut self, endpoint: &str, tls: Option<&ServerTlsConfig>, path: &str) {
        let key = join(path, "endpoint");
        if let Some(tls) = tls {
            tls.check(&join(path, "tls"), self.problems);
        }
        let port = endpoint.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let Some(port) = port else {
            let problem = Problem::new(key, "has no port").value(endpoint);
            let hint = "write an address and a port, such as `127.0.0.1:4317`";
            return self.problems.push_error(problem.hint(hint));
        };
        let meant = listen::meant(endpoint);
        let address = meant.iter().find_map(|one| one.to_socket_addrs().ok()?.next());
        let Some(address) = address else {
            let problem = Problem::new(key, "has no known address").value(endpoint);
            let hint = "write an address of this machine, such as `127.0.0.1` or `0.0.0.0`";
            return self.problems.push_error(problem.hint(hint));
        };
        if tls.is_none() && !address.ip().is_loopback() {
            let message = "is open to the network and not encrypted";
            let hint = "set `tls`, or keep it behind something that encrypts";
            let problem = Problem::new(key.as_str(), message).value(endpoint);
            self.problems.push_warning(problem.hint(hint));
        }
        if port == 0 {
            return;
        }
        if let Some(other) = self.taken.insert(address.to_string(), key.clone()) {
            let problem = Problem::new(key, format!("is the endpoint of `{other}` already"));
            let hint = "give each listener a port of its own";
            self.problems.push_error(problem.value(endpoint).hint(hint));
        }
    }
}
