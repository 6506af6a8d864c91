//! TLS of connections that we make.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    problems::Problems,
    tls::{error::TlsError, files, pinned::Pinned, reload::Reloading},
    units::HumanDuration,
};

/// TLS of a connection that we make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTlsConfig {
    /// Do not encrypt at all.
    pub insecure: bool,
    /// Encrypt, but trust any certificate: no protection from who sits in between.
    pub insecure_skip_verify: bool,
    /// PEM file with the authorities to trust, instead of those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// PEM file with the certificate we show; needs `key_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// PEM file with the private key of `cert_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Name that the server's certificate must carry, if not the one in the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name_override: Option<String>,
    /// How often these files are looked at; those that have changed are used for new connections. 1s to
    /// 720h; `0s` reads them at the start only.
    pub reload_interval: HumanDuration,
}

impl Default for ClientTlsConfig {
    fn default() -> Self {
        Self {
            insecure: false,
            insecure_skip_verify: false,
            ca_file: None,
            cert_file: None,
            key_file: None,
            server_name_override: None,
            reload_interval: files::RELOAD_INTERVAL,
        }
    }
}

impl ClientTlsConfig {
    /// Adds what keeps these settings, found at `path`, from being used. Reads the files.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        let files = [&self.ca_file, &self.cert_file, &self.key_file];
        if self.insecure && files.iter().any(|file| file.is_some()) {
            let message = "certificates are named, but `insecure` turns encryption off";
            problems.error(path, message, "remove one of them");
        }
        if let Err(error) = self.server_name() {
            problems.error(format!("{path}.server_name_override"), error.to_string(), "");
        }
        if !self.insecure
            && let Err(error) = self.build(&[])
        {
            problems.error(path, error.to_string(), "");
        }
        files::check_interval(self.reload_interval, path, problems);
    }

    /// The files that are named.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        [&self.ca_file, &self.cert_file, &self.key_file].into_iter().flatten().cloned().collect()
    }

    /// The same as [`build`](Self::build), made anew when the files change. `user` names the exporter
    /// in log lines.
    ///
    /// # Errors
    /// When a file cannot be used, or the system trusts nobody and no `ca_file` is named.
    pub fn reloading(
        &self,
        user: &str,
        alpn: &'static [&'static [u8]],
    ) -> Result<Reloading<ClientConfig>, TlsError> {
        let config = self.clone();
        let interval = self.reload_interval.get();
        let files = (self.files(), self.cert_file.clone());
        Reloading::new(user, files, interval, move || config.build(alpn))
    }

    /// The name to verify the server by, if it is not that of the endpoint.
    ///
    /// # Errors
    /// When it cannot be the name of a server.
    pub fn server_name(&self) -> Result<Option<ServerName<'static>>, TlsError> {
        let name = self.server_name_override.as_deref().filter(|name| !name.is_empty());
        name.map(|name| {
            ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()))
        })
        .transpose()
    }

    /// The settings of a connection that offers the protocols `alpn` (such as `b"h2"`). What
    /// `insecure` says is for the caller to look at.
    ///
    /// # Errors
    /// When a file cannot be used, or the system trusts nobody and no `ca_file` is named.
    pub fn build(&self, alpn: &[&[u8]]) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::refused)?;
        let builder = if self.insecure_skip_verify {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAll(provider)))
        } else {
            builder.dangerous().with_custom_certificate_verifier(self.verifier(provider)?)
        };
        let mut config = match (&self.cert_file, &self.key_file) {
            (None, None) => builder.with_no_client_auth(),
            (Some(_), None) => {
                return Err(TlsError::Half { given: "cert_file", missing: "key_file" });
            }
            (None, Some(_)) => {
                return Err(TlsError::Half { given: "key_file", missing: "cert_file" });
            }
            (Some(certificate), Some(key)) => builder
                .with_client_auth_cert(files::certificates(certificate)?, files::private_key(key)?)
                .map_err(TlsError::refused)?,
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }

    fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        let roots = Arc::new(self.trusted()?);
        let usual = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(TlsError::refused)?;
        Ok(match &self.ca_file {
            None => usual,
            Some(file) => Arc::new(Pinned::new(usual, files::certificates(file)?)),
        })
    }

    fn trusted(&self) -> Result<RootCertStore, TlsError> {
        if let Some(file) = &self.ca_file {
            return files::authorities(file);
        }
        let mut store = RootCertStore::empty();
        // Systems carry certificates that the library cannot read; the others still count.
        let (added, _) =
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if added == 0 { Err(TlsError::NoAuthorities) } else { Ok(store) }
    }
}

/// Trusts every certificate, for `insecure_skip_verify`. Signatures are still checked.
#[derive(Debug)]
struct TrustAll(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
