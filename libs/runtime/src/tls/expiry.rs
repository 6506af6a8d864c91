//! When certificates expire.

use std::path::Path;

use x509_parser::parse_x509_certificate;

use crate::{metrics::process, tls::files};

/// States in the metrics when the first of the certificates expires that stand in the PEM file `chain`
/// and are shown to others. Of a file without certificates nothing is stated: who uses it tells of it.
/// Reads the file.
pub fn tell_expiration(chain: &Path) {
    if let Some(at) = expiration(chain) {
        process::certificate_expires(chain, at);
    }
}

/// In seconds since 1970.
fn expiration(chain: &Path) -> Option<i64> {
    let certificates = files::certificates(chain).ok()?;
    let expires = |der: &[u8]| {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        Some(certificate.validity().not_after.timestamp())
    };
    certificates.iter().filter_map(|certificate| expires(certificate)).min()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn the_first_of_a_chain_to_expire_counts() {
        let folder = tempfile::tempdir().unwrap();
        let until = |year| {
            let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            params.not_after = date_time_ymd(year, 1, 1);
            params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
        };
        let chain = folder.path().join("chain.pem");
        fs::write(&chain, [until(2040), until(2030), until(2050)].concat()).unwrap();
        assert_eq!(expiration(&chain), Some(1_893_456_000));
        fs::write(&chain, "nothing").unwrap();
        assert_eq!(expiration(&chain), None);
    }
}
