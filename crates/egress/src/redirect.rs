//! Where a redirect leads. Pure: a request and the head of its answer in, the next request out.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, HeaderMap, HeaderName, USER_AGENT};

use crate::Error;
use crate::request::{Hop, check_url};

/// What another origin gets of the headers. Whatever else was given may be meant for the first one alone.
const FOR_ANYBODY: [HeaderName; 3] = [ACCEPT, ACCEPT_LANGUAGE, USER_AGENT];

/// What describes a body that is no longer sent.
const OF_THE_BODY: [&str; 5] =
    ["content-type", "content-encoding", "content-language", "content-location", "content-disposition"];

/// The request that follows; `None` if this is the answer.
pub(crate) fn next(hop: &Hop, status: u16, location: Option<&[u8]>) -> Result<Option<Hop>, Error> {
    let (true, Some(location)) = (matches!(status, 301 | 302 | 303 | 307 | 308), location) else { return Ok(None) };
    let host = hop.url.host_str().unwrap_or_default().to_owned();
    let refused = |problem: String| Error::Redirect { host: host.clone(), problem };
    let url = std::str::from_utf8(location).ok().and_then(|location| hop.url.join(location).ok());
    let url = url.ok_or_else(|| refused("to what is no address".to_owned()))?;
    let url = check_url(url).map_err(|problem| refused(format!("to an address that {problem}")))?;
    let origin = url.origin().ascii_serialization();
    if hop.url.scheme() == "https" && url.scheme() == "http" {
        return Err(refused(format!("from https to {origin}, which is not followed")));
    }
    let mut next = Hop { url, ..hop.clone() };
    if becomes_get(status, &hop.method) {
        next.method = Method::GET;
        next.body = Bytes::new();
        OF_THE_BODY.iter().for_each(|name| drop(next.headers.remove(*name)));
    }
    if hop.url.origin() != next.url.origin() {
        // Who may have a body was decided for the host that was named.
        if !next.body.is_empty() || !matches!(next.method, Method::GET | Method::HEAD) {
            return Err(refused(format!(
                "a {} to {origin}, which is another origin: that is not followed",
                next.method
            )));
        }
        next.headers = for_anybody(&next.headers);
    }
    Ok(Some(next))
}

/// As browsers do it (Fetch, HTTP-redirect fetch).
fn becomes_get(status: u16, method: &Method) -> bool {
    match status {
        301 | 302 => *method == Method::POST,
        303 => !matches!(*method, Method::GET | Method::HEAD),
        _ => false,
    }
}

fn for_anybody(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| FOR_ANYBODY.contains(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::CONTENT_TYPE;

    use crate::{Config, Request};

    fn hop(method: crate::Method, url: &str) -> Hop {
        let request =
            Request::new(method, url).header("Authorization", "x").header("Cookie", "x").header("X-Api-Key", "x");
        let request = request.header("Accept", "x").header("Content-Type", "x").body("body");
        let mut hop = request.into_hop(&Config::default()).unwrap();
        if matches!(hop.method, Method::GET | Method::HEAD) {
            hop.body = Bytes::new();
            hop.headers.remove(CONTENT_TYPE);
        }
        hop
    }

    #[track_caller]
    fn follow(hop: &Hop, status: u16, location: &str) -> (String, String, Vec<String>, usize) {
        let next = next(hop, status, Some(location.as_bytes())).unwrap().unwrap();
        let headers = next.headers.keys().map(ToString::to_string).collect();
        (next.method.to_string(), next.url.to_string(), headers, next.body.len())
    }

    #[test]
    fn another_origin_gets_no_credentials() {
        let from = hop(crate::Method::Get, "http://a.example/b");
        for to in ["http://c.example/", "http://a.example:8080/", "https://a.example/", "//sub.a.example/"] {
            assert_eq!(follow(&from, 302, to).2, ["accept"], "{to}");
        }
        assert_eq!(follow(&from, 302, "c?d#e").1, "http://a.example/c?d");
        assert_eq!(follow(&from, 302, "/c").2, ["authorization", "cookie", "x-api-key", "accept"]);
    }

    #[test]
    fn methods_change_as_in_browsers() {
        let from = hop(crate::Method::Post, "http://a/");
        for status in [301, 302, 303] {
            let (method, _, headers, body) = follow(&from, status, "/b");
            assert_eq!((method.as_str(), body, headers.contains(&"content-type".to_owned())), ("GET", 0, false));
        }
        for status in [307, 308] {
            let (method, _, headers, body) = follow(&from, status, "/b");
            assert_eq!((method.as_str(), body, headers.contains(&"content-type".to_owned())), ("POST", 4, true));
        }
        assert_eq!(follow(&hop(crate::Method::Delete, "http://a/"), 302, "/b").0, "DELETE");
        assert_eq!(follow(&hop(crate::Method::Head, "http://a/"), 303, "/b").0, "HEAD");
    }

    #[track_caller]
    fn refused(from: &Hop, status: u16, location: &[u8], expected: &str) {
        let error = next(from, status, Some(location)).err().unwrap().to_string();
        assert!(error.starts_with("a.example redirects ") && error.contains(expected), "{error}");
    }

    #[test]
    fn some_redirects_are_not_followed() {
        let secure = hop(crate::Method::Get, "https://a.example/");
        refused(&secure, 302, b"http://a.example/", "from https to http://a.example");
        refused(&secure, 302, b"https://u:p@b.example/", "credentials");
        refused(&secure, 302, b"file:///etc/passwd", "http://");
        refused(&secure, 302, b"https://[", "no address");
        refused(&secure, 302, b"\xff", "no address");
        for status in [307, 308] {
            refused(
                &hop(crate::Method::Post, "https://a.example/"),
                status,
                b"https://b.example/?q",
                "a POST to https://b.example,",
            );
        }
        refused(&hop(crate::Method::Delete, "https://a.example/"), 302, b"https://b.example/", "a DELETE to");
    }

    #[test]
    fn what_redirects_nowhere_is_the_answer() {
        let from = hop(crate::Method::Get, "http://a/");
        assert!(next(&from, 200, Some(b"/b")).unwrap().is_none());
        assert!(next(&from, 302, None).unwrap().is_none());
        assert!(next(&from, 304, Some(b"/b")).unwrap().is_none());
    }
}
