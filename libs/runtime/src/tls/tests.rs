use std::{fs, path::PathBuf, sync::Arc};

use rustls::{ClientConnection, ServerConnection, pki_types::ServerName};
use tempfile::TempDir;

use super::{client::ClientTlsConfig, error::TlsError, server::ServerTlsConfig};
use crate::problems::Problems;

/// A certificate for `localhost` that vouches for itself, and its key, as files.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig {
            cert_file: self.path("cert.pem"),
            key_file: self.path("key.pem"),
            ..ServerTlsConfig::default()
        }
    }
}

/// Shakes hands in memory.
fn shake(client: &ClientTlsConfig, server: &ServerTlsConfig) -> Result<Vec<u8>, rustls::Error> {
    let name = ServerName::try_from("localhost").unwrap();
    let alpn: [&[u8]; 1] = [b"h2"];
    let mut client = ClientConnection::new(Arc::new(client.build(&alpn).unwrap()), name)?;
    let mut server = ServerConnection::new(Arc::new(server.build(&alpn).unwrap()))?;
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(client.alpn_protocol().unwrap_or_default().to_vec())
}

#[test]
fn both_sides_shake_hands() {
    let files = Files::new();
    let trusting = ClientTlsConfig { ca_file: Some(files.path("cert.pem")), ..Default::default() };
    assert_eq!(shake(&trusting, &files.server()).unwrap(), b"h2");
    let careless = ClientTlsConfig { insecure_skip_verify: true, ..Default::default() };
    assert_eq!(shake(&careless, &files.server()).unwrap(), b"h2");
}

#[test]
fn strangers_are_not_trusted() {
    let (files, others) = (Files::new(), Files::new());
    let client = ClientTlsConfig { ca_file: Some(others.path("cert.pem")), ..Default::default() };
    assert!(shake(&client, &files.server()).is_err());
    // A server that asks for certificates takes no client without one.
    let asking = ServerTlsConfig { client_ca_file: Some(files.path("cert.pem")), ..files.server() };
    let silent = ClientTlsConfig { ca_file: Some(files.path("cert.pem")), ..Default::default() };
    assert!(shake(&silent, &asking).is_err());
}

#[test]
fn settings_that_cannot_work_are_told_with_their_file() {
    let files = Files::new();
    let none = ServerTlsConfig { cert_file: files.path("none.pem"), ..files.server() };
    let half = ServerTlsConfig { key_file: PathBuf::new(), ..files.server() };
    let empty = files.path("empty.pem");
    fs::write(&empty, "nothing").unwrap();
    let not_pem = ServerTlsConfig { cert_file: empty, ..files.server() };
    let others = Files::new();
    let other_key = ServerTlsConfig { key_file: others.path("key.pem"), ..files.server() };
    for (config, expected) in [
        (none, "none.pem"),
        (half, "`cert_file` needs `key_file`"),
        (not_pem, "empty.pem"),
        (other_key, "certificate or key refused"),
    ] {
        let mut problems = Problems::new();
        config.check("receivers.otlp.tls", &mut problems);
        let said = problems.to_string();
        assert!(said.contains("receivers.otlp.tls") && said.contains(expected), "{said}");
    }
    let half = ClientTlsConfig {
        insecure_skip_verify: true,
        cert_file: Some(files.path("cert.pem")),
        ..Default::default()
    };
    assert!(matches!(half.build(&[]), Err(TlsError::Half { missing: "key_file", .. })));
    let name =
        ClientTlsConfig { server_name_override: Some("no host".to_owned()), ..Default::default() };
    assert!(matches!(name.server_name(), Err(TlsError::ServerName(_))));
}

#[test]
fn contradictions_are_problems() {
    let config = ClientTlsConfig {
        insecure: true,
        ca_file: Some(PathBuf::from("ca.pem")),
        ..Default::default()
    };
    let mut problems = Problems::new();
    config.check("tls", &mut problems);
    assert!(problems.to_string().contains("`insecure` turns encryption off"), "{problems}");
}

/// A certificate as `openssl req -x509` makes it: an authority, shown as the server's own; valid for
/// these years.
fn own_authority(names: &[&str], years: (i32, i32)) -> Files {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cert.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
    Files { folder }
}

