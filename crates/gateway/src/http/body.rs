use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use orchestrator_rpc::Code;
use tokio::time::timeout;

use super::reply::Refusal;
use crate::Config;

/// Enough for a call that shows a long token.
const STRANGER_BYTES_MAX: usize = 16 << 10;

/// The whole body, which must be JSON by its headers unless it is empty.
pub(crate) async fn json_bytes(headers: &HeaderMap, body: Body, config: &Config) -> Result<Bytes, Refusal> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    check_headers(headers, config)?;
    let read = Limited::new(body, config.message_bytes_max).collect();
    match timeout(config.body_timeout, read).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(config)),
        Ok(Err(_)) => Err(Refusal::new(StatusCode::BAD_REQUEST, Code::InvalidRequest, "the body broke off")),
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, Code::Timeout, "the body took too long")),
    }
}

/// The same for somebody unknown, of whom much less is read.
pub(crate) async fn json_bytes_of_stranger(headers: &HeaderMap, body: Body, config: &Config) -> Result<Bytes, Refusal> {
    let message_bytes_max = config.message_bytes_max.min(STRANGER_BYTES_MAX);
    json_bytes(headers, body, &Config { message_bytes_max, ..config.clone() }).await
}

fn check_headers(headers: &HeaderMap, config: &Config) -> Result<(), Refusal> {
    let media = |message| Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::UnsupportedMedia, message);
    // A compressed body would have to be bounded a second time; nobody needs it on this side.
    if headers.get_all(CONTENT_ENCODING).iter().any(|encoding| encoding != "identity") {
        return Err(media("the body must not be compressed"));
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_json(content_type) {
        return Err(media("the body must be JSON: content-type application/json"));
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > config.message_bytes_max) {
        return Err(too_large(config));
    }
    Ok(())
}

fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let charset = parts.filter_map(|parameter| parameter.split_once('='));
    let utf8 = charset.filter(|(name, _)| name.eq_ignore_ascii_case("charset"));
    essence.eq_ignore_ascii_case("application/json")
        && utf8.into_iter().all(|(_, charset)| charset.trim_matches('"').eq_ignore_ascii_case("utf-8"))
}

fn too_large(config: &Config) -> Refusal {
    let message = format!("the body is larger than {} bytes", config.message_bytes_max);
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, &message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf8_is_json() {
        for good in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\"; a=b"] {
            assert!(is_json(good), "{good}");
        }
        for bad in ["", "text/plain", "application/jsonp", "text/json", "application/json; charset=latin1"] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
