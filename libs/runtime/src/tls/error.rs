//! What can be wrong with certificates and keys.

use std::path::PathBuf;

/// What is wrong with a TLS setting. The message names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or is not PEM.
    #[error("`{}` cannot be used: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Only one of certificate and key is given.
    #[error("`{given}` needs `{missing}`: a certificate and its key go together")]
    Half {
        /// The setting that is there.
        given: &'static str,
        /// The setting that is not.
        missing: &'static str,
    },
    /// The system has no certificate authorities.
    #[error("no certificate authorities are installed on this system: name one with `ca_file`")]
    NoAuthorities,
    /// The name cannot be that of a server.
    #[error("`{0}` is not a host name")]
    ServerName(String),
    /// Certificate and key do not fit, or the library refuses them.
    #[error("certificate or key refused: {0}")]
    Refused(String),
}

impl TlsError {
    pub(crate) fn refused(error: impl std::fmt::Display) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Refused(error.to_string())
    }
}
