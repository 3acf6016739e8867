use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::{AUTHORIZATION, RETRY_AFTER};
use orchestrator_rpc::Code;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use crate::endpoint::Endpoint;
use crate::greeting::{Hello, greet};
use crate::{Config, Error};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Makes connections, one like the other.
pub(crate) struct Dialer {
    endpoint: Endpoint,
    authorization: Option<HeaderValue>,
    connector: Connector,
    websocket: WebSocketConfig,
    timeout: Duration,
}

impl Dialer {
    /// Checks the configuration and reads the certificates. Connects to nothing.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let endpoint = Endpoint::parse(&config.url)?;
        if config.token.is_some() && !endpoint.is_encrypted && !endpoint.is_local() && !config.allow_insecure {
            return Err(Error::Insecure { host: endpoint.host });
        }
        let connector = match endpoint.is_encrypted {
            true => Connector::Rustls(Arc::new(tls(config.ca_file.as_deref())?)),
            false => Connector::Plain,
        };
        let authorization = config.token.as_ref().map(|token| {
            let value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret().trim()));
            let mut value = value.map_err(|_| Error::InvalidConfig("the token has characters no token has".into()))?;
            value.set_sensitive(true);
            Ok(value)
        });
        let websocket = WebSocketConfig::default()
            .read_buffer_size(16 << 10)
            .max_message_size(Some(config.message_bytes_max))
            .max_frame_size(Some(config.message_bytes_max));
        let authorization = authorization.transpose()?;
        Ok(Self { endpoint, authorization, connector, websocket, timeout: config.connect_timeout })
    }

    /// Connects, and shows a resume token if there is one; then there is an answer to it.
    pub(crate) async fn dial(&self, token: Option<SecretString>) -> Result<(Socket, Option<Hello>), Error> {
        let connecting = async {
            let mut socket = self.upgrade().await?;
            let hello = match token {
                Some(token) => Some(greet(&mut socket, &token).await?),
                None => None,
            };
            Ok((socket, hello))
        };
        match timeout(self.timeout, Box::pin(connecting)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.unreachable(std::io::Error::from(std::io::ErrorKind::TimedOut))),
        }
    }

    async fn upgrade(&self) -> Result<Socket, Error> {
        // By hand, for the library's own connects to no IPv6 address.
        let stream = TcpStream::connect((self.endpoint.host.as_str(), self.endpoint.port)).await;
        let stream = stream.map_err(|error| self.unreachable(error))?;
        stream.set_nodelay(true).map_err(|error| self.unreachable(error))?;
        let connector = Some(self.connector.clone());
        let upgraded = client_async_tls_with_config(self.request()?, stream, Some(self.websocket), connector).await;
        match upgraded {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(response)) => Err(self.refused(&response)),
            Err(error) => Err(self.unreachable(error)),
        }
    }

    fn request(&self) -> Result<Request, Error> {
        let mut request = self.endpoint.uri.clone().into_client_request().map_err(|error| self.unreachable(error))?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    fn refused(&self, response: &Response) -> Error {
        let status = response.status();
        let answered = || std::io::Error::other(format!("it answered with status {status}"));
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let code = match status.as_u16() {
            401 => return Error::Unauthorized("the daemon does not accept the credential".into()),
            403 => Code::Forbidden,
            429 => Code::RateLimited,
            503 => Code::Unavailable,
            _ => return self.unreachable(answered()),
        };
        let mut error = orchestrator_rpc::Error::new(code, format!("the daemon refuses connections: {status}"));
        error.retry_after = seconds.map(Duration::from_secs);
        Error::Refused(error)
    }

    fn unreachable(&self, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Unreachable { address: self.endpoint.address(), source: Arc::new(source) }
    }
}

/// The system's certificates and those of the file. An empty store fails the handshake, which is what it should do.
fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in native.errors {
        tracing::debug!(%error, "a certificate of the system is not used");
    }
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path).map_err(|message| Error::Certificates { path: path.to_owned(), message })?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| Error::InvalidConfig(error.to_string()))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        found += 1;
    }
    if found == 0 { Err("it has no certificate in PEM".into()) } else { Ok(()) }
}
