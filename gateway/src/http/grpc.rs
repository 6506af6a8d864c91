//! The framing of gRPC: five bytes in front of each message.
//!
//! It is read here, since a codec would inflate the message outside of the byte budget.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    inflate::Encoding,
    reject::{RejectReason, Rejection},
};

/// Whether compressed, and the length of the message.
pub(crate) const PREFIX_BYTES: usize = 5;

/// How many bytes the body of a call has that starts with `first`; `None` where that is too short to
/// tell.
pub(crate) fn body_bytes(first: &[u8]) -> Option<usize> {
    prefix(first).map(|(_, length)| length.saturating_add(PREFIX_BYTES))
}

/// The one message in the `body` of a call, and how it is compressed: not at all, or by the
/// `encoding` of the call.
///
/// # Errors
/// A body that holds no message, or more than one.
pub(crate) fn message(encoding: Encoding, mut body: Bytes) -> Result<(Encoding, Bytes), Rejection> {
    let malformed = |message| Rejection::new(RejectReason::Malformed, message);
    let (compressed, length) =
        prefix(&body).ok_or_else(|| malformed("the call holds no message"))?;
    let message = body.split_off(PREFIX_BYTES);
    if message.len() < length {
        return Err(malformed("the message is shorter than its prefix says"));
    }
    if message.len() > length {
        return Err(malformed("the call has more bytes than its message: send one message"));
    }
    match (compressed, encoding) {
        (0, _) => Ok((Encoding::Identity, message)),
        (1, Encoding::Identity) => {
            Err(malformed("the message is compressed, and no `grpc-encoding` says how"))
        }
        (1, encoding) => Ok((encoding, message)),
        _ => Err(malformed("the first byte of the message prefix must be 0 or 1")),
    }
}

/// The body of an answer with the one message `message`.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut data = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    data.put_u8(0);
    data.put_u32(u32::try_from(message.len()).unwrap_or(0));
    data.extend_from_slice(message);
    data.freeze()
}

/// The compression flag and the message length that `body` starts with.
fn prefix(body: &[u8]) -> Option<(u8, usize)> {
    match body {
        [flag, a, b, c, d, ..] => Some((*flag, u32::from_be_bytes([*a, *b, *c, *d]) as usize)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_is_taken_as_its_flag_says() {
        let plain = message(Encoding::Gzip, Bytes::from_static(b"\0\0\0\0\x02ab")).unwrap();
        assert_eq!(plain, (Encoding::Identity, Bytes::from_static(b"ab")));
        let gzip = message(Encoding::Gzip, Bytes::from_static(b"\x01\0\0\0\x02ab")).unwrap();
        assert_eq!(gzip, (Encoding::Gzip, Bytes::from_static(b"ab")));
    }

    #[test]
    fn anything_but_one_whole_message_is_malformed() {
        for (encoding, body) in [
            (Encoding::Gzip, &b""[..]),
            (Encoding::Gzip, b"\0\0\0\0"),
            (Encoding::Gzip, b"\0\0\0\0\x03ab"),
            (Encoding::Gzip, b"\0\0\0\0\x01ab"),
            (Encoding::Gzip, b"\x02\0\0\0\x02ab"),
            (Encoding::Identity, b"\x01\0\0\0\x02ab"),
        ] {
            let refused = message(encoding, Bytes::copy_from_slice(body)).unwrap_err();
            assert_eq!(refused.reason, RejectReason::Malformed, "{body:?}");
        }
    }
}
