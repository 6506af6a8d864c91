//! Addresses of version 4 in their canonical form.

use std::net::Ipv4Addr;

/// The text of an address of version 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ipv4Text {
    bytes: [u8; "255.255.255.255".len()],
    length: u8,
}

impl Ipv4Text {
    /// An address as it is written: the formatter of the standard library takes ten times as long, and
    /// nearly every span has one.
    pub(super) fn of(address: Ipv4Addr) -> Self {
        let mut text = Self { bytes: [0; 15], length: 0 };
        for (place, octet) in address.octets().into_iter().enumerate() {
            if place > 0 {
                text.push(b'.');
            }
            for power in [100, 10] {
                if octet >= power {
                    text.push(b'0' + octet / power % 10);
                }
            }
            text.push(b'0' + octet % 10);
        }
        text
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(usize::from(self.length)) {
            *place = byte;
            self.length += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_usual() {
        for octet in 0..=255 {
            let address = Ipv4Addr::new(octet, 255 - octet, octet / 2, octet % 11);
            assert_eq!(Ipv4Text::of(address).as_bytes(), address.to_string().as_bytes());
        }
    }
}
