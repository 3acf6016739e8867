use std::sync::Arc;

use orchestrator_client::{Client, Config, Error};
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::server::{Server, patiently};

#[tokio::test]
async fn a_certificate_is_trusted_only_if_the_operator_says_so() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let _server = Server::on(listener, move |stream| {
        let handshake = acceptor.accept(stream);
        async { handshake.await.ok() }
    })
    .await;

    let error = patiently(Client::connect(Config::new(&url).token("orc_secret"))).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, made.cert.pem()).unwrap();
    let trusting = Config { ca_file: Some(path.clone()), ..Config::new(&url).token("orc_secret") };
    let client = patiently(Client::connect(trusting.clone())).await.unwrap();
    assert_eq!(patiently(client.call::<_, Value>("thing.get", &json!({}))).await.unwrap(), "done");

    std::fs::write(&path, "nothing").unwrap();
    let error = patiently(Client::connect(trusting)).await.unwrap_err();
    assert!(matches!(error, Error::Certificates { .. }), "{error:?}");
}
