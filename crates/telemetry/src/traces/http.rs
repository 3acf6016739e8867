//! One request of OTLP over HTTP/1.1, on a connection of its own: there is one every few seconds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::OtlpConfig;
use super::config::Endpoint;

/// The longest time a collector may ask to be left alone.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Why a request was in vain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It may be repeated, after this time if the collector said one.
    Later(Option<Duration>),
    /// It would be refused again.
    Never,
}

/// Where requests go.
pub(super) struct Collector {
    endpoint: Endpoint,
    headers: HeaderMap,
    tls: Option<TlsConnector>,
    timeout: Duration,
}

impl Collector {
    pub(super) fn new(config: &OtlpConfig) -> Result<Option<Self>, String> {
        let Some(endpoint) = config.endpoint()? else { return Ok(None) };
        let mut headers = HeaderMap::new();
        for (name, value) in config.headers()? {
            let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
            let mut value = HeaderValue::try_from(value.expose_secret()).map_err(|error| error.to_string())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        headers.insert(HOST, HeaderValue::try_from(&endpoint.authority).map_err(|error| error.to_string())?);
        let tls = endpoint.is_encrypted.then(tls).transpose()?;
        Ok(Some(Self { endpoint, headers, tls, timeout: config.timeout() }))
    }

    pub(super) async fn post(&self, body: Bytes) -> Result<(), Refusal> {
        let answer = timeout(self.timeout, self.exchange(body)).await;
        // Whatever went wrong on the way may go right another time.
        let response = answer.ok().and_then(Result::ok).ok_or(Refusal::Later(None))?;
        match response.status().as_u16() {
            200..=299 => Ok(()),
            // What the specification calls retryable.
            429 | 502..=504 => Err(Refusal::Later(retry_after(&response))),
            _ => Err(Refusal::Never),
        }
    }

    async fn exchange(&self, body: Bytes) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect((self.endpoint.host.as_str(), self.endpoint.port)).await?;
        let mut request = Request::post(&self.endpoint.path).body(Full::new(body))?;
        request.headers_mut().clone_from(&self.headers);
        match &self.tls {
            Some(tls) => {
                let name = ServerName::try_from(self.endpoint.host.clone())?;
                Ok(send(tls.connect(name, stream).await?, request).await?)
            }
            None => Ok(send(stream, request).await?),
        }
    }
}

async fn send<T>(stream: T, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = sender.send_request(request);
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        // It may end with the answer's head.
        ended = &mut connection => { ended?; answer.await }
    }
}

fn retry_after(response: &Response<Incoming>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

fn tls() -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    // Those of the system that cannot be read are not trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}
