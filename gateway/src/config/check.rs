//! Tells every problem of the gateway's configuration at once.

use std::{collections::BTreeMap, net::ToSocketAddrs};

use wholetrace_runtime::{
    listen,
    problems::{Problem, Problems, join},
    units::{ByteSize, HumanDuration},
    unix_socket::PATH_BYTES_MAX,
};

use super::{http::Transport, limits::LimitsConfig, receivers::ReceiversConfig};
use crate::receiver::listener::Listener;

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
    if receivers.0.is_empty() {
        let hint = "name one, such as `otlp`, or leave the section out for the usual ones";
        problems.push_error(Problem::new(path, "there is no receiver").hint(hint));
    }
    // Fixed endpoints, with the key that took each.
    let mut taken = Taken::new();
    for listener in receivers.listeners_at(path) {
        check_endpoint(&listener, &mut taken, problems);
        check_message(&listener, limits, problems);
        let keepalive = join(&listener.path, "keepalive.server_parameters");
        listener.keepalive.check(&keepalive, problems);
        if let Some(datagrams) = &listener.datagrams {
            datagrams.check(&listener.path, problems);
        }
        if let Some(cors) = listener.cors {
            cors.check(&join(&listener.path, "cors"), problems);
        }
    }
    for (name, receiver) in &receivers.0 {
        receiver.check(&join(path, name), problems);
    }
}

/// A message that is allowed must not be one for which there is never room. The default size means
/// as much as there is room for.
fn check_message(listener: &Listener<'_>, limits: &LimitsConfig, problems: &mut Problems) {
    let (path, limit, need) = (&listener.path, &listener.message, listener.need());
    problems.within(path, limit.key, &limit.value, &limit.bounds);
    let most = ByteSize::bytes(limits.largest(need));
    if limit.bytes() > most.get() && limit.value != limit.default {
        let message = format!(
            "must be at most {most}, since such a request takes {need} times its size of \
             `limits.in_flight`, which is {}",
            limits.in_flight
        );
        let size = ByteSize::bytes(limit.bytes());
        let problem = Problem::new(join(path, limit.key), message).value(size);
        problems.push_error(problem.hint("lower it, or raise `limits.in_flight`"));
    }
}

/// Endpoints, and whether they are of datagrams, with the key that took each.
type Taken = BTreeMap<(bool, String), String>;

fn check_endpoint(listener: &Listener<'_>, taken: &mut Taken, problems: &mut Problems) {
    let (key, endpoint, tls) = (listener.setting(), listener.endpoint, listener.tls);
    if let Some(tls) = tls {
        tls.check(&join(&listener.path, "tls"), problems);
    }
    if listener.transport == Transport::Unix {
        return check_socket(&key, endpoint, taken, problems);
    }
    if endpoint.starts_with('/') {
        let problem = Problem::new(key, "is a path, and has no port").value(endpoint);
        let hint = "set `transport: unix` beside it, where there is one, or write an address and a \
                    port, such as `127.0.0.1:4317`";
        return problems.push_error(problem.hint(hint));
    }
    let port = endpoint.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let Some(port) = port else {
        let problem = Problem::new(key, "has no port").value(endpoint);
        let hint = "write an address and a port, such as `127.0.0.1:4317`";
        return problems.push_error(problem.hint(hint));
    };
    let meant = listen::meant(endpoint);
    let address = meant.iter().find_map(|one| one.to_socket_addrs().ok()?.next());
    let Some(address) = address else {
        let problem = Problem::new(key, "has no known address").value(endpoint);
        let hint = "write an address of this machine, such as `127.0.0.1` or `0.0.0.0`";
        return problems.push_error(problem.hint(hint));
    };
    if tls.is_none() && !address.ip().is_loopback() {
        let message = "is open to the network and not encrypted";
        let hint = if listener.takes_datagrams() {
            "keep it behind something that encrypts: datagrams cannot be encrypted"
        } else {
            "set `tls`, or keep it behind something that encrypts"
        };
        let problem = Problem::new(key.as_str(), message).value(endpoint);
        problems.push_warning(problem.hint(hint));
    }
    if port == 0 {
        return;
    }
    // Datagrams have ports of their own.
    let place = (listener.takes_datagrams(), address.to_string());
    if let Some(other) = taken.insert(place, key.clone()) {
        let problem = Problem::new(key, format!("is the endpoint of `{other}` already"));
        let hint = "give each listener a port of its own";
        problems.push_error(problem.value(endpoint).hint(hint));
    }
}

/// Checks the path of a Unix socket.
fn check_socket(key: &str, endpoint: &str, taken: &mut Taken, problems: &mut Problems) {
    let wrong = if !endpoint.starts_with('/') {
        Some("must be a path from the root of the file system, as `transport` is `unix`".to_owned())
    } else if endpoint.ends_with('/') || endpoint.contains('\0') {
        Some("is not the path of a file".to_owned())
    } else if endpoint.len() > PATH_BYTES_MAX {
        let bytes = endpoint.len();
        Some(format!("has {bytes} bytes, and the path of a socket {PATH_BYTES_MAX} at most"))
    } else {
        None
    };
    if let Some(message) = wrong {
        let hint = "write one such as `/run/wholetrace/otlp.sock`, or leave `transport` out";
        return problems.push_error(Problem::new(key, message).value(endpoint).hint(hint));
    }
    if let Some(other) = taken.insert((false, endpoint.to_owned()), key.to_owned()) {
        let problem = Problem::new(key, format!("is the socket of `{other}` already"));
        let hint = "give each listener a socket of its own";
        problems.push_error(problem.value(endpoint).hint(hint));
    }
}
