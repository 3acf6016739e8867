use std::error::Error as _;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderValue, LOCATION};
use reqwest::redirect::Policy as Redirects;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout_at};

use crate::answer::Limits;
use crate::policy::{Policy, Refused};
use crate::request::Hop;
use crate::resolve::{Checked, Unresolved};
use crate::{Answer, Config, Error, Request, Resolve, Response, SystemResolver, redirect};

/// How long a connection that nobody uses is kept, in seconds.
const IDLE_SECONDS: u64 = 30;
/// How many connections to one host are kept while nobody uses them.
const IDLE_PER_HOST: usize = 2;

/// Sends requests to addresses that others chose. Cheap to clone; clones share their connections.
///
/// TLS is rustls with ring and trusts the certificates of the system or those in `SSL_CERT_FILE`. There are no cookies, and
/// proxies named in the environment are not used: they would resolve names unchecked.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    config: Config,
    policy: Arc<Policy>,
    http: reqwest::Client,
}

impl Client {
    /// A client that resolves names as the operating system does. Nothing is connected to yet.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Tls`].
    pub fn new(config: Config) -> Result<Self, Error> {
        Self::with_resolver(config, Arc::new(SystemResolver))
    }

    /// A client that resolves names as it is told to.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Tls`].
    pub fn with_resolver(config: Config, resolver: Arc<dyn Resolve>) -> Result<Self, Error> {
        config.validate()?;
        let policy = Arc::new(Policy::new(&config));
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls().map_err(|error| Error::Tls(error.into()))?)
            .dns_resolver(Checked { policy: policy.clone(), resolver })
            .redirect(Redirects::none())
            .referer(false)
            .no_proxy()
            .no_gzip()
            .retry(reqwest::retry::never())
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
            .pool_idle_timeout(Duration::from_secs(IDLE_SECONDS))
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .user_agent(concat!("orchestrator/", env!("CARGO_PKG_VERSION")));
        let http = builder.build().map_err(|error| Error::Tls(error.into()))?;
        Ok(Self(Arc::new(Inner { config, policy, http })))
    }

    /// What it keeps to.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Sends a request and waits for its whole answer, whatever its status.
    ///
    /// # Errors
    /// As [`Error`] says. Dropping the future ends the request.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        self.open(request).await?.collect().await
    }

    /// Sends a request and waits for the head of its answer, whatever its status. Redirects are followed, each checked like
    /// the request itself: another origin gets neither a body nor headers beyond `Accept`, `Accept-Language` and `User-Agent`.
    ///
    /// # Errors
    /// As [`Error`] says. Dropping the future or the answer ends the request.
    pub async fn open(&self, request: Request) -> Result<Answer, Error> {
        let config = &self.0.config;
        let allowed = Duration::from_millis(config.timeout_ms);
        let timeout = request.timeout.map_or(allowed, |timeout| timeout.min(allowed));
        let bytes_max = request.response_bytes_max.unwrap_or(usize::MAX).min(config.response_bytes_max);
        let deadline = Instant::now() + timeout;
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let mut hop = request.into_hop(config)?;
        for _ in 0..=config.redirects_max {
            let host = self.0.policy.check_url(&hop.url)?;
            let limits = Limits { host, bytes_max, deadline, timeout_ms };
            let response = timeout_at(deadline, self.send_once(&hop)).await.map_err(|_| limits.timed_out())?;
            let response = response.map_err(|error| classified(error, &limits))?;
            let location = response.headers().get(LOCATION).map(HeaderValue::as_bytes);
            match redirect::next(&hop, response.status().as_u16(), location)? {
                None => return Answer::new(response, hop.method != reqwest::Method::HEAD, limits),
                Some(next) => hop = next,
            }
        }
        let host = hop.url.host_str().unwrap_or_default().to_owned();
        Err(Error::Redirect { host, problem: format!("once more after {} times", config.redirects_max) })
    }

    async fn send_once(&self, hop: &Hop) -> Result<reqwest::Response, reqwest::Error> {
        let mut request = self.0.http.request(hop.method.clone(), hop.url.clone()).headers(hop.headers.clone());
        request = request.header(ACCEPT_ENCODING, "gzip");
        let has_body = !hop.body.is_empty() || matches!(hop.method.as_str(), "POST" | "PUT" | "PATCH");
        if has_body {
            request = request.body(hop.body.clone());
        }
        request.send().await
    }
}

/// What went wrong, from the deepest cause that says more than the others.
fn classified(error: reqwest::Error, limits: &Limits) -> Error {
    let host = limits.host.clone();
    let error = error.without_url();
    let mut cause = error.source();
    while let Some(found) = cause {
        if let Some(refused) = found.downcast_ref::<Refused>() {
            return refused.clone().into();
        }
        if let Some(Unresolved { kind, problem }) = found.downcast_ref() {
            return Error::Unresolved { host, source: io::Error::new(*kind, problem.clone()) };
        }
        cause = found.source();
    }
    if error.is_connect() || error.is_timeout() {
        Error::Connect { host, source: error.into() }
    } else {
        Error::Broken { host, source: error.into() }
    }
}

/// An empty store of certificates fails the handshake, which is what it should do.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.0.config).finish_non_exhaustive()
    }
}
