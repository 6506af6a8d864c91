//! Addresses of endpoints, in their canonical form. One that is none costs the address, as in
//! Zipkin.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::model::Endpoint;

/// Gives `endpoint` the address of either version that `text` writes, whatever its field is called.
pub(super) fn from_text<'a>(text: Cow<'a, str>, endpoint: &mut Endpoint<'a>) {
    match text.parse() {
        // There is one way to write it.
        Ok(IpAddr::V4(_)) => endpoint.ipv4 = text,
        Ok(IpAddr::V6(address)) => {
            // Written with dots it means the address of version 4 that it ends with.
            let embedded = if text.contains('.') { address.to_ipv4() } else { None };
            match embedded {
                Some(embedded) => endpoint.ipv4 = Cow::Owned(embedded.to_string()),
                None => version6(address, endpoint),
            }
        }
        Err(_) => {}
    }
}

/// Gives `endpoint` the address of either version that `bytes` are.
pub(super) fn from_bytes(bytes: &[u8], endpoint: &mut Endpoint<'_>) {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        endpoint.ipv4 = Cow::Owned(Ipv4Addr::from(bytes).to_string());
    } else if let Ok(bytes) = <[u8; 16]>::try_from(bytes) {
        version6(Ipv6Addr::from(bytes), endpoint);
    }
}

fn version6(address: Ipv6Addr, endpoint: &mut Endpoint<'_>) {
    match address.to_ipv4_mapped() {
        Some(mapped) => endpoint.ipv4 = Cow::Owned(mapped.to_string()),
        None => endpoint.ipv6 = Cow::Owned(address.to_string()),
    }
}
