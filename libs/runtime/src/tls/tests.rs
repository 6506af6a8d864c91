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
            client_ca_file: None,
        }
    }
}

/// Shakes hands in memory.
fn shake(client: &ClientTlsConfig, server: &ServerTlsConfig) -> Result<Vec<u8>, rustls::Error> {
    let name = ServerName::try_from("localhost").unwrap();
    let alpn: [&[u8]; 1] = [b"h2"];
    let mut client = ClientConnection::new(Arc::new(client.build(&alpn).unwrap()), name)?;
    let mut server = ServerConnection::new(server.build(&alpn).unwrap())?;
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
