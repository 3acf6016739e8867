//! TLS through the daemon's own socket: who is let in, who turns away, and a certificate that is replaced.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use orchestrator_client::{Client, Config};
use orchestrator_testkit::{Builder, Daemon, Http, patiently, program};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An authority, its certificate in a file, and what it has certified.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    fn new() -> anyhow::Result<Self> {
        Self::named("ours")
    }

    fn named(name: &str) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("ca.pem"), issuer.pem())?;
        Ok(Self { issuer, directory })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes `cert.pem` and `key.pem` for this machine, both new. Returns the certificate.
    fn certify(&self, change: impl FnOnce(&mut CertificateParams)) -> anyhow::Result<CertificateDer<'static>> {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        change(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        // Replaced as a whole, the key first: what does not fit together is not used.
        for (name, pem) in [("key.pem", key.serialize_pem()), ("cert.pem", certificate.pem())] {
            std::fs::write(self.path("new"), pem)?;
            std::fs::rename(self.path("new"), self.path(name))?;
        }
        Ok(certificate.der().clone())
    }

    fn daemon(&self) -> Builder {
        let shown = |name| self.path(name).display().to_string();
        let builder = Daemon::builder().without_rate_limits();
        builder.arg("--tls-cert").arg(&shown("cert.pem")).arg("--tls-key").arg(&shown("key.pem"))
    }
}

fn config(daemon: &Daemon, ca_file: Option<PathBuf>) -> Config {
    let mut config = Config::new(daemon.url()).token(daemon.admin_token().to_owned());
    config.ca_file = ca_file;
    config
}

/// What an attempt to connect fails with, and why.
async fn refusal(config: Config) -> String {
    let error = Client::connect(config).await.expect_err("such a certificate is not trusted");
    format!("{:#}", anyhow::Error::from(error))
}

/// An HTTPS connection by hand: what the server shows, and what it answers to a request.
async fn https(daemon: &Daemon, ca_file: &Path) -> anyhow::Result<(CertificateDer<'static>, String)> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let address = daemon.url().strip_prefix("https://").context("it says that it is encrypted")?;
    let stream = TcpStream::connect(address).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(ServerName::try_from("localhost")?, stream).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).context("it shows one")?.clone();
    let request = format!("GET /livez HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    // Some of the answer is enough.
    let _ = stream.read_to_string(&mut answer).await;
    Ok((shown.into_owned(), answer))
}

#[tokio::test]
async fn https_and_wss_are_spoken_to_who_trusts_the_certificate() -> anyhow::Result<()> {
    let authority = Authority::new()?;
    authority.certify(|_| {})?;
    let daemon = authority.daemon().start().await?;
    assert!(daemon.url().starts_with("https://"), "{}", daemon.url());
    let (_, answer) = https(&daemon, &authority.path("ca.pem")).await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let client = Client::connect(config(&daemon, Some(authority.path("ca.pem")))).await?;
    let task: Value = client.call("task.create", &json!({"title": "over wss"})).await?;
    assert_eq!(task["status"], "pending");

    let mut cli = tokio::process::Command::new(program("orchestrator")?);
    cli.env_clear().env("ORCHESTRATOR_DATA_DIR", daemon.data_directory()).args(["task", "list", "--json"]);
    let trusting = patiently("the list", cli.arg("--ca-file").arg(authority.path("ca.pem")).output()).await?;
    let text = String::from_utf8_lossy(&trusting.stdout);
    assert!(trusting.status.success() && text.contains("over wss"), "{trusting:?}");
    Ok(())
}

#[tokio::test]
async fn plain_http_is_not_answered_on_the_encrypted_port() -> anyhow::Result<()> {
    let authority = Authority::new()?;
    authority.certify(|_| {})?;
    let daemon = authority.daemon().start().await?;
    let plain = daemon.url().replace("https://", "http://");
    let answer = Http::at(&plain).try_send(http::Method::GET, "/livez", &[], "").await;
    assert!(answer.is_err(), "{answer:?}");
    let mut plain = config(&daemon, None);
    plain.url = daemon.url().replace("https://", "ws://");
    assert!(Client::connect(plain).await.is_err());
    // The same port, encrypted.
    assert!(https(&daemon, &authority.path("ca.pem")).await?.1.starts_with("HTTP/1.1 200"));
    Ok(())
}

#[tokio::test]
async fn a_client_turns_away_from_a_certificate_it_cannot_trust_and_says_why() -> anyhow::Result<()> {
    let (authority, other) = (Authority::new()?, Authority::named("somebody else's")?);
    let second = Duration::from_secs(1);
    authority.certify(|params| {
        params.not_before = (SystemTime::UNIX_EPOCH + second).into();
        params.not_after = (SystemTime::UNIX_EPOCH + 2 * second).into();
    })?;
    let daemon = authority.daemon().start().await?;
    let expired = refusal(config(&daemon, Some(authority.path("ca.pem")))).await;
    assert!(expired.to_lowercase().contains("expired"), "{expired}");

    authority.certify(|_| {})?;
    let daemon = authority.daemon().start().await?;
    for ca_file in [Some(other.path("ca.pem")), None] {
        let unknown = refusal(config(&daemon, ca_file)).await;
        assert!(unknown.contains("UnknownIssuer"), "{unknown}");
    }
    let mut cli = tokio::process::Command::new(program("orchestrator")?);
    cli.env_clear().env("ORCHESTRATOR_DATA_DIR", daemon.data_directory()).args(["task", "list"]);
    let distrusting = patiently("the refusal", cli.arg("--ca-file").arg(other.path("ca.pem")).output()).await?;
    let said = String::from_utf8_lossy(&distrusting.stderr);
    assert!(!distrusting.status.success() && said.contains("certificate"), "{said}");
    Client::connect(config(&daemon, Some(authority.path("ca.pem")))).await?;
    Ok(())
}

#[tokio::test]
async fn a_new_certificate_is_used_without_a_restart_and_a_broken_one_is_not() -> anyhow::Result<()> {
    let authority = Authority::new()?;
    let first = authority.certify(|_| {})?;
    let daemon = authority.daemon().start().await?;
    let ca_file = authority.path("ca.pem");
    let client = Client::connect(config(&daemon, Some(ca_file.clone()))).await?;
    assert_eq!(https(&daemon, &ca_file).await?.0, first);

    let second = authority.certify(|_| {})?;
    patiently("the new certificate", async {
        while https(&daemon, &ca_file).await?.0 != second {}
        anyhow::Ok(())
    })
    .await?;
    // Connections that are open stay open.
    client.call::<_, Value>("daemon.status", &json!({})).await?;

    std::fs::write(authority.path("cert.pem"), "no certificate")?;
    patiently("the warning", async {
        while !daemon.log().contains("the new certificate is not used") {
            assert_eq!(https(&daemon, &ca_file).await?.0, second);
        }
        anyhow::Ok(())
    })
    .await
}
