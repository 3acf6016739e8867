use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use super::forward::Target;
use crate::Error;

/// What a guest is answered with.
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

/// From here on the connection is the guest's and the host's.
pub(super) fn tunnel() -> Answer {
    Response::new(body(String::new()))
}

pub(super) fn malformed(problem: &'static str) -> Answer {
    said(StatusCode::BAD_REQUEST, problem.to_owned())
}

pub(super) fn broken(target: &Target) -> Answer {
    said(StatusCode::BAD_GATEWAY, format!("the connection to {} broke", target.name))
}

pub(super) fn refused(target: &Target, error: &Error) -> Answer {
    let Target { name, port, .. } = target;
    match error {
        Error::NotListed { .. } => said(
            StatusCode::FORBIDDEN,
            format!(
                "{name}:{port} is none of the hosts that this program may speak to; they are named by `hosts` of its sandbox"
            ),
        ),
        Error::Reserved { .. } => said(
            StatusCode::FORBIDDEN,
            format!("{error}; `proxy.allowHosts` or `proxy.allowNetworks` would let it through"),
        ),
        Error::TimedOut { .. } => said(StatusCode::GATEWAY_TIMEOUT, error.to_string()),
        _ => said(StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

fn said(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(body(format!("{text}\n")));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

fn body(text: String) -> UnsyncBoxBody<Bytes, hyper::Error> {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}
