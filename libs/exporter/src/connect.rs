//! Connections as they are made: through a proxy or directly, over TLS with the certificates that
//! there are now or without.

use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Empty;
use hyper::{
    client::conn::http1,
    rt::{Read, ReadBufCursor, Write},
};
use hyper_rustls::{
    DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, MaybeHttpsStream,
    ResolveServerName,
};
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector, proxy::SocksV5},
    rt::TokioIo,
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tower_service::Service;
use wholetrace_runtime::tls::{ClientTlsConfig, Reloading};

use crate::proxy::{Proxies, Proxy, Way};

type BoxError = Box<dyn Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

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
    way: WayThere,
    tls: Option<Tls>,
}

impl Connector {
    /// `tls` is for `https`; with none, only `http` works.
    pub(crate) const fn new(tcp: HttpConnector, proxies: Arc<Proxies>, tls: Option<Tls>) -> Self {
        // A proxy for TLS is verified as the backend is.
        Self { way: WayThere { tcp, proxies, address: None, tls: None }, tls }
    }

    /// The same, to `address` whatever the name says. Not for what goes through a proxy.
    pub(crate) fn to(&self, address: IpAddr) -> Self {
        let mut settled = self.clone();
        settled.way.address = Some(address);
        settled
    }

    async fn connect(mut self, uri: Uri) -> Result<MaybeHttpsStream<Stream>, BoxError> {
        if uri.scheme_str() == Some("http") {
            return Ok(MaybeHttpsStream::Http(self.way.call(uri).await?));
        }
        let tls = self.tls.ok_or("no certificates are there for TLS")?;
        let config = tls.certificates.current().await;
        self.way.tls = Some(Arc::clone(&config));
        HttpsConnector::new(self.way, config, true, tls.names()).call(uri).await
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Stream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Addresses are resolved on threads, of which there are always some.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// Goes to the backend, or to the proxy before it, and leaves TLS with the backend to others.
#[derive(Clone)]
struct WayThere {
    tcp: HttpConnector,
    proxies: Arc<Proxies>,
    /// Where the backend is, if it is not to be looked up.
    address: Option<IpAddr>,
    /// For a proxy that speaks TLS.
    tls: Option<Arc<ClientConfig>>,
}

impl WayThere {
    async fn go(mut self, uri: Uri) -> Result<Stream, BoxError> {
        let Some(proxy) = self.proxies.of(&uri) else {
            let at = self.address.map_or(Ok(uri.clone()), |address| settled(&uri, address))?;
            return Ok(Stream::new(self.tcp.call(at).await?));
        };
        let name = proxy.to_string();
        let gone = self.through(proxy, &uri).await;
        gone.map_err(|error| Through { proxy: name, error }.into())
    }

    async fn through(mut self, proxy: Proxy, uri: &Uri) -> Result<Stream, BoxError> {
        match proxy.way {
            Way::Forward(_) => {
                Ok(Stream { forwarded: true, ..Stream::new(self.proxy(proxy.uri).await?) })
            }
            Way::Tunnel(login) => {
                let connection = self.proxy(proxy.uri).await?;
                tunnel(connection, uri, login).await
            }
            Way::Socks { login, local_dns } => {
                let mut socks = SocksV5::new(proxy.uri, self.tcp).local_dns(local_dns);
                if let Some((user, password)) = login {
                    socks = socks.with_auth(user, password);
                }
                Ok(Stream::new(socks.call(uri.clone()).await?))
            }
        }
    }

    async fn proxy(&mut self, uri: Uri) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>, BoxError> {
        if uri.scheme_str() != Some("https") {
            return Ok(MaybeHttpsStream::Http(self.tcp.call(uri).await?));
        }
        let mut config = match &self.tls {
            Some(tls) => ClientConfig::clone(tls),
            None => ClientTlsConfig::default().build(&[])?,
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let names = Arc::new(DefaultServerNameResolver::default());
        HttpsConnector::new(self.tcp.clone(), config, true, names).call(uri).await
    }
}

impl Service<Uri> for WayThere {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().go(uri))
    }
}

/// `uri` with `address` in place of the name.
fn settled(uri: &Uri, address: IpAddr) -> Result<Uri, http::Error> {
    let at = SocketAddr::new(address, port(uri));
    Uri::builder().scheme("http").authority(at.to_string()).path_and_query("/").build()
}

fn port(uri: &Uri) -> u16 {
    let usual = if uri.scheme_str() == Some("http") { 80 } else { 443 };
    uri.port_u16().unwrap_or(usual)
}

/// Asks a proxy for a connection to the backend at `uri`. What comes behind its answer is of the
/// backend, which may speak first.
async fn tunnel<I>(io: I, uri: &Uri, login: Option<HeaderValue>) -> Result<Stream, BoxError>
where
    I: Read + Write + Unpin + Send + 'static,
{
    let host = uri.host().ok_or("the backend has no host")?;
    let authority = format!("{host}:{}", port(uri));
    let mut request =
        Request::connect(&authority).header(header::HOST, authority).body(Empty::<Bytes>::new())?;
    if let Some(login) = login {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, login);
    }
    let (mut sender, connection) = http1::handshake(io).await?;
    // It ends with the connection, or when the request is cancelled.
    drop(tokio::spawn(connection.with_upgrades()));
    let answer = sender.send_request(request).await?;
    if !answer.status().is_success() {
        return Err(format!("it answered {} to CONNECT", answer.status()).into());
    }
    Ok(Stream::new(hyper::upgrade::on(answer).await?))
}

/// What went wrong on the way through a proxy.
#[derive(Debug, thiserror::Error)]
#[error("through the proxy {proxy}: {error}")]
struct Through {
    proxy: String,
    error: BoxError,
}

/// Bytes to and from a backend or a proxy.
pub(crate) struct Stream {
    io: Box<dyn Io>,
    /// A proxy reads the requests, which are then written for it.
    forwarded: bool,
}

trait Io: Read + Write + Unpin + Send {}

impl<I: Read + Write + Unpin + Send> Io for I {}

impl Stream {
    fn new(io: impl Io + 'static) -> Self {
        Self { io: Box::new(io), forwarded: false }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.forwarded)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }
}

#[cfg(test)]
mod tests;
