//! The body of a request: the bytes of a batch, compressed if so configured.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use flate2::write::GzEncoder;
use hyper::body::{Body, Frame, SizeHint};

use crate::{contract::Batch, options::Compression};

/// From this size on, bytes are compressed on a thread of their own: less is over before it could
/// delay anybody.
const OFFLOAD_BYTES: usize = 32 << 10;

/// Compressing is the dearest step of an export: the fastest level of gzip takes half the time of
/// the usual one, and makes spans about a sixth larger.
const GZIP_LEVEL: flate2::Compression = flate2::Compression::fast();

/// The fastest level of zstd that still does all of its work.
const ZSTD_LEVEL: i32 = 1;

impl Compression {
    /// The name of the encoding in a header; none for bytes as they are.
    pub(crate) const fn encoding(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// The bytes of `batch` in this encoding. Without compression nothing is copied.
    ///
    /// # Errors
    /// When the encoder fails, which it does for lack of memory only.
    pub(crate) async fn encode(self, batch: &Batch) -> io::Result<Vec<Bytes>> {
        if self == Self::None {
            return Ok(batch.pieces().to_vec());
        }
        let encoded = if batch.len() < OFFLOAD_BYTES {
            self.encode_now(batch)?
        } else {
            let batch = batch.clone();
            let encoding = tokio::task::spawn_blocking(move || self.encode_now(&batch));
            encoding.await.map_err(io::Error::other)??
        };
        Ok(vec![Bytes::from(encoded)])
    }

    fn encode_now(self, batch: &Batch) -> io::Result<Vec<u8>> {
        let out = Vec::with_capacity(batch.len() / 4 + 64);
        match self {
            Self::None => Ok(batch.pieces().concat()),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, GZIP_LEVEL);
                write_all(batch, &mut encoder)?;
                encoder.finish()
            }
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(out, ZSTD_LEVEL)?;
                write_all(batch, &mut encoder)?;
                encoder.finish()
            }
        }
    }
}

fn write_all(batch: &Batch, out: &mut impl Write) -> io::Result<()> {
    batch.pieces().iter().try_for_each(|piece| out.write_all(piece))
}

/// A body of known length, sent from where its bytes are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Payload {
    chunks: VecDeque<Bytes>,
    left: u64,
}

impl Payload {
    pub(crate) fn new(chunks: impl IntoIterator<Item = Bytes>) -> Self {
        let chunks: VecDeque<Bytes> =
            chunks.into_iter().filter(|chunk| !chunk.is_empty()).collect();
        let left = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self { chunks, left }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.chunks.pop_front();
        self.left -= chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
