//! Addresses of endpoints, read from what formats have for them and written in their canonical form.
//! One that is none costs the address, as in Zipkin.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::model::Endpoint;

/// Gives `endpoint` the address of either version that `text` writes, whatever its field is called.
pub(super) fn from_text(text: &str, endpoint: &mut Endpoint<'_>) {
    match text.parse() {
        Ok(IpAddr::V4(address)) => endpoint.ipv4 = Some(address),
        Ok(IpAddr::V6(address)) => {
            // Written with dots it means the address of version 4 that it ends with.
            let embedded = if text.contains('.') { address.to_ipv4() } else { None };
            match embedded {
                Some(embedded) => endpoint.ipv4 = Some(embedded),
                None => version6(address, endpoint),
            }
        }
        Err(_) => {}
    }
}

/// Gives `endpoint` the address of either version that `bytes` are.
pub(super) fn from_bytes(bytes: &[u8], endpoint: &mut Endpoint<'_>) {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        endpoint.ipv4 = Some(Ipv4Addr::from(bytes));
    } else if let Ok(bytes) = <[u8; 16]>::try_from(bytes) {
        version6(Ipv6Addr::from(bytes), endpoint);
    }
}

fn version6(address: Ipv6Addr, endpoint: &mut Endpoint<'_>) {
    match address.to_ipv4_mapped() {
        Some(mapped) => endpoint.ipv4 = Some(mapped),
        None => endpoint.ipv6 = Some(address),
    }
}

/// An address as it is written: the formatter of the standard library takes ten times as long, and
/// nearly every span has one.
pub(super) fn text_of(address: Ipv4Addr) -> String {
    let mut text = String::with_capacity("255.255.255.255".len());
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        for power in [100, 10] {
            if octet >= power {
                text.push(char::from(b'0' + octet / power % 10));
            }
        }
        text.push(char::from(b'0' + octet % 10));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_usual() {
        for octet in 0..=255 {
            let address = Ipv4Addr::new(octet, 255 - octet, octet / 2, octet % 11);
            assert_eq!(text_of(address), address.to_string());
        }
    }
}
