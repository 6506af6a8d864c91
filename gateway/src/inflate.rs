//! Undoes the compression of a body, within a byte lease and a cap on the inflated size.

use std::io::Read;

use bytes::Bytes;

use crate::{
    admission::lease::RequestLease,
    reject::{RejectReason, Rejection},
};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952, one or several members.
    Gzip,
    /// RFC 8878, one or several frames.
    Zstd,
    /// RFC 1950 (what HTTP calls `deflate`).
    Zlib,
}

impl Encoding {
    /// The encoding that a `content-encoding` or `grpc-encoding` header names; `None` for one that
    /// is not known here. Stacked encodings are not: no sender needs them but to hide a bomb.
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        let name = name.trim_ascii();
        [
            (&b""[..], Self::Identity),
            (b"identity", Self::Identity),
            (b"gzip", Self::Gzip),
            (b"x-gzip", Self::Gzip),
            (b"zstd", Self::Zstd),
            (b"deflate", Self::Zlib),
            (b"zlib", Self::Zlib),
        ]
        .into_iter()
        .find_map(|(known, encoding)| known.eq_ignore_ascii_case(name).then_some(encoding))
    }
}

/// Above this many compressed bytes inflating takes milliseconds: not on a thread that serves
/// sockets.
const INLINE_BYTES: usize = 128 << 10;

/// The same of what comes out: a few compressed bytes may be very many.
const INLINE_INFLATED: usize = 1 << 20;

/// Windows beyond 8 MiB are outside of what RFC 8878 asks decoders to support, and are memory
/// that a sender claims with a few bytes.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Deflate cannot do better than 1,032:1, so a larger claim is a lie.
const DEFLATE_RATIO_MAX: usize = 1_032;

/// First step where nothing tells the inflated size.
const RATIO_USUAL: usize = 6;

/// Smallest step by which room is made.
const STEP_BYTES: usize = 16 << 10;

/// Inflates `body` to at most `cap` bytes. Grows `lease` by each step before it is taken, and
/// leaves it at the inflated size.
///
/// # Errors
/// A body that is damaged or cut off, inflates to more than `cap`, or for which there is no room.
pub(crate) async fn inflate(
    encoding: Encoding,
    body: Bytes,
    mut lease: RequestLease,
    cap: usize,
) -> Result<(Bytes, RequestLease), Rejection> {
    if encoding == Encoding::Identity {
        return Ok((body, lease));
    }
    if body.len() <= INLINE_BYTES {
        let compressed = lease.bytes();
        match inflate_now(encoding, &body, &mut lease, cap.min(INLINE_INFLATED)) {
            // More comes out than is done here: it begins again elsewhere.
            Err(error)
                if error.reason == RejectReason::InflatedTooLarge && cap > INLINE_INFLATED =>
            {
                lease.shrink_to(compressed);
            }
            Err(error) => return Err(error),
            Ok(inflated) => return Ok((inflated, lease)),
        }
    }
    tokio::task::spawn_blocking(move || {
        let inflated = inflate_now(encoding, &body, &mut lease, cap)?;
        Ok((inflated, lease))
    })
    .await
    .map_err(|error| Rejection::new(RejectReason::Internal, error.to_string()))?
}

fn inflate_now(
    encoding: Encoding,
    body: &[u8],
    lease: &mut RequestLease,
    cap: usize,
) -> Result<Bytes, Rejection> {
    let mut inflated = Vec::new();
    match encoding {
        Encoding::Identity => return Ok(Bytes::copy_from_slice(body)),
        Encoding::Gzip => {
            // The last four bytes are the size of the last member: right for a body of one member.
            let told = body.last_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size) as usize);
            let guess = told.min(body.len().saturating_mul(DEFLATE_RATIO_MAX));
            let decoder = flate2::bufread::MultiGzDecoder::new(body);
            read_all(decoder, guess, &mut inflated, lease, cap)?;
        }
        Encoding::Zlib => {
            let guess = body.len().saturating_mul(RATIO_USUAL);
            let decoder = flate2::bufread::ZlibDecoder::new(body);
            read_all(decoder, guess, &mut inflated, lease, cap)?;
        }
        Encoding::Zstd => {
            let guess = body.len().saturating_mul(RATIO_USUAL);
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(body).map_err(|e| damaged(&e))?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|e| damaged(&e))?;
            read_all(decoder, guess, &mut inflated, lease, cap)?;
        }
    }
    lease.shrink_to(inflated.capacity());
    Ok(inflated.into())
}

