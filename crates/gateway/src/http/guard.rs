use std::net::IpAddr;

use http::header::{HOST, HeaderMap, ORIGIN};
use http::uri::Authority;
use http::{StatusCode, Version, request};
use orchestrator_rpc::Code;

use super::reply::Refusal;
use crate::Config;

/// Parameters under which people put secrets into URLs, compared without case, `_` and `-`.
const SECRET_PARAMETERS: [&str; 8] =
    ["token", "accesstoken", "authtoken", "apikey", "xapikey", "authorization", "bearer", "jwt"];

/// Refuses, before anything else is looked at, what a browser may have been tricked into and what leaks a secret.
/// `local` is true on a listener that only this machine reaches.
pub(crate) fn check(head: &request::Parts, config: &Config, local: bool) -> Result<(), Refusal> {
    let host = host(head)?;
    if host.as_ref().is_some_and(|host| !host_is_ours(host.host(), config, local)) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, Code::Forbidden, "this host name is not served here"));
    }
    if !origin_is_welcome(&head.headers, host.as_ref(), config) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, Code::Forbidden, "this origin is not allowed"));
    }
    if head.uri.query().is_some_and(has_secret) {
        let message = "credentials are never accepted in a URL: use the header Authorization or X-API-Key";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, Code::InvalidRequest, message));
    }
    Ok(())
}

/// The address limits count: the peer's, or what a trusted proxy says it speaks for.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, config: &Config) -> IpAddr {
    let trusted = |address: &IpAddr| config.trusted_proxies.iter().any(|proxy| proxy == &address.to_canonical());
    if !trusted(&peer) {
        return peer;
    }
    let hops = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<Option<IpAddr>> = hops.flat_map(|line| line.split(',')).map(|hop| hop.trim().parse().ok()).collect();
    // From the right: what a trusted proxy appended is true, what stands left of the first stranger may be invented.
    hops.into_iter().rev().map_while(|hop| hop).find(|hop| !trusted(hop)).unwrap_or(peer)
}

/// `None` only in HTTP/1.0, which old probes speak and no browser does.
fn host(head: &request::Parts) -> Result<Option<Authority>, Refusal> {
    let bad = |message| Refusal::new(StatusCode::BAD_REQUEST, Code::InvalidRequest, message);
    let mut values = head.headers.get_all(HOST).iter();
    let header = match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        (None, _) => None,
        (Some(_), Some(_)) => return Err(bad("more than one Host header")),
    };
    let header = header.map(|value| Authority::try_from(value.as_bytes()).map_err(|_| bad("invalid Host header")));
    match (head.uri.authority(), header.transpose()?) {
        (Some(target), Some(header)) if *target != header => Err(bad("the Host header contradicts the URL")),
        (_, Some(header)) if header.as_str().contains('@') => Err(bad("invalid Host header")),
        (_, Some(header)) => Ok(Some(header)),
        (target, None) if head.version < Version::HTTP_11 => Ok(target.cloned()),
        _ => Err(bad("a Host header is required")),
    }
}

fn host_is_ours(host: &str, config: &Config, local: bool) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    let loopback = bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    let listed = || config.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(bare));
    loopback || listed() || (config.allowed_hosts.is_empty() && !local)
}

fn origin_is_welcome(headers: &HeaderMap, host: Option<&Authority>, config: &Config) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let (Ok(origin), None) = (origin.to_str(), origins.next()) else { return false };
    let listed = config.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin));
    listed || host.is_some_and(|host| is_same_origin(origin, host))
}

/// The scheme is not compared: behind a proxy that ends TLS the page is https and this connection is not.
fn is_same_origin(origin: &str, host: &Authority) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
    authority.host().eq_ignore_ascii_case(host.host()) && port(&authority) == port(host)
}

fn has_secret(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = super::query::decoded(pair.split('=').next().unwrap_or_default());
        let plain: String = name.chars().filter(|c| !matches!(c, '_' | '-')).collect::<String>().to_lowercase();
        SECRET_PARAMETERS.contains(&plain.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, headers: &[(&'static str, &str)]) -> request::Parts {
        let mut builder = http::Request::get(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    #[track_caller]
    fn status(uri: &str, headers: &[(&'static str, &str)], config: &Config, local: bool) -> u16 {
        use axum::response::IntoResponse;
        check(&head(uri, headers), config, local)
            .map_or_else(|refusal| refusal.into_response().status().as_u16(), |()| 200)
    }

    #[test]
    fn a_foreign_host_on_a_loopback_listener_is_dns_rebinding() {
        let config = Config::default();
        for host in ["127.0.0.1:8787", "localhost:1", "[::1]:8787", "LOCALHOST"] {
            assert_eq!(status("/rpc", &[("host", host)], &config, true), 200, "{host}");
        }
        assert_eq!(status("/rpc", &[("host", "evil.example:8787")], &config, true), 403);
        assert_eq!(status("/rpc", &[("host", "evil.example:8787")], &config, false), 200);
        let listed = Config { allowed_hosts: vec!["orch.example".into()], ..Config::default() };
        assert_eq!(status("/rpc", &[("host", "orch.example:8787")], &listed, true), 200);
        assert_eq!(status("/rpc", &[("host", "evil.example")], &listed, false), 403);
    }

    #[test]
    fn a_host_must_be_said_once_and_well() {
        let config = Config::default();
        assert_eq!(status("/", &[], &config, true), 400);
        assert_eq!(status("/", &[("host", "localhost"), ("host", "localhost")], &config, true), 400);
        assert_eq!(status("/", &[("host", "user@localhost")], &config, true), 400);
        assert_eq!(status("http://evil.example/", &[("host", "localhost")], &config, true), 400);
    }

    #[test]
    fn origins_are_absent_same_or_listed() {
        let config = Config { allowed_origins: vec!["https://ui.example".into()], ..Config::default() };
        let with = |origin: &str| status("/", &[("host", "localhost:8787"), ("origin", origin)], &config, true);
        assert_eq!(with("http://localhost:8787"), 200);
        assert_eq!(with("https://ui.example"), 200);
        for origin in ["http://localhost:1", "https://evil.example", "null", "", "file://", "https://ui.example.evil"] {
            assert_eq!(with(origin), 403, "{origin}");
        }
    }

    #[test]
    fn secrets_in_urls_are_refused_without_an_echo() {
        let config = Config::default();
        for query in ["token=hunter2", "a=1&access_token=hunter2", "apiKey=hunter2", "%61pi-key=hunter2", "jwt"] {
            let refusal = check(&head(&format!("/ws?{query}"), &[("host", "localhost")]), &config, true).unwrap_err();
            assert!(!refusal.into_error().message.contains("hunter2"), "{query}");
        }
        assert_eq!(status("/api/v1/tasks?tokens=1", &[("host", "localhost")], &config, true), 200);
    }

    #[test]
    fn forwarded_addresses_count_only_from_listed_proxies() {
        let config = Config { trusted_proxies: vec!["10.0.0.1".parse().unwrap()], ..Config::default() };
        let head = head("/", &[("x-forwarded-for", "1.1.1.1, 2.2.2.2"), ("x-forwarded-for", "10.0.0.1")]);
        let client = |peer: &str| client_address(peer.parse().unwrap(), &head.headers, &config).to_string();
        assert_eq!(client("10.0.0.1"), "2.2.2.2");
        assert_eq!(client("10.0.0.2"), "10.0.0.2");
    }
}
