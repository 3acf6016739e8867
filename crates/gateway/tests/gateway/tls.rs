use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_gateway::{Config, Error, Tls, TlsFiles};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use crate::support::{Server, patiently, read_to_end};

/// Writes a fresh certificate for `localhost` and gives it back.
fn certify(folder: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}

async fn encrypted(server: &Server, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = patiently(connector.connect(name, server.tcp().await)).await?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut text = String::new();
    patiently(stream.read_to_string(&mut text)).await?;
    Ok(text)
}

#[tokio::test]
async fn requests_are_answered_over_tls_with_the_certificate_of_the_moment() {
    let folder = tempfile::tempdir().unwrap();
    let (files, first) = certify(folder.path());
    let tls = Tls::load(files).unwrap();
    let server = Server::with(Config::default(), |builder| builder.tls(tls)).await;
    assert!(encrypted(&server, &first).await.unwrap().starts_with("HTTP/1.1 200"));

    let (_, second) = certify(folder.path());
    server.gateway.reload_tls().unwrap();
    assert!(encrypted(&server, &second).await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(encrypted(&server, &first).await.is_err());

    std::fs::write(folder.path().join("cert.pem"), "nonsense").unwrap();
    assert!(matches!(server.gateway.reload_tls(), Err(Error::Pem { .. } | Error::Certificate(_))));
    assert!(encrypted(&server, &second).await.is_ok(), "the old one stays");
}

#[tokio::test]
async fn a_silent_or_plain_client_of_a_tls_port_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (files, _) = certify(folder.path());
    let config = Config { tls_handshake_timeout: Duration::from_millis(50), ..Config::default() };
    let server = Server::with(config, |builder| builder.tls(Tls::load(files).unwrap())).await;
    assert_eq!(read_to_end(&mut server.tcp().await).await, "");
    let mut plain = server.tcp().await;
    plain.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    let _ = patiently(plain.read_to_end(&mut bytes)).await;
    assert!(!bytes.starts_with(b"HTTP"));
    assert_eq!(server.gateway.counters().snapshot().tls_failed, 2);
}

#[test]
fn files_that_are_no_certificate_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (files, _) = certify(folder.path());
    let missing = TlsFiles { certificate: folder.path().join("none.pem"), key: files.key.clone() };
    assert!(Tls::load(missing).unwrap_err().to_string().contains("none.pem"));
    let swapped = TlsFiles { certificate: files.key.clone(), key: files.certificate };
    assert!(Tls::load(swapped).is_err());
}
