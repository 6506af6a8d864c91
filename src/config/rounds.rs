//! Exporters that point at a listener of the same process: what they send comes back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs as _, UdpSocket};

use http::Uri;
use wholetrace_exporter::config::ExportersConfig;
use wholetrace_gateway::{Listener, ReceiversConfig, Transport};
use wholetrace_runtime::{listen, problems::Problems};

/// Adds each exporter of a process that would send to one of its own receivers. Names of other
/// machines are not looked up: only what is known to be this one is told.
pub(super) fn check(
    receivers: &ReceiversConfig,
    exporters: &ExportersConfig,
    problems: &mut Problems,
) {
    for (name, exporter) in &exporters.0 {
        let Some((key, backend)) = exporter.backend() else { continue };
        let mut listeners = receivers.listeners().into_iter();
        let leads = |listener: &Listener<'_>| {
            listener.transport == Transport::Tcp && leads(&backend, listener.endpoint)
        };
        if let Some(own) = listeners.find(leads) {
            let message = format!(
                "is `{}`, a listener of this process: kept traces would come back as new spans \
                 and go round for ever",
                own.setting()
            );
            let hint = "name the backend, or give one of the two another port";
            problems.error(format!("exporters.{name}.{key}"), message, hint);
        }
    }
}

/// Whether a connection to `backend` comes out at the listener `endpoint`.
fn leads(backend: &Uri, endpoint: &str) -> bool {
    let usual = if backend.scheme_str() == Some("http") { 80 } else { 443 };
    let port = backend.port_u16().unwrap_or(usual);
    let targets = addresses(backend.host().unwrap_or_default());
    let listening = listen::meant(endpoint).into_iter().flat_map(|one| one.to_socket_addrs());
    listening.flatten().filter(|address| address.port() == port).any(|address| {
        targets.iter().any(|target| match address.ip() {
            // Both families, unless the system is told otherwise.
            IpAddr::V6(any) if any.is_unspecified() => is_own(*target),
            IpAddr::V4(any) if any.is_unspecified() => target.is_ipv4() && is_own(*target),
            one => one == *target,
        })
    })
}

/// The addresses that `host` is known to stand for without asking anybody.
fn addresses(host: &str) -> Vec<IpAddr> {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    match host.parse::<IpAddr>() {
        // A connection to no address in particular is one to this machine.
        Ok(IpAddr::V4(address)) if address.is_unspecified() => vec![v4],
        Ok(IpAddr::V6(address)) if address.is_unspecified() => vec![v6],
        Ok(address) => vec![address],
        Err(_) if host == "localhost" || host.ends_with(".localhost") => vec![v4, v6],
        Err(_) => Vec::new(),
    }
}

/// Whether an interface of this machine has the address: only then can a socket be bound to it.
fn is_own(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_back_is_known() {
        for (backend, endpoint, expected) in [
            ("http://localhost:4317", "127.0.0.1:4317", true),
            ("https://LOCALHOST:4317", "[::1]:4317", true),
            ("http://localhost:4318", "127.0.0.1:4317", false),
            ("http://127.0.0.1:4317", "0.0.0.0:4317", true),
            ("http://127.1.2.3:4317", ":4317", true),
            ("http://127.0.0.2:4317", "127.0.0.1:4317", false),
            ("http://0.0.0.0:4317", "127.0.0.1:4317", true),
            ("http://[::1]:4317", "[::]:4317", true),
            ("http://localhost", "127.0.0.1:80", true),
            ("http://localhost:4317", "localhost:4317", true),
            // Addresses for documentation: of no machine.
            ("http://192.0.2.1:4317", "0.0.0.0:4317", false),
            ("http://jaeger:4317", "0.0.0.0:4317", false),
        ] {
            let backend_uri: Uri = backend.parse().unwrap();
            assert_eq!(leads(&backend_uri, endpoint), expected, "{backend} {endpoint}");
        }
    }
}
