use std::net::IpAddr;

use http::Uri;
use http::uri::{PathAndQuery, Scheme};

use crate::Error;

/// An address that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `ws://…` or `wss://…`, as the upgrade names it.
    pub(crate) uri: Uri,
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_encrypted: bool,
}

impl Endpoint {
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let invalid = |problem: &str| Error::InvalidConfig(format!("`{}`: {problem}", without_secrets(url)));
        let uri: Uri = url.trim().parse().map_err(|_| invalid("expected a URL such as http://127.0.0.1:8787"))?;
        let is_encrypted = match uri.scheme_str() {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            _ => return Err(invalid("expected http://, https://, ws:// or wss://")),
        };
        let authority = uri.authority().ok_or_else(|| invalid("the host is missing"))?.clone();
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(invalid("credentials and queries do not belong into the address"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(invalid("the host is missing"));
        }
        let port = authority.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
        let mut parts = uri.into_parts();
        let has_path = parts.path_and_query.as_ref().is_some_and(|path| path.path() != "/");
        if !has_path {
            parts.path_and_query = Some(PathAndQuery::from_static("/ws"));
        }
        let scheme = if is_encrypted { "wss" } else { "ws" };
        parts.scheme = Some(Scheme::try_from(scheme).expect("`ws` and `wss` are schemes"));
        let uri = Uri::from_parts(parts).map_err(|_| invalid("not a URL"))?;
        Ok(Self { uri, host, port, is_encrypted })
    }

    /// Whether what is sent there leaves this machine.
    pub(crate) fn is_local(&self) -> bool {
        let is_name = self.host.eq_ignore_ascii_case("localhost");
        is_name || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    pub(crate) fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Somebody may have put a token where it does not belong; it must not reach a log from there.
fn without_secrets(url: &str) -> &str {
    let end = url.find('?').unwrap_or(url.len());
    let start = url[..end].find('@').map_or(0, |at| at + 1);
    &url[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, uri: &str, address: &str, is_local: bool) {
        let endpoint = Endpoint::parse(url).unwrap();
        assert_eq!((endpoint.uri.to_string().as_str(), endpoint.address().as_str()), (uri, address));
        assert_eq!(endpoint.is_local(), is_local);
    }

    #[test]
    fn addresses_are_understood_in_four_schemes() {
        check("http://127.0.0.1:8787", "ws://127.0.0.1:8787/ws", "127.0.0.1:8787", true);
        check("https://d.example", "wss://d.example/ws", "d.example:443", false);
        check("ws://localhost:1/", "ws://localhost:1/ws", "localhost:1", true);
        check("wss://[::1]:9/proxy/ws", "wss://[::1]:9/proxy/ws", "[::1]:9", true);
        check("http://localhost.evil.example", "ws://localhost.evil.example/ws", "localhost.evil.example:80", false);
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_secrets() {
        for url in ["", "127.0.0.1:8787", "ftp://a", "http://", "http://me:secret@a", "http://a/ws?token=secret"] {
            let message = Endpoint::parse(url).unwrap_err().to_string();
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
