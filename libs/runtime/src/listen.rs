//! Sockets to listen on, with errors that say what to do.

use std::{
    io::{Error, ErrorKind},
    net::SocketAddr,
};

use tokio::net::{TcpListener, UdpSocket, lookup_host};

/// Why a listener cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on `{endpoint}` ({setting}): {reason}")]
pub struct BindError {
    /// Key path of the endpoint in the configuration.
    pub setting: String,
    /// The endpoint as configured.
    pub endpoint: String,
    /// What went wrong and what to do about it.
    pub reason: String,
}

/// The endpoints that `endpoint` stands for, of which the first that can be had is taken: an empty
/// host (`:4317`) is every interface of both IPv6 and IPv4, or of IPv4 where there is no IPv6.
///
/// ```
/// use wholetrace_runtime::listen::meant;
/// assert_eq!(meant(":4317"), ["[::]:4317", "0.0.0.0:4317"]);
/// assert_eq!(meant("localhost:4317"), ["localhost:4317"]);
/// ```
#[must_use]
pub fn meant(endpoint: &str) -> Vec<String> {
    match endpoint.strip_prefix(':') {
        Some(port) => vec![format!("[::]:{port}"), format!("0.0.0.0:{port}")],
        None => vec![endpoint.to_owned()],
    }
}

/// Listens on `endpoint`, found at the key path `setting`: `host:port`, where port 0 takes a free
/// one and an empty host (`:4317`) is every interface.
///
/// # Errors
/// When the endpoint cannot be understood or is not to be had.
pub async fn bind(setting: &str, endpoint: &str) -> Result<TcpListener, BindError> {
    first(setting, endpoint, TcpListener::bind).await
}

/// A socket for datagrams (UDP) at `endpoint`, otherwise as [`bind`].
///
/// # Errors
/// When the endpoint cannot be understood or is not to be had.
pub async fn bind_datagrams(setting: &str, endpoint: &str) -> Result<UdpSocket, BindError> {
    first(setting, endpoint, UdpSocket::bind).await
}

/// What `bind` gives for the first address of `endpoint` for which it gives anything.
async fn first<T, F: Future<Output = Result<T, Error>>>(
    setting: &str,
    endpoint: &str,
    bind: impl Fn(SocketAddr) -> F,
) -> Result<T, BindError> {
    let failed = |reason: String| BindError {
        setting: setting.to_owned(),
        endpoint: endpoint.to_owned(),
        reason,
    };
    let addresses = addresses(endpoint).await.map_err(&failed)?;
    let mut last = None;
    for address in addresses {
        match bind(address).await {
            Ok(bound) => return Ok(bound),
            Err(error) => last = Some(error),
        }
    }
    Err(failed(last.map_or_else(|| "the host has no address".to_owned(), |error| said(&error))))
}

async fn addresses(endpoint: &str) -> Result<Vec<SocketAddr>, String> {
    let Some((_, port)) = endpoint.rsplit_once(':') else {
        return Err("it names no port; write `host:port`, such as `127.0.0.1:4317`".to_owned());
    };
    if port.parse::<u16>().is_err() {
        return Err(format!("`{port}` is not a port; take 0 to 65535"));
    }
    let mut addresses = Vec::new();
    for full in meant(endpoint) {
        match lookup_host(&full).await {
            Ok(found) => addresses.extend(found),
            Err(error) => return Err(format!("the host cannot be resolved: {error}")),
        }
    }
    Ok(addresses)
}

fn said(error: &Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => "the port is in use; stop the program that has it (another \
             Wholetrace, a Collector or Jaeger?) or configure another port"
            .to_owned(),
        ErrorKind::PermissionDenied => "not permitted; ports below 1024 need a privilege, take \
             a higher one"
            .to_owned(),
        ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_said_with_its_setting() {
        let first = bind("admin.endpoint", "127.0.0.1:0").await.unwrap();
        let endpoint = first.local_addr().unwrap().to_string();
        let said = bind("receivers.zipkin.endpoint", &endpoint).await.unwrap_err().to_string();
        assert!(said.starts_with(&format!("cannot listen on `{endpoint}`")), "{said}");
        assert!(said.contains("receivers.zipkin.endpoint") && said.contains("in use"), "{said}");
    }

    #[tokio::test]
    async fn a_port_has_room_for_datagrams_beside_connections() {
        let first = bind("x", "127.0.0.1:0").await.unwrap();
        let endpoint = first.local_addr().unwrap().to_string();
        let _datagrams = bind_datagrams("x", &endpoint).await.unwrap();
        let said = bind_datagrams("x", &endpoint).await.unwrap_err().to_string();
        assert!(said.contains("in use"), "{said}");
    }

    #[tokio::test]
    async fn without_a_host_every_interface_is_listened_on() {
        let port = bind("x", ":0").await.unwrap().local_addr().unwrap().port();
        let listener = bind("x", &format!(":{port}")).await.unwrap();
        let _connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        drop(listener);
    }

    #[tokio::test]
    async fn endpoints_that_are_none_are_said() {
        for (endpoint, expected) in
            [("127.0.0.1", "names no port"), ("127.0.0.1:99999", "not a port"), ("", "no port")]
        {
            let said = bind("x", endpoint).await.unwrap_err().to_string();
            assert!(said.contains(expected), "{endpoint}: {said}");
        }
    }
}
