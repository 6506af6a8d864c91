//! TLS of listeners.

use std::{path::PathBuf, sync::Arc};

use rustls::{ServerConfig, crypto::ring, server::WebPkiClientVerifier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    problems::Problems,
    tls::{error::TlsError, files, reload::Reloading},
    units::HumanDuration,
};

/// TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerTlsConfig {
    /// PEM file with the certificate and its chain. Required.
    pub cert_file: PathBuf,
    /// PEM file with the certificate's private key. Required.
    pub key_file: PathBuf,
    /// PEM file with the authorities whose client certificates are accepted; with it, every client
    /// must show one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca_file: Option<PathBuf>,
    /// How often these files are looked at; those that have changed serve new connections. 1s to 720h;
    /// `0s` reads them at the start only.
    pub reload_interval: HumanDuration,
}

impl Default for ServerTlsConfig {
    fn default() -> Self {
        Self {
            cert_file: PathBuf::new(),
            key_file: PathBuf::new(),
            client_ca_file: None,
            reload_interval: files::RELOAD_INTERVAL,
        }
    }
}

impl ServerTlsConfig {
    /// Adds what keeps these settings, found at `path`, from being used. Reads the files.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        if let Err(error) = self.build(&[]) {
            problems.error(path, error.to_string(), "");
        }
        files::check_interval(self.reload_interval, path, problems);
    }

    /// The same as [`build`](Self::build), made anew when the files change. `user` names the listener
    /// in log lines.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn reloading(
        &self,
        user: &str,
        alpn: &'static [&'static [u8]],
    ) -> Result<Reloading<ServerConfig>, TlsError> {
        let config = self.clone();
        let named = [Some(&self.cert_file), Some(&self.key_file), self.client_ca_file.as_ref()];
        let files = (named.into_iter().flatten().cloned().collect(), Some(self.cert_file.clone()));
        Reloading::new(user, files, self.reload_interval.get(), move || config.build(alpn))
    }

    /// The settings for a listener that offers the protocols `alpn` (such as `b"h2"`).
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn build(&self, alpn: &[&[u8]]) -> Result<ServerConfig, TlsError> {
        for (missing, given, file) in
            [("cert_file", "key_file", &self.cert_file), ("key_file", "cert_file", &self.key_file)]
        {
            if file.as_os_str().is_empty() {
                return Err(TlsError::Half { given, missing });
            }
        }
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::refused)?;
        let builder = match &self.client_ca_file {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let authorities = Arc::new(files::authorities(file)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider)
                    .build()
                    .map_err(TlsError::refused)?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let chain = files::certificates(&self.cert_file)?;
        let key = files::private_key(&self.key_file)?;
        let mut config = builder.with_single_cert(chain, key).map_err(TlsError::refused)?;
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }
}
