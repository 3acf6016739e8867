//! A request to an address that was configured, and what its answer means.

use std::time::Duration;

use orchestrator_egress::{Client, Error, Method, Request, Response};
use orchestrator_vocab::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::plain::one_line;
use crate::{Failure, FailureKind};

/// How much of what the other side said is told.
const SAID_CHARS_MAX: usize = 120;

/// Sends JSON; anything but a success is a failure.
pub(crate) async fn post(
    client: &Client,
    url: &SecretString,
    headers: Vec<(&str, String)>,
    body: Vec<u8>,
    now: Timestamp,
) -> Result<(), Failure> {
    let mut request = Request::new(Method::Post, url.expose_secret()).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let response = client.send(request.body(body)).await.map_err(|error| unsent(&error))?;
    judged(&response, now)
}

fn unsent(error: &Error) -> Failure {
    let kind = match error {
        Error::TimedOut { .. } => FailureKind::TimedOut,
        error if error.is_retryable() => FailureKind::Unreachable,
        error if error.is_refusal() => FailureKind::Forbidden,
        _ => FailureKind::Refused,
    };
    Failure::new(kind, error.to_string())
}

fn judged(response: &Response, now: Timestamp) -> Result<(), Failure> {
    let kind = match response.status {
        200..=299 => return Ok(()),
        408 | 425 | 429 | 500..=599 => FailureKind::Busy,
        _ => FailureKind::Refused,
    };
    let said = one_line(&String::from_utf8_lossy(&response.body), SAID_CHARS_MAX);
    let message = match said.is_empty() {
        true => format!("it answered {}", response.status),
        false => format!("it answered {}: {said}", response.status),
    };
    let retry_after = response.header("retry-after").and_then(|text| wanted(text, now));
    Err(Failure { retry_after, ..Failure::new(kind, message) })
}

/// Seconds, or a date (RFC 9110, 10.2.3).
fn wanted(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
    u64::try_from(date - now.millis()).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_side_may_ask_for_seconds_or_name_a_moment() {
        let now = Timestamp(1_445_412_470_000);
        assert_eq!(wanted(" 30 ", now), Some(Duration::from_secs(30)));
        assert_eq!(wanted("Wed, 21 Oct 2015 07:28:00 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(wanted("Wed, 21 Oct 2015 07:27:00 GMT", now), None);
        assert_eq!(wanted("soon", now), None);
    }

    #[track_caller]
    fn check(status: u16, body: &str, expected: Option<(FailureKind, &str)>) {
        let body = body.as_bytes().to_vec().into();
        let response = Response { status, url: String::new(), headers: Vec::new(), body };
        let failure = judged(&response, Timestamp(0)).err();
        assert_eq!(failure.as_ref().map(|failure| (failure.kind, failure.message.as_str())), expected);
    }

    #[test]
    fn an_answer_says_whether_to_try_again() {
        check(204, "", None);
        check(429, "", Some((FailureKind::Busy, "it answered 429")));
        check(503, "later\n", Some((FailureKind::Busy, "it answered 503: later")));
        check(404, "no_service", Some((FailureKind::Refused, "it answered 404: no_service")));
        check(302, "", Some((FailureKind::Refused, "it answered 302")));
    }
}