/// Reads `decoder` to its end into `inflated`. `guess` sizes the first step.
fn read_all(
    mut decoder: impl Read,
    guess: usize,
    inflated: &mut Vec<u8>,
    lease: &mut RequestLease,
    cap: usize,
) -> Result<(), Rejection> {
    let compressed = lease.bytes();
    // One byte more than is taken tells a body of exactly `cap` bytes from a longer one.
    let mut step = guess.saturating_add(1).max(STEP_BYTES).min(cap.saturating_add(1));
    loop {
        lease.grow_to(compressed.saturating_add(inflated.len()).saturating_add(step))?;
        inflated.reserve_exact(step);
        let limit = u64::try_from(step).unwrap_or(u64::MAX);
        let read =
            decoder.by_ref().take(limit).read_to_end(inflated).map_err(|error| damaged(&error))?;
        if inflated.len() > cap {
            let message =
                format!("the body inflates to more than `{cap}` bytes: send less at once");
            return Err(Rejection::new(RejectReason::InflatedTooLarge, message));
        }
        if read < step {
            return Ok(());
        }
        step = inflated.len().max(STEP_BYTES).min((cap - inflated.len()).saturating_add(1));
    }
}

fn damaged(error: &std::io::Error) -> Rejection {
    let message = format!("the compressed body is damaged or cut off: {error}");
    Rejection::new(RejectReason::Malformed, message)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use wholetrace_runtime::budget::ByteBudget;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn undo(encoding: Encoding, body: &[u8], cap: usize) -> Result<Bytes, RejectReason> {
        let budget = ByteBudget::new("test", 1 << 20);
        let mut lease = RequestLease::take(&budget, body.len()).unwrap();
        let inflated = inflate_now(encoding, body, &mut lease, cap);
        if let Ok(inflated) = &inflated {
            assert!(lease.bytes() >= inflated.len());
        }
        inflated.map_err(|rejection| rejection.reason)
    }

    proptest! {
        /// At any cap: all of it, or a refusal; never a panic, never more than the cap.
        #[test]
        fn prop_what_was_packed_comes_out_or_is_refused(
            length in 0_usize..200_000,
            cap in 0_usize..200_000,
            byte in any::<u8>(),
        ) {
            let bytes = vec![byte; length];
            let wanted = if length <= cap {
                Ok(bytes.clone().into())
            } else {
                Err(RejectReason::InflatedTooLarge)
            };
            let zstd = zstd::encode_all(&bytes[..], 1).unwrap();
            prop_assert_eq!(&undo(Encoding::Gzip, &gzip(&bytes), cap), &wanted);
            prop_assert_eq!(&undo(Encoding::Zstd, &zstd, cap), &wanted);
        }

        #[test]
        fn prop_arbitrary_bytes_are_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for encoding in [Encoding::Gzip, Encoding::Zstd, Encoding::Zlib] {
                drop(undo(encoding, &bytes, 1 << 16));
            }
        }
    }

    #[test]
    fn several_members_are_one_body() {
        let body = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(undo(Encoding::Gzip, &body, 100), Ok(Bytes::from_static(b"one two")));
    }

    /// A body that claims to be large holds no more than the budget has.
    #[test]
    fn room_is_asked_for_before_it_is_taken() {
        let body = gzip(&vec![0; 4 << 20]);
        assert_eq!(undo(Encoding::Gzip, &body, 8 << 20), Err(RejectReason::Amplified));
    }

    /// 128 MiB of window, claimed by six bytes.
    #[test]
    fn a_zstd_window_beyond_eight_mebibytes_is_refused() {
        let body = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88];
        assert_eq!(undo(Encoding::Zstd, &body, 1 << 20), Err(RejectReason::Malformed));
    }
}
