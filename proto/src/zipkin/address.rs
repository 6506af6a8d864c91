//! Addresses of endpoints, read from what formats have for them.
//! One that is none costs the address, as in Zipkin.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ipv4_text::Ipv4Text;
use super::model::Endpoint;

/// Gives `endpoint` the address of either version that `text` writes, whatever its field is called.
pub(super) fn from_text(text: &str, endpoint: &mut Endpoint<'_>) {
    match text.parse() {
        Ok(IpAddr::V4(address)) => endpoint.ipv4 = Some(Ipv4Text::of(address)),
        Ok(IpAddr::V6(address)) => {
            // Written with dots it means the address of version 4 that it ends with.
            let embedded = if text.contains('.') { address.to_ipv4() } else { None };
            match embedded {
                Some(embedded) => endpoint.ipv4 = Some(Ipv4Text::of(embedded)),
                None => version6(address, endpoint),
            }
        }
        Err(_) => {}
    }
}

/// Gives `endpoint` the address of either version that `bytes` are.
pub(super) fn from_bytes(bytes: &[u8], endpoint: &mut Endpoint<'_>) {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        endpoint.ipv4 = Some(Ipv4Text::of(Ipv4Addr::from(bytes)));
    } else if let Ok(bytes) = <[u8; 16]>::try_from(bytes) {
        version6(Ipv6Addr::from(bytes), endpoint);
    }
}

fn version6(address: Ipv6Addr, endpoint: &mut Endpoint<'_>) {
    match address.to_ipv4_mapped() {
        Some(mapped) => endpoint.ipv4 = Some(Ipv4Text::of(mapped)),
        None => endpoint.ipv6 = Some(address),
    }
}
