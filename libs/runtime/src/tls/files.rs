//! PEM files.

use std::path::Path;

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{problems::Problems, tls::error::TlsError, units::HumanDuration};

/// All certificates of a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(path, error))?;
    if certificates.is_empty() {
        return Err(unusable(path, "it holds no certificate in PEM"));
    }
    Ok(certificates)
}

/// The first private key of a PEM file.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unusable(path, error))
}

/// The authorities in a PEM file.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|error| unusable(path, error))?;
    }
    Ok(store)
}

/// How often changed files are looked for, unless it is configured: a process that serves an expired
/// certificate helps nobody, and reading three small files a minute costs nothing.
pub(crate) const RELOAD_INTERVAL: HumanDuration = HumanDuration::from_secs(60);

/// Adds a problem if `interval`, found below `path`, is out of bounds.
pub(crate) fn check_interval(interval: HumanDuration, path: &str, problems: &mut Problems) {
    if interval != HumanDuration::from_secs(0) {
        let bounds = HumanDuration::from_secs(1)..=HumanDuration::from_secs(30 * 86_400);
        problems.within(path, "reload_interval", &interval, &bounds);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn unusable(path: &Path, reason: impl ToString) -> TlsError {
    TlsError::File { path: path.to_owned(), reason: reason.to_string() }
}
