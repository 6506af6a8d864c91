//! What connections come in by: TCP, or a Unix socket.

use std::{fmt, io, net::SocketAddr, path::PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_util::either::Either;
use wholetrace_runtime::{
    listen::{self, BindError},
    unix_socket::UnixSocket,
};

use crate::config::http::Transport;

/// A connection.
pub(crate) type Stream = Either<TcpStream, UnixStream>;

/// A socket that is listened on.
pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

/// Where a listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and a port.
    Ip(SocketAddr),
    /// The file of a Unix socket.
    Path(PathBuf),
}

impl Address {
    /// The address and port, if it has them.
    #[must_use]
    pub const fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Path(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

impl Socket {
    /// Listens on `endpoint`, found at the key path `setting`.
    ///
    /// # Errors
    /// When it is not to be had.
    pub(crate) async fn bind(
        setting: &str,
        transport: Transport,
        endpoint: &str,
    ) -> Result<Self, BindError> {
        match transport {
            Transport::Tcp => listen::bind(setting, endpoint).await.map(Self::Tcp),
            Transport::Unix => UnixSocket::bind(setting, endpoint).await.map(Self::Unix),
        }
    }

    /// Where it is.
    ///
    /// # Errors
    /// When the system does not say.
    pub(crate) fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Ip),
            Self::Unix(socket) => Ok(Address::Path(socket.path().to_owned())),
        }
    }

    /// The next connection, and who is at its other end: nobody with an address on a Unix socket.
    ///
    /// # Errors
    /// As of `accept(2)`.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are small and senders wait for them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "cannot set TCP_NODELAY");
                }
                Ok((Either::Left(stream), Some(peer)))
            }
            Self::Unix(socket) => Ok((Either::Right(socket.accept().await?), None)),
        }
    }
}
