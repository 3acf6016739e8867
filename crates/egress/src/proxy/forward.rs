use std::future::poll_fn;
use std::task::Poll;

use futures::FutureExt as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Uri, Version};
use hyper_util::rt::TokioIo;
use url::Host;

use super::answers::Answer;
use super::body::Driven;
use super::serving::Upstream;

/// Headers about one connection, which say nothing about the next.
const OF_ONE_CONNECTION: [&str; 10] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whom a request is for.
pub(super) struct Target {
    pub(super) host: Host<String>,
    /// The host as addresses spell it.
    pub(super) name: String,
    pub(super) port: u16,
}

impl Target {
    /// From the first line of a request, and nothing else in it.
    pub(super) fn of(request: &Request<Incoming>) -> Result<Self, &'static str> {
        let (uri, is_tunnel) = (request.uri(), request.method() == hyper::Method::CONNECT);
        let authority =
            uri.authority().ok_or("this is a proxy: expected CONNECT host:port, or a whole http:// address")?;
        if !is_tunnel && uri.scheme_str() != Some("http") {
            return Err("expected http://; ask for anything else by CONNECT");
        }
        if authority.as_str().contains('@') {
            return Err("expected an address without a user's name");
        }
        let host = Host::parse(authority.host()).map_err(|_| "the address has no host")?;
        let port = match (authority.port_u16(), is_tunnel) {
            (Some(port @ 1..), _) => port,
            (None, false) => 80,
            _ => return Err("expected a port, 1 to 65535"),
        };
        Ok(Self { name: host.to_string(), host, port })
    }
}

/// Asks the host itself, and hands its answer on as it comes.
pub(super) async fn forward(
    request: Request<Incoming>,
    target: &Target,
    upstream: Upstream,
) -> Result<Answer, hyper::Error> {
    let mut http = http1::Builder::new();
    let (mut sender, connection) = http.preserve_header_case(true).handshake(TokioIo::new(upstream)).await?;
    let mut connection = Box::pin(connection.fuse());
    let answering = sender.send_request(as_asked(request, target));
    tokio::pin!(answering);
    let answer = poll_fn(|context| {
        // The connection is what carries the request; that it is over is told by the answer.
        let _: Poll<_> = connection.poll_unpin(context);
        answering.as_mut().poll(context)
    });
    let (mut head, body) = answer.await?.into_parts();
    without_those_of_one_connection(&mut head.headers);
    Ok(Answer::from_parts(head, Driven { connection, body }.boxed_unsync()))
}

fn as_asked(request: Request<Incoming>, target: &Target) -> Request<Incoming> {
    let (mut head, body) = request.into_parts();
    let authority = head.uri.authority().map(ToString::to_string).unwrap_or_else(|| target.name.clone());
    let path = head.uri.path_and_query().cloned();
    head.uri = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    head.version = Version::HTTP_11;
    without_those_of_one_connection(&mut head.headers);
    // Who was judged is who is asked for.
    if let Ok(authority) = HeaderValue::from_str(&authority) {
        head.headers.insert(HOST, authority);
    }
    Request::from_parts(head, body)
}

fn without_those_of_one_connection(headers: &mut HeaderMap) {
    let listed = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let listed: Vec<HeaderName> =
        listed.flat_map(|names| names.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    for name in listed {
        headers.remove(name);
    }
    for name in OF_ONE_CONNECTION {
        headers.remove(name);
    }
}
