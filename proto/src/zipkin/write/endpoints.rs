//! Both sides of a call.

use std::net::IpAddr;

use super::super::own::{EndpointKeys, LOCAL, REMOTE};
use super::tags::{Tags, value_of};
use crate::json::writer::{Object, put_display};
use crate::otlp::{Span, any_value::Value};

const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;

/// The attributes that name the other side, by rank, for calls that a span makes.
const NAMES: [&str; 8] = [
    "peer.service",
    "server.address",
    "net.peer.name",
    "server.socket.domain",
    "net.sock.peer.name",
    "peer.hostname",
    "peer.address",
    "db.name",
];

/// Its address, and its port.
const ADDRESSES: [&str; 5] = [
    "network.peer.address",
    "server.socket.address",
    "net.sock.peer.addr",
    "net.peer.ip",
    "server.address",
];
const PORTS: [&str; 5] = [
    "network.peer.port",
    "server.socket.port",
    "net.sock.peer.port",
    "net.peer.port",
    "server.port",
];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Endpoint<'t> {
    service_name: &'t str,
    ipv4: &'t str,
    ipv6: &'t str,
    port: u16,
}

/// Both sides of a span.
pub(super) struct Endpoints<'t> {
    local: Endpoint<'t>,
    remote: Endpoint<'t>,
}

impl<'t> Endpoints<'t> {
    /// Those of `span`. What reads back from an endpoint as it was is no tag.
    pub(super) fn of(span: &'t Span, tags: &mut Tags<'t>) -> Self {
        let local = taken(span, tags, &LOCAL);
        let mut remote = taken(span, tags, &REMOTE);
        if remote.service_name.is_empty() {
            remote.service_name = text(span, "peer.service");
        }
        if matches!(span.kind, CLIENT | PRODUCER) {
            complete(span, &mut remote);
        }
        Self { local, remote }
    }

    /// Writes them as fields of a span of the service.
    pub(super) fn put(&self, object: &mut Object<'_>, service_name: &str) {
        let local = Endpoint { service_name, ..self.local.clone() };
        for (name, endpoint) in [("localEndpoint", &local), ("remoteEndpoint", &self.remote)] {
            if *endpoint == Endpoint::default() {
                continue;
            }
            let mut fields = Object::begin(object.field(name));
            fields.text("serviceName", endpoint.service_name.as_bytes());
            fields.text("ipv4", endpoint.ipv4.as_bytes());
            fields.text("ipv6", endpoint.ipv6.as_bytes());
            if endpoint.port > 0 {
                put_display(fields.field("port"), &endpoint.port);
            }
            fields.end();
        }
    }
}

/// Takes out of the tags what the reader of Zipkin makes of an endpoint.
fn taken<'t>(span: &'t Span, tags: &mut Tags<'t>, keys: &EndpointKeys) -> Endpoint<'t> {
    let mut endpoint = Endpoint::default();
    let mut take = |key: &str| tags.tags.retain(|(known, _)| known != key);
    if let Some(key) = keys.service {
        endpoint.service_name = text(span, key);
        if !endpoint.service_name.is_empty() {
            take(key);
        }
    }
    let address = text(span, keys.address);
    match canonical(address) {
        Some(IpAddr::V4(_)) => endpoint.ipv4 = address,
        Some(IpAddr::V6(_)) => endpoint.ipv6 = address,
        None => {}
    }
    if !endpoint.ipv4.is_empty() || !endpoint.ipv6.is_empty() {
        take(keys.address);
    }
    let second = text(span, keys.second_address);
    if !endpoint.ipv6.is_empty() && matches!(canonical(second), Some(IpAddr::V4(_))) {
        endpoint.ipv4 = second;
        take(keys.second_address);
    }
    if let Some(Value::IntValue(port @ 1..)) = value_of(span, keys.port)
        && let Ok(port) = u16::try_from(*port)
    {
        endpoint.port = port;
        take(keys.port);
    }
    endpoint
}

/// Adds to the other side of a call what other attributes tell of it; these stay tags.
fn complete<'t>(span: &'t Span, remote: &mut Endpoint<'t>) {
    if remote.service_name.is_empty() {
        let names = NAMES.iter().map(|key| text(span, key));
        let is_name = |name: &&str| !name.is_empty() && canonical(name).is_none();
        remote.service_name = names.into_iter().find(is_name).unwrap_or_default();
    }
    if remote.ipv4.is_empty() && remote.ipv6.is_empty() {
        let found = ADDRESSES.iter().map(|key| text(span, key));
        match found.into_iter().find_map(|text| Some((canonical(text)?, text))) {
            Some((IpAddr::V4(_), text)) => remote.ipv4 = text,
            Some((IpAddr::V6(_), text)) => remote.ipv6 = text,
            None => {}
        }
    }
    if remote.port == 0 {
        let port = PORTS.iter().find_map(|key| match value_of(span, key)? {
            Value::IntValue(port) => u16::try_from(*port).ok().filter(|port| *port > 0),
            Value::StringValue(port) => port.parse().ok().filter(|port| *port > 0),
            _ => None,
        });
        remote.port = port.unwrap_or(0);
    }
}

fn text<'t>(span: &'t Span, key: &str) -> &'t str {
    match value_of(span, key) {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}

/// The address that `text` writes in the one form that it is read back in.
fn canonical(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    let is_mapped = matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
    (!is_mapped && text.contains('.') != address.is_ipv6() && address.to_string() == text)
        .then_some(address)
}
