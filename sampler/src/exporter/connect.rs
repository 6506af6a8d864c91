//! Connections as they are made: over TLS with the certificates that there are now, or without.

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Uri;
use hyper_rustls::{
    DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, MaybeHttpsStream,
    ResolveServerName,
};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tower_service::Service;
use wholetrace_runtime::tls::Reloading;

type BoxError = Box<dyn Error + Send + Sync>;

/// Certificates, keys and names of an exporter's TLS.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) certificates: Reloading<ClientConfig>,
    /// The name that the backend's certificate must carry, if not the one in the endpoint.
    pub(crate) server_name: Option<ServerName<'static>>,
}

impl Tls {
    fn names(&self) -> Arc<dyn ResolveServerName + Send + Sync> {
        match &self.server_name {
            Some(name) => Arc::new(FixedServerNameResolver::new(name.clone())),
            None => Arc::new(DefaultServerNameResolver::default()),
        }
    }
}

/// Makes connections to a backend.
#[derive(Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector,
    tls: Option<Tls>,
}

impl Connector {
    /// `tls` is for `https`; with none, only `http` works.
    pub(crate) const fn new(tcp: HttpConnector, tls: Option<Tls>) -> Self {
        Self { tcp, tls }
    }

    async fn connect(mut self, uri: Uri) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>, BoxError> {
        if uri.scheme_str() == Some("http") {
            return Ok(MaybeHttpsStream::Http(self.tcp.call(uri).await?));
        }
        let tls = self.tls.ok_or("no certificates are there for TLS")?;
        let config = tls.certificates.current().await;
        HttpsConnector::new(self.tcp, config, true, tls.names()).call(uri).await
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Addresses are resolved on threads, of which there are always some.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}