#[test]
fn a_certificate_that_is_an_authority_is_trusted_where_it_is_named_itself() {
    let trusting = |files: &Files| ClientTlsConfig {
        ca_file: Some(files.path("cert.pem")),
        ..ClientTlsConfig::default()
    };
    let said = |server: &Files, trusted: &Files| {
        shake(&trusting(trusted), &server.server()).map_err(|error| error.to_string())
    };
    let good = own_authority(&["localhost"], (2000, 4000));
    assert_eq!(said(&good, &good).unwrap(), b"h2");
    // Another one of the same name is not it.
    let other = own_authority(&["localhost"], (2000, 4000));
    assert!(said(&other, &good).is_err());
    // It is to be valid, and for this name.
    let expired = own_authority(&["localhost"], (2000, 2001));
    assert!(said(&expired, &expired).unwrap_err().contains("expired"));
    let future = own_authority(&["localhost"], (3000, 3001));
    assert!(said(&future, &future).unwrap_err().contains("not valid yet"));
    let elsewhere = own_authority(&["elsewhere.test"], (2000, 4000));
    assert!(said(&elsewhere, &elsewhere).unwrap_err().contains("not valid for name"));
}

#[test]
fn one_that_somebody_else_has_signed_is_trusted_where_it_is_named_itself() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(rcgen::DnType::CommonName, "somebody else");
    let issuer = rcgen::Issuer::new(authority, key);
    let files = Files::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let signed = params.signed_by(&key, &issuer).unwrap();
    fs::write(files.path("cert.pem"), signed.pem()).unwrap();
    fs::write(files.path("key.pem"), key.serialize_pem()).unwrap();
    let named = ClientTlsConfig { ca_file: Some(files.path("cert.pem")), ..Default::default() };
    assert_eq!(shake(&named, &files.server()).unwrap(), b"h2");
}

#[test]
fn the_interval_has_bounds_and_may_be_never() {
    let files = Files::new();
    for (interval, fits) in [("0s", true), ("1s", true), ("10ms", false), ("10000h", false)] {
        let reload_interval = interval.parse().unwrap();
        let config = ServerTlsConfig { reload_interval, ..files.server() };
        let mut problems = Problems::new();
        config.check("tls", &mut problems);
        assert_eq!(problems.errors().is_empty(), fits, "{interval}: {problems}");
    }
}

/// The first certificate of what a listener has now.
async fn served(
    reloading: &super::Reloading<rustls::ServerConfig>,
    client: &ClientTlsConfig,
) -> bool {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(client.build(&[]).unwrap()), name).unwrap();
    let mut server = ServerConnection::new(reloading.current().await).unwrap();
    let (mut there, mut back) = (Vec::new(), Vec::new());
    client.write_tls(&mut there).unwrap();
    server.read_tls(&mut there.as_slice()).unwrap();
    server.process_new_packets().unwrap();
    server.write_tls(&mut back).unwrap();
    client.read_tls(&mut back.as_slice()).unwrap();
    client.process_new_packets().is_ok()
}

/// Lets an interval of [`SOON`] pass.
async fn later() {
    tokio::time::sleep(3 * SOON.get()).await;
}

const SOON: crate::units::HumanDuration = crate::units::HumanDuration::from_millis(5);

#[tokio::test]
async fn what_is_broken_keeps_the_former_and_what_is_whole_again_is_used() {
    let (files, next) = (Files::new(), Files::new());
    let trusting = |files: &Files| ClientTlsConfig {
        ca_file: Some(files.path("cert.pem")),
        ..ClientTlsConfig::default()
    };
    let (first, second) = (trusting(&files), trusting(&next));
    let second = ClientTlsConfig {
        ca_file: Some({
            let path = files.path("second.pem");
            fs::copy(second.ca_file.as_ref().unwrap(), &path).unwrap();
            path
        }),
        ..second
    };
    let kept = files.path("first.pem");
    fs::copy(files.path("cert.pem"), &kept).unwrap();
    let first = ClientTlsConfig { ca_file: Some(kept), ..first };

    let config = ServerTlsConfig { reload_interval: SOON, ..files.server() };
    let reloading = config.reloading("test", &[]).unwrap();
    assert!(served(&reloading, &first).await);
    // The certificate is new and the key is not yet.
    fs::copy(next.path("cert.pem"), files.path("cert.pem")).unwrap();
    later().await;
    assert!(served(&reloading, &first).await);
    fs::remove_file(files.path("key.pem")).unwrap();
    later().await;
    assert!(served(&reloading, &first).await);
    fs::copy(next.path("key.pem"), files.path("key.pem")).unwrap();
    later().await;
    assert!(served(&reloading, &second).await);
    assert!(!served(&reloading, &first).await);

    let never = ServerTlsConfig { reload_interval: "0s".parse().unwrap(), ..files.server() };
    let never = never.reloading("test", &[]).unwrap();
    fs::copy(first.ca_file.unwrap(), files.path("cert.pem")).unwrap();
    later().await;
    assert!(served(&never, &second).await);
}
