//! The attributes that are made of what is no tag in Zipkin.

use crate::translated::KEEP_ATTRIBUTE;

/// The span attribute (a boolean) that says that this server's span has the id of its client's:
/// B3 propagation can share ids. It was `shared` in Zipkin.
pub const SHARED_ATTRIBUTE: &str = "zipkin.shared";

/// The span attribute (a boolean) that says that the sender gave no start: it is 0. The name is
/// the Collector's.
pub const START_ABSENT_ATTRIBUTE: &str = "otel.zipkin.absentField.startTime";

/// The attributes that an endpoint becomes.
pub(super) struct EndpointKeys {
    /// Of the other side; that of the own side is in the resource.
    pub(super) service: Option<&'static str>,
    pub(super) address: &'static str,
    /// For the address of version 4 where there is one of version 6 as well.
    pub(super) second_address: &'static str,
    pub(super) port: &'static str,
}

pub(super) const LOCAL: EndpointKeys = EndpointKeys {
    service: None,
    address: "network.local.address",
    second_address: "zipkin.local.ipv4",
    port: "net.host.port",
};

const PEER_SERVICE: &str = "service.peer.name";

pub(super) const REMOTE: EndpointKeys = EndpointKeys {
    service: Some(PEER_SERVICE),
    address: "network.peer.address",
    second_address: "zipkin.peer.ipv4",
    port: "net.peer.port",
};

/// The attributes that are made of what is no tag. A tag of such a name stands.
pub(super) const OWN_ATTRIBUTES: [&str; 10] = [
    START_ABSENT_ATTRIBUTE,
    KEEP_ATTRIBUTE,
    SHARED_ATTRIBUTE,
    PEER_SERVICE,
    LOCAL.address,
    LOCAL.second_address,
    LOCAL.port,
    REMOTE.address,
    REMOTE.second_address,
    REMOTE.port,
];
