use anyhow::Context as _;
use orchestrator_events_redis::Server;
use orchestrator_testkit::{Backend, Daemon};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::{redis_of, until};

/// A Redis that speaks TLS only, certified by an authority whose certificate is in `ca.pem` of the directory.
fn encrypted(directory: &std::path::Path) -> anyhow::Result<Server> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
    for (name, pem) in [("ca.pem", issuer.pem()), ("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem())] {
        std::fs::write(directory.join(name), pem)?;
    }
    let path = |name: &str| directory.join(name).display().to_string();
    let started = Server::start_with(|port| {
        let flags = ["--port", "0", "--tls-auth-clients", "no", "--tls-port"].map(str::to_owned);
        let files = [("--tls-cert-file", "cert.pem"), ("--tls-key-file", "key.pem"), ("--tls-ca-cert-file", "ca.pem")];
        let files = files.into_iter().flat_map(|(flag, name)| [flag.to_owned(), path(name)]);
        flags.into_iter().chain([port.to_string()]).chain(files).collect()
    });
    started.context("a Redis that speaks TLS")
}

#[tokio::test]
async fn redis_over_tls_is_used_if_its_certificate_is_trusted_and_not_otherwise() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let server = encrypted(directory.path())?;
    let url = format!("rediss://127.0.0.1:{}", server.port());
    let daemon = || Daemon::builder().backend(Backend::Postgres).env("REDIS_URL", &url);
    let trusting =
        daemon().env("SSL_CERT_FILE", &directory.path().join("ca.pem").display().to_string()).start().await?;
    until(&trusting, "up").await;
    let doubting = daemon().start().await?;
    until(&doubting, "down").await;
    let why = redis_of(&doubting).await["lastError"].to_string();
    assert!(why.contains("certificate") || why.contains("UnknownIssuer"), "{why}");
    Ok(())
}
