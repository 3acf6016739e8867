use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::{Config, Error};

/// What is asked for. Only the first three do nothing to what they ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// What is there.
    Get,
    /// The head of what is there.
    Head,
    /// What can be asked for.
    Options,
    /// Something is done with the body.
    Post,
    /// The body takes the place of what is there.
    Put,
    /// The body changes what is there.
    Patch,
    /// What is there goes.
    Delete,
}

/// A request. What it leaves open is as the [`Config`] of the client says.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// `http` or `https`, a host, no credentials. A fragment is not sent.
    pub url: String,
    /// In their order. Those that say how the message is framed, where it goes or how it is packed are made here and cannot be
    /// given: `Host`, `Content-Length`, `Transfer-Encoding`, `Connection`, `Accept-Encoding` and the like.
    pub headers: Vec<(String, String)>,
    /// Empty for none.
    pub body: Bytes,
    /// How many bytes the answer's body may have, if less than the client allows.
    pub response_bytes_max: Option<usize>,
    /// How long it may take with its answer, if less than the client allows.
    pub timeout: Option<Duration>,
}

/// One request of a chain of redirects, checked.
#[derive(Clone)]
pub(crate) struct Hop {
    pub(crate) method: reqwest::Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Made by the client, or about the connection and not the request (RFC 9110, 7.6.1).
const MADE_HERE: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Request {
    /// Without headers and body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        let (headers, body) = (Vec::new(), Bytes::new());
        Self { method, url: url.into(), headers, body, response_bytes_max: None, timeout: None }
    }

    /// For what is there.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::Get, url)
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(crate) fn into_hop(self, config: &Config) -> Result<Hop, Error> {
        let in_headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        check_size("head", self.url.len() + in_headers, config.head_bytes_max)?;
        check_size("body", self.body.len(), config.request_bytes_max)?;
        let url =
            Url::parse(&self.url).map_err(|_| Error::Url { problem: "is none such as https://example.org/page" })?;
        let url = check_url(url).map_err(|problem| Error::Url { problem })?;
        Ok(Hop { method: self.method.into(), url, headers: checked_headers(self.headers)?, body: self.body })
    }
}

/// What of an address can be seen without asking anybody.
pub(crate) fn check_url(mut url: Url) -> Result<Url, &'static str> {
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("must begin with http:// or https:// and a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain credentials: a header can");
    }
    url.set_fragment(None);
    Ok(url)
}

fn check_size(part: &'static str, bytes: usize, bytes_max: usize) -> Result<(), Error> {
    if bytes <= bytes_max { Ok(()) } else { Err(Error::RequestTooLarge { part, bytes, bytes_max }) }
}

fn checked_headers(headers: Vec<(String, String)>) -> Result<HeaderMap, Error> {
    let mut checked = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let invalid = |problem| Error::Header { name: name.chars().take(64).collect(), problem };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("is no name of a header"))?;
        if MADE_HERE.contains(&header.as_str()) {
            return Err(invalid("is made by the client and cannot be given"));
        }
        let mut value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| invalid("has a value with control characters in it"))?;
        // Never shown by anything that prints headers, and never remembered by the compression of HTTP/2.
        value.set_sensitive(matches!(header.as_str(), "authorization" | "cookie"));
        checked.append(header, value);
    }
    Ok(checked)
}

impl From<Method> for reqwest::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Head => Self::HEAD,
            Method::Options => Self::OPTIONS,
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Patch => Self::PATCH,
            Method::Delete => Self::DELETE,
        }
    }
}

/// Without the values of headers, the query and the body: secrets may be in them.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split(['?', '#']).next().unwrap_or_default();
        let url = if url.contains('@') { "[with credentials]" } else { url };
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        let mut shown = f.debug_struct("Request");
        shown.field("method", &self.method).field("url", &url).field("headers", &headers);
        shown.field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(request: Request) -> String {
        request.into_hop(&Config::default()).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_address_has_a_scheme_a_host_and_no_credentials() {
        for url in ["http://a.example", "HTTPS://A.example:8443/b?c#d"] {
            assert_eq!(refusal(Request::get(url)), "", "{url}");
        }
        for url in [
            "",
            "/page",
            "ftp://a",
            "file:///etc/passwd",
            "https://u@a",
            "http://u:p@a",
            "data:,a",
            "http://",
            "gopher://a",
        ] {
            assert!(refusal(Request::get(url)).starts_with("the address "), "{url}");
        }
        let hop = Request::get("http://a/b#secret").into_hop(&Config::default()).unwrap();
        assert_eq!(hop.url.as_str(), "http://a/b");
    }

    #[test]
    fn what_frames_and_routes_a_message_cannot_be_given() {
        let with = |name: &str, value: &str| refusal(Request::get("http://a").header(name, value));
        for name in
            ["Host", "content-length", "Transfer-Encoding", "CONNECTION", "proxy-authorization", "Accept-Encoding"]
        {
            assert!(with(name, "x").contains("cannot be given"), "{name}");
        }
        assert_eq!(with("Authorization", "Bearer x"), "");
        assert_eq!(with("X-Name", "Zürich"), "");
        assert!(with("a b", "x").contains("no name of a header"));
        assert!(with("X-Split", "a\r\nHost: b").contains("control characters"));
    }

    #[test]
    fn a_request_is_bounded_and_keeps_its_secrets() {
        let long = Request::get(format!("http://a/{}", "x".repeat(40_000)));
        assert!(refusal(long).contains("head has 40009 bytes; up to 32768"));
        let request =
            Request::new(Method::Post, "http://a/b?token=hidden").header("Authorization", "hidden").body("hidden");
        let shown = format!("{request:?} {:?}", Request::get("http://u:hidden@a/"));
        assert!(!shown.contains("hidden") && shown.contains("Authorization"), "{shown}");
        assert!(refusal(Request::get("http://a").body(vec![0; 2_000_000])).contains("body has 2000000 bytes"));
    }
}
