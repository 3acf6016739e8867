use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Request, RequestBuilder, Response, Url};
use rustls::{ClientConfig, RootCertStore};

use super::Cassette;
use crate::{ErrorKind, ProviderError};

/// How long a connection that nobody uses is kept, in seconds: less than load balancers usually do.
const IDLE_SECONDS: u64 = 50;

/// A client for one provider.
///
/// TLS is rustls with ring, and trusts the certificates of the system or those in `SSL_CERT_FILE`. Redirects are not followed,
/// because a credential in a header of our own would go along; nothing is tried twice; proxies named in the environment are
/// not used; and there is no time-out: the caller drops what takes too long.
///
/// # Errors
/// [`ErrorKind::Connection`] if TLS cannot be set up.
pub fn client() -> Result<Client, ProviderError> {
    let failed = |error: String| {
        ProviderError::new(ErrorKind::Connection, "the HTTP client cannot be set up").with_source(error)
    };
    let builder = Client::builder()
        .tls_backend_preconfigured(tls().map_err(|error| failed(error.to_string()))?)
        .redirect(Policy::none())
        .referer(false)
        .no_proxy()
        .retry(reqwest::retry::never())
        .pool_idle_timeout(Duration::from_secs(IDLE_SECONDS))
        .user_agent(concat!("orchestrator/", env!("CARGO_PKG_VERSION")));
    builder.build().map_err(|error| failed(error.to_string()))
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

/// Whether a provider can be reached under this address: `http` or `https` and a host, without credentials, query and fragment.
///
/// # Errors
/// What is wrong with it. The address is not repeated, because credentials may be in it.
pub fn check_base_url(text: &str) -> Result<(), &'static str> {
    let url = Url::parse(text).map_err(|_| "is not an address such as https://api.example.com")?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain credentials");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have neither a query nor a fragment");
    }
    Ok(())
}

/// Sends a request and waits for the head of its answer, whatever its status. With a cassette, the exchange is recorded, or
/// played back and nobody is asked.
///
/// # Errors
/// [`ErrorKind::Connection`] if there is no answer; [`ErrorKind::InvalidRequest`] if it cannot be sent as it is;
/// [`ErrorKind::NotRecorded`] if exchanges are played back and this is none of them.
pub async fn send(request: RequestBuilder, cassette: Option<&Cassette>) -> Result<Response, ProviderError> {
    let (client, request) = request.build_split();
    let request = request.map_err(unsent)?;
    match cassette {
        Some(cassette) => Box::pin(cassette.exchange(client, request)).await,
        None => execute(client, request).await,
    }
}

pub(super) async fn execute(client: Client, request: Request) -> Result<Response, ProviderError> {
    client.execute(request).await.map_err(unsent)
}

fn unsent(error: reqwest::Error) -> ProviderError {
    let error = error.without_url();
    let (kind, message) = if error.is_builder() {
        (ErrorKind::InvalidRequest, "the request cannot be sent")
    } else if error.is_timeout() {
        (ErrorKind::Timeout, "the provider took too long")
    } else if error.is_connect() {
        (ErrorKind::Connection, "the provider cannot be reached")
    } else {
        (ErrorKind::Connection, "the connection broke before the answer began")
    };
    ProviderError::new(kind, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_secrets() {
        for right in ["https://api.example.com", "http://127.0.0.1:4010/anthropic/"] {
            assert_eq!(check_base_url(right), Ok(()), "{right}");
        }
        for wrong in
            ["", "api.example.com", "ftp://a", "https://u:p@a", "https://u@a", "https://a?key=1", "https://a#b"]
        {
            assert!(check_base_url(wrong).is_err(), "{wrong}");
        }
    }
}
